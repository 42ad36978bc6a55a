/** The orders of the master to compare replicas, which are obeyed one partition after the other. */

import type { CheckPartition } from "../../../gen/packets.ts";
import { MAX_ORDERS } from "./limits.ts";
import { type CheckerOptions, PartitionCheck } from "./partition_check.ts";

export class Checker {
  readonly #options: CheckerOptions;
  #orders: CheckPartition[] = [];
  #isWorking = false;
  #isOver = false;

  constructor(options: CheckerOptions) {
    this.#options = options;
  }

  /** Takes an order. */
  order(order: CheckPartition): void {
    const { session } = this.#options;
    if (this.#orders.length >= MAX_ORDERS) {
      return session.log("WARNING", `more than ${MAX_ORDERS} checks are waiting: refused one`);
    }
    this.#orders.push(order);
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work().catch((error) => session.options.fatal(error));
  }

  async #work(): Promise<void> {
    for (;;) {
      const order = this.#orders.shift();
      if (order === undefined || this.#isOver) break;
      const check = new PartitionCheck({
        ...this.#options,
        order,
        isOver: () => this.#isOver,
        // The cluster may be about to stand down: there is no use in finding out more now.
        allDiffer: () => this.#orders = [],
      });
      await check.run();
    }
    this.#isWorking = false;
  }

  /** Operation is over. */
  stop(): void {
    this.#isOver = true;
    this.#orders = [];
  }
}
