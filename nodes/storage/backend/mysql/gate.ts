/**
 * Keeps operations in the order of their calls, on a database that answers later. One that holds
 * the gate has the database for itself until it is over; the others only wait for their turn.
 */

import type { Eventual } from "../eventual.ts";

export class Gate {
  readonly #failed: (error: unknown) => void;
  #waiting: (() => void)[] = [];
  #isHeld = false;

  /** @param failed told of what goes wrong in an operation, which nobody may be waiting for */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Whether all that was called has begun, and nobody holds the gate. */
  get isOpen(): boolean {
    return !this.#isHeld;
  }

  /** Begins an operation when its turn has come. */
  pass<T>(operation: () => Eventual<T>, options: { readonly holds: boolean }): Eventual<T> {
    if (!this.#isHeld) return this.#begin(operation, options.holds);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(this.#failed);
    this.#waiting.push(() => {
      try {
        resolve(this.#begin(operation, options.holds));
      } catch (error) {
        reject(error);
      }
    });
    return promise;
  }

  #begin<T>(operation: () => Eventual<T>, holds: boolean): Eventual<T> {
    const result = operation();
    if (!(result instanceof Promise)) return result;
    result.catch(this.#failed);
    if (!holds) return result;
    this.#isHeld = true;
    const done = () => this.#open();
    result.then(done, done);
    return result;
  }

  #open(): void {
    this.#isHeld = false;
    while (!this.#isHeld) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
