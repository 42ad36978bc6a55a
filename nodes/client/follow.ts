/**
 * Following commits. Invalidations, own commits and new connections only wake the follower up: what
 * was committed is always read from the history, which has it whole and in order.
 *
 * Invariant: a transaction is told of after all that come before it, and once. There is no queue:
 * a slow reader is told later, from the history, and at most one chunk is read ahead for it.
 */

import { hexId, type Tid } from "../codec/ids.ts";
import { delay } from "../cluster/delay.ts";
import {
  DeadlineError,
  NotFoundError,
  StorageError,
  TransientError,
  UnavailableError,
} from "./errors.ts";
import type { History, TransactionInformation } from "./history.ts";
import { MAX_FOLLOW_PAUSE_MS, MIN_FOLLOW_PAUSE_MS } from "./limits.ts";
import { after } from "./loads.ts";
import type { Parts } from "./parts.ts";
import type { Session } from "./session.ts";

export class Follower {
  readonly #parts: Parts;
  readonly #history: History;
  readonly #ended: AbortSignal;
  #next: Tid;
  /** The last transaction that was told of. */
  #last: Tid | null = null;
  /** The session in which the last transaction was seen to be there. */
  #session: Session | null = null;
  #pauseMs = MIN_FOLLOW_PAUSE_MS;
  #wake = () => {};

  /** @param start the first transaction to tell of, or those after it */
  constructor(
    parts: Parts,
    history: History,
    { start, signal }: { readonly start: Tid; readonly signal?: AbortSignal | undefined },
  ) {
    this.#parts = parts;
    this.#history = history;
    this.#next = start;
    const { closing } = parts.master;
    this.#ended = signal === undefined ? closing : AbortSignal.any([closing, signal]);
  }

  /** Tells of transactions until the signal is aborted or the client is closed. */
  async *run(): AsyncGenerator<TransactionInformation, void, void> {
    const wake = () => this.#wake();
    const withdraw = this.#parts.invalidations.listen(wake);
    this.#ended.addEventListener("abort", wake);
    try {
      while (!this.#ended.aborted) {
        for (const transaction of await this.#readOrPause()) {
          if (this.#ended.aborted) return;
          this.#last = transaction.tid;
          this.#next = after(transaction.tid);
          yield transaction;
        }
      }
    } finally {
      withdraw();
      this.#ended.removeEventListener("abort", wake);
    }
  }

  /** As `#read`, but gets past what may pass: a follower outlives all nodes. */
  async #readOrPause(): Promise<TransactionInformation[]> {
    try {
      const found = await this.#read();
      this.#pauseMs = MIN_FOLLOW_PAUSE_MS;
      return found;
    } catch (error) {
      if (this.#ended.aborted) return [];
      if (!mayPass(error)) throw error;
      const { host } = this.#parts;
      host.log.log("INFO", "client", `following: ${error.message}`);
      // It only rejects by the signal, which ends all.
      await delay(host, this.#pauseMs, this.#ended).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_FOLLOW_PAUSE_MS);
      return [];
    }
  }

  /** What comes next, perhaps nothing yet; waits while nothing can have come. */
  async #read(): Promise<TransactionInformation[]> {
    const { master, view } = this.#parts;
    const options = { signal: this.#ended };
    const session = master.current ?? await master.session(options);
    if (session !== this.#session) await this.#resume(session);
    const to = view.lastTid;
    if (to < this.#next) {
      await this.#woken(session);
      return [];
    }
    const found = await this.#history.chunk({ from: this.#next, to }, options);
    // What a lost session has told may belong to a history that was truncated since.
    if (session.ended) return [];
    if (found.length === 0) this.#next = after(to);
    return found;
  }

  /** Goes on in a new session. Rejects where the database was truncated meanwhile. */
  async #resume(session: Session): Promise<void> {
    if (this.#last !== null) {
      try {
        await this.#history.transaction(this.#last, { signal: this.#ended });
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
        throw new StorageError(
          `expected transaction ${hexId(this.#last)}, which was told of, found it no more: ` +
            "the database was truncated, so follow it anew",
          { cause: error },
        );
      }
    }
    this.#session = session;
    // The next session may begin with what was missed, or never.
    session.onEnd(() => this.#wake());
  }

  #woken(session: Session): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (session.ended || this.#ended.aborted) resolve();
    });
  }
}

/** Whether an error is about nodes that may come back. */
function mayPass(error: unknown): error is Error {
  return error instanceof TransientError || error instanceof DeadlineError ||
    error instanceof UnavailableError;
}
