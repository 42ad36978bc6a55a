/**
 * One event at a time: a packet, an answer or a lost connection is handled to its end before
 * anything that follows from it as a whole happens, such as a change of the cluster's state. So no
 * handler finds the ground moved under it, and what must follow an answer is sent after it.
 */

export class Turn {
  readonly #fatal: (error: unknown) => void;
  #depth = 0;
  #rest: (() => void)[] = [];

  /** `fatal` is told of an error in what follows an event: the node must stop. */
  constructor(fatal: (error: unknown) => void) {
    this.#fatal = fatal;
  }

  /** Handles one event, then what {@link after} was asked for meanwhile. */
  run<T>(event: () => T): T {
    this.#depth++;
    try {
      return event();
    } finally {
      if (this.#depth === 1) this.#finish();
      this.#depth--;
    }
  }

  /** Handles an event that no peer waits for: an error in it is this node's own. */
  runOwn(event: () => void): void {
    this.run(() => this.#guarded(event));
  }

  /** Calls back when the event that is being handled is over; at once when there is none. */
  after(callback: () => void): void {
    if (this.#depth === 0) this.runOwn(callback);
    else this.#rest.push(callback);
  }

  #finish(): void {
    while (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = [];
      for (const callback of rest) this.#guarded(callback);
    }
  }

  #guarded(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#fatal(error);
    }
  }
}
