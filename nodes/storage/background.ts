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

/** How long a task rests for each unit of time that it has worked; and at most. */
const REST_RATIO = 1;
const MAX_REST_MS = 500;

export class Background {
  readonly #host: ClientHost;
  #clientRequests = 0;
  #waiting: (() => void)[] = [];
  #isScheduled = false;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** A new task, whose first slice begins now. */
  task(): Task {
    return new Task(this.#host, () => this.#turn());
  }

  /**
   * A new task that some client waits for, while the others must not wait for it. It pauses by
   * timers: an event loop reads what has arrived when it has nothing to run, which deferred calls
   * that follow each other don't let happen for long.
   */
  urgentTask(): Task {
    const host = this.#host;
    return new Task(host, () => new Promise((resolve) => void host.setTimer(0, resolve)));
  }

  /** A client has asked for something. */
  clientAsked(): void {
    this.#clientRequests++;
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
