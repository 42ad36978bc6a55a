/**
 * Counters that many transactions increase at the same time, in different orders: in the end they
 * have counted each increment that was committed, and no other. Conflicts are resolved or not.
 */

import type { Oid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { Merge } from "./recorder.ts";
import type { StepTransaction } from "./step_transaction.ts";
import { numberOf, type Place, someOf, Tally, type Workload } from "./workload.ts";

export interface CountersOptions {
  /** How many there are: fewer are more contended. */
  readonly counters: number;
  readonly touched: number;
  readonly resolved: boolean;
}

export class Counters implements Workload {
  readonly merge?: Merge;
  readonly #options: CountersOptions;
  readonly #counters: Oid[] = [];
  readonly #tally = new Tally();

  constructor(options: CountersOptions) {
    this.#options = options;
    if (options.resolved) {
      this.merge = ({ old, saved, mine }) => numberOf(saved) + numberOf(mine) - numberOf(old);
    }
  }

  async prepare(client: RecordedClient): Promise<void> {
    await client.run("transact", async (tx) => {
      while (this.#counters.length < this.#options.counters) {
        this.#counters.push(await tx.create(0));
      }
    });
  }

  async step(place: Place): Promise<void> {
    const { random, pause } = place;
    const touched = someOf(this.#counters, this.#options.touched, random);
    await this.#tally.run(place, async (tx) => {
      for (const counter of touched) {
        const value = numberOf(await tx.read(counter));
        await tx.store(counter, value + 1);
        await pause();
      }
    }, { amount: touched.length });
  }

  async verify(tx: StepTransaction): Promise<void> {
    let sum = 0;
    for (const counter of this.#counters) sum += numberOf(await tx.read(counter));
    this.#tally.verify("increments", sum);
  }
}
