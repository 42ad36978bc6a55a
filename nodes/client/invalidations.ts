/**
 * Telling the application what was committed, by this client or another one, so that it can drop
 * what it has kept outside. A reader that does not keep up is told that everything may be stale,
 * instead of filling the memory.
 */

import type { Oid, Tid } from "../codec/ids.ts";
import type { LogSink } from "../host/host.ts";
import { MAX_QUEUED_INVALIDATIONS } from "./limits.ts";

/** Objects that were changed by one transaction. */
export interface Invalidation {
  /** The transaction; or the last one that is known, when `oids` is null. */
  readonly tid: Tid;
  /**
   * The objects; null when anything may have changed: after a reconnection, or when a reader was
   * too slow.
   */
  readonly oids: readonly Oid[] | null;
}

export type InvalidationListener = (invalidation: Invalidation) => void;

export class Invalidations {
  readonly #log: LogSink;
  readonly #listeners = new Set<InvalidationListener>();
  readonly #queues = new Set<Queue>();
  #closed = false;

  constructor(log: LogSink) {
    this.#log = log;
  }

  /** Calls back for each invalidation, in order, until the returned function is called. */
  listen(listener: InvalidationListener): () => void {
    // Each call is a subscription of its own, also with the same function.
    const own: InvalidationListener = (invalidation) => listener(invalidation);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(invalidation: Invalidation): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(invalidation);
      } catch (error) {
        const text = error instanceof Error ? error.stack ?? error.message : String(error);
        this.#log.log("ERROR", "client", `a listener to invalidations failed: ${text}`);
      }
    }
  }

  /** Invalidations from this call on, one by one, until the signal or the client's end. */
  iterate(signal?: AbortSignal): AsyncGenerator<Invalidation, void, void> {
    const queue = new Queue();
    const withdraw = this.listen((invalidation) => queue.push(invalidation));
    const close = () => queue.close();
    if (this.#closed || signal?.aborted) close();
    signal?.addEventListener("abort", close);
    this.#queues.add(queue);
    const ended = () => {
      signal?.removeEventListener("abort", close);
      withdraw();
      this.#queues.delete(queue);
    };
    return iterate(queue, ended);
  }

  /** Ends all iterations, after what they have still to tell. */
  close(): void {
    this.#closed = true;
    for (const queue of this.#queues) queue.close();
    this.#listeners.clear();
  }
}

/** What waits for one reader. */
class Queue {
  #items: Invalidation[] = [];
  #closed = false;
  #wake = () => {};

  push(invalidation: Invalidation): void {
    if (this.#items.length < MAX_QUEUED_INVALIDATIONS) this.#items.push(invalidation);
    else this.#items = [{ tid: invalidation.tid, oids: null }];
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** All that waits, when there is something; nothing once it is closed and empty. */
  async take(): Promise<readonly Invalidation[]> {
    while (this.#items.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const items = this.#items;
    this.#items = [];
    return items;
  }
}

async function* iterate(queue: Queue, ended: () => void): AsyncGenerator<Invalidation, void, void> {
  try {
    for (;;) {
      const items = await queue.take();
      if (items.length === 0) return;
      yield* items;
    }
  } finally {
    ended();
  }
}
