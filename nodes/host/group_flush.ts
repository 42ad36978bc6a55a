/**
 * Shares one flush of the disk among all that wait for it. Who comes while a flush runs waits for
 * the next one, since the running one may have passed by what he has just written.
 *
 * Invariant: after a failed flush nothing is ever durable again. The system may have dropped the
 * pages that it could not write, and would report the next flush as a success.
 */

import { DatabaseError } from "../errors.ts";

export class GroupFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> | null = null;
  #waiting: Promise<void> | null = null;
  #pending = 0;
  #failed = false;
  #whenIdle: (() => void) | null = null;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves when a flush that began after this call has ended. Rejects with a DatabaseError. */
  durable(): Promise<void> {
    this.#waiting ??= this.#flushAfter(this.#running);
    return this.#waiting;
  }

  /** Calls back when no flush runs or waits any more. */
  whenIdle(callback: () => void): void {
    if (this.#pending === 0) callback();
    else this.#whenIdle = callback;
  }

  async #flushAfter(previous: Promise<void> | null): Promise<void> {
    this.#pending++;
    try {
      // A failure stays: this promise is then the one that all later callers get.
      await previous;
      this.#running = this.#waiting;
      this.#waiting = null;
      await this.#flush();
    } catch (cause) {
      this.#failed = true;
      if (cause instanceof DatabaseError) throw cause;
      throw new DatabaseError(
        `the disk did not take what was written: ${cause instanceof Error ? cause.message : cause}`,
        { cause },
      );
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#whenIdle?.();
    }
  }
}
