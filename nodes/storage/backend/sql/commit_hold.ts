/**
 * Keeps commits back while something is being written in parts that must get on disk as a whole.
 * There is one such piece of work at a time, and between two of them those commits have their turn
 * that have waited: a commit waits for one piece of work at most.
 */

import type { Eventual } from "../eventual.ts";

export class CommitHold {
  #isHeld = false;
  readonly #commits: (() => void)[] = [];
  readonly #holders: (() => void)[] = [];

  /** Whether commits have to wait. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Keeps commits back, when it is time to, until the function that it gives is called. */
  take(): Eventual<() => void> {
    if (!this.#isHeld) return this.#hold();
    return new Promise((resolve) => this.#holders.push(() => resolve(this.#hold())));
  }

  #hold(): () => void {
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      for (const commit of this.#commits.splice(0)) commit();
      this.#holders.shift()?.();
    };
  }

  /** Commits as soon as nobody keeps it back: at once if so. */
  commit(commit: () => void): Eventual<void> {
    if (!this.#isHeld) return commit();
    return new Promise((resolve, reject) => {
      this.#commits.push(() => {
        try {
          resolve(commit());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}
