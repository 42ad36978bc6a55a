/**
 * Work that nobody waits for: feeding other storages, following them, comparing replicas. It is
 * done in slices, one at a time and in turn for all such tasks, after everything that is ready to
 * run, so that a client never waits for more than one slice, however many tasks there are.
 *
 * What keeps the disk busy is shared in time instead: while clients work, such a task rests for as
 * long as it has worked, so that most of what clients do finds the disk quiet.
 */

import { delay } from "../cluster/delay.ts";
import type { ClientHost } from "../host/host.ts";

/** How long clients may be kept waiting by a slice of work, in milliseconds. */
export const SLICE_MS = 2;

/**
 * An event loop reads what has arrived when it has nothing to run, and deferred calls in a row keep
 * Deno's from that for some 60 of them. So while clients work, there is a pause by a timer after so
 * much time, in milliseconds. More often would cost too much: such a pause takes more than 1 ms.
 */
const UNREAD_MS = 6;

/** How long after a client's last request its next one is expected, in milliseconds. */
const EXPECTING_MS = 1000;

/** How long a task rests for each unit of time that it has worked; and at most. */
const REST_RATIO = 1;
const MAX_REST_MS = 500;

/** A task that waits for its turn. */
interface Waiting {
  readonly usesNetwork: boolean;
  resolve(): void;
}

export class Background {
  readonly #host: ClientHost;
  #clientRequests = 0;
  #lastRequestMs = -Infinity;
  /** Since when nothing may have been read. */
  #unreadSinceMs = -Infinity;
  #waiting: Waiting[] = [];
  #isScheduled = false;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /**
   * A new task, whose first slice begins now.
   *
   * @param options.usesNetwork it waits for what it sends to be taken, so that what has arrived is
   *   read by then
   */
  task({ usesNetwork = false }: { readonly usesNetwork?: boolean } = {}): Task {
    return new Task(this.#host, () => this.#turn(usesNetwork));
  }

  /**
   * A new task that some client waits for, while the others must not wait for it: what has arrived
   * is read in each pause.
   */
  urgentTask(): Task {
    const host = this.#host;
    return new Task(host, () => new Promise((resolve) => void host.setTimer(0, resolve)));
  }

  /** A client has asked for something. */
  clientAsked(): void {
    this.#clientRequests++;
    this.#lastRequestMs = this.#host.monotonic();
  }

  /** A stint of work, which begins now. */
  stint(): Stint {
    const host = this.#host;
    const startMs = host.monotonic();
    const requests = this.#clientRequests;
    return {
      isShared: () => this.#clientRequests > requests,
      rest: (signal) => {
        const ms = (host.monotonic() - startMs) * REST_RATIO;
        return delay(host, Math.min(ms, MAX_REST_MS), signal);
      },
    };
  }

  #turn(usesNetwork: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ usesNetwork, resolve });
      this.#schedule();
    });
  }

  #schedule(): void {
    const [first] = this.#waiting;
    if (this.#isScheduled || first === undefined) return;
    this.#isScheduled = true;
    const next = () => {
      this.#isScheduled = false;
      this.#waiting.shift()?.resolve();
      this.#schedule();
    };
    if (first.usesNetwork || !this.#mustRead()) return this.#host.defer(next);
    this.#host.setTimer(0, () => {
      this.#unreadSinceMs = this.#host.monotonic();
      next();
    });
  }

  #mustRead(): boolean {
    const now = this.#host.monotonic();
    return now - this.#lastRequestMs < EXPECTING_MS && now - this.#unreadSinceMs >= UNREAD_MS;
  }
}

/** A stint of work that keeps the disk busy. */
export interface Stint {
  /** Whether clients have worked at the same time. */
  isShared(): boolean;
  /** Rests as the stint's length asks for. Rejects with the signal's reason when it is aborted. */
  rest(signal: AbortSignal): Promise<void>;
}

/** Work in slices: what the worker has to know of the others. */
export interface Turns {
  /** Whether others have to get their turn before the work goes on. */
  readonly isDue: boolean;
  /** Lets others work. What the work relies on has to be looked at again afterwards. */
  pause(): Promise<void>;
}

/** One task in the background. */
export class Task implements Turns {
  readonly #host: ClientHost;
  readonly #turn: () => Promise<void>;
  #start: number;

  constructor(host: ClientHost, turn: () => Promise<void>) {
    this.#host = host;
    this.#turn = turn;
    this.#start = host.monotonic();
  }

  /** Whether others have to get their turn before this task goes on. */
  get isDue(): boolean {
    return this.#host.monotonic() - this.#start >= SLICE_MS;
  }

  /** Lets others work. What the task relies on has to be looked at again afterwards. */
  async pause(): Promise<void> {
    await this.#turn();
    this.#start = this.#host.monotonic();
  }
}
