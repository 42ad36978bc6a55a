/** Transfers between accounts: the sum is the same in each snapshot. */

import type { Oid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { StepTransaction } from "./step_transaction.ts";
import { anyStyle, numberOf, type Place, someOf, type Workload } from "./workload.ts";

const ACCOUNTS = 8;
const BALANCE = 1000;
/** One step in so many looks at all accounts. */
const AUDIT_ONE_IN = 4;

export class Bank implements Workload {
  readonly #accounts: Oid[] = [];

  async prepare(client: RecordedClient): Promise<void> {
    await client.run("transact", async (tx) => {
      while (this.#accounts.length < ACCOUNTS) this.#accounts.push(await tx.create(BALANCE));
    });
  }

  async step({ client, random, pause }: Place): Promise<void> {
    const style = anyStyle(random);
    if (random.oneIn(AUDIT_ONE_IN)) {
      await client.run(style, (tx) => this.#audit(tx, pause));
      return;
    }
    const [from, ...to] = someOf(this.#accounts, 2 + random.below(2), random);
    if (from === undefined) return;
    await client.run(style, async (tx) => {
      const source = numberOf(await tx.read(from));
      for (const account of to) {
        const target = numberOf(await tx.read(account));
        await pause();
        await tx.store(account, target + 1);
      }
      await tx.store(from, source - to.length);
    });
  }

  async #audit(tx: StepTransaction, pause: () => Promise<void>): Promise<void> {
    let sum = 0;
    for (const account of this.#accounts) {
      sum += numberOf(await tx.read(account));
      await pause();
    }
    if (sum !== ACCOUNTS * BALANCE) {
      throw new Error(`expected the accounts to sum up to ${ACCOUNTS * BALANCE}, found ${sum}`);
    }
  }

  async verify(tx: StepTransaction): Promise<void> {
    await this.#audit(tx, () => Promise.resolve());
  }
}
