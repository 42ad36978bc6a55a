/** Those who wait in a test until something changes: each change wakes all of them. */
export class Waiters {
  #wake: (() => void)[] = [];

  /** Resolves at the next change. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
