/**
 * Work that nobody waits for: feeding other storages, following them, comparing replicas. It is
 * done in slices, one at a time and in turn for all such tasks, after everything that is ready to
 * run, so that a client never waits for more than one slice, however many tasks there are.
 */

import type { ClientHost } from "../host/host.ts";

/** How long clients may be kept waiting by a slice of work, in milliseconds. */
export const SLICE_MS = 2;

export class Background {
  readonly #host: ClientHost;
  #waiting: (() => void)[] = [];
  #isScheduled = false;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** A new task, whose first slice begins now. */
  task(): Task {
    return new Task(this.#host, () => this.#turn());
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    this.#host.defer(() => {
      this.#isScheduled = false;
      this.#waiting.shift()?.();
      this.#schedule();
    });
  }
}

/** One task in the background. */
export class Task {
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
