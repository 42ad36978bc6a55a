/**
 * Pairs of accounts, one of which may be in debt as long as the other one covers it. Who takes from
 * one relies on the other's being current: without that, two could take at the same time.
 */

import type { Oid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { StepTransaction } from "./step_transaction.ts";
import { anyStyle, numberOf, type Place, someOf, type Workload } from "./workload.ts";

const PAIRS = 3;
const BALANCE = 5;

type Pair = readonly [Oid, Oid];

export class Pairs implements Workload {
  readonly #pairs: Pair[] = [];

  async prepare(client: RecordedClient): Promise<void> {
    await client.run("transact", async (tx) => {
      while (this.#pairs.length < PAIRS) {
        this.#pairs.push([await tx.create(BALANCE), await tx.create(BALANCE)]);
      }
    });
  }

  async step({ client, random, pause }: Place): Promise<void> {
    const [pair] = someOf(this.#pairs, 1, random);
    if (pair === undefined) return;
    const [taken, other] = random.oneIn(2) ? pair : [pair[1], pair[0]];
    await client.run(anyStyle(random), async (tx) => {
      const [here, there] = [numberOf(await tx.read(taken)), numberOf(await tx.read(other))];
      assertCovered(here + there);
      await pause();
      // What can't be taken is paid in, so that there is always something to take.
      const change = here + there >= BALANCE ? -BALANCE : BALANCE;
      await tx.check(other);
      await pause();
      await tx.store(taken, here + change);
    });
  }

  async verify(tx: StepTransaction): Promise<void> {
    for (const [first, second] of this.#pairs) {
      assertCovered(numberOf(await tx.read(first)) + numberOf(await tx.read(second)));
    }
  }
}

function assertCovered(sum: number): void {
  if (sum < 0) throw new Error(`expected a pair to be covered, found a sum of ${sum}`);
}
