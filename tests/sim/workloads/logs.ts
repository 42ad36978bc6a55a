/**
 * Logs that nobody else writes to, so that there are no conflicts: each entry is an object that
 * refers to the one before, and a head says how many there are. Each step adds an entry, and now
 * and then deletes one.
 */

import { type Oid, oid as asOid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { StepTransaction } from "./step_transaction.ts";
import { numberOf, type Place, Tally, type Workload } from "./workload.ts";

/** One step in so many deletes the newest entry instead. */
const DELETE_ONE_IN = 8;

interface Head {
  readonly length: number;
  /** How many entries were added, those included that were deleted since. */
  readonly added: number;
  /** The newest entry; an empty text for none. */
  readonly last: string;
}

export class Logs implements Workload {
  readonly #heads: Oid[] = [];
  readonly #tallies: Tally[] = [];

  async prepare(client: RecordedClient, workers: number): Promise<void> {
    await client.run("transact", async (tx) => {
      while (this.#heads.length < workers) {
        this.#heads.push(await tx.create({ length: 0, added: 0, last: "" }));
        this.#tallies.push(new Tally());
      }
    });
  }

  async step(place: Place): Promise<void> {
    const { worker, random, pause } = place;
    const [head, tally] = [this.#heads[worker], this.#tallies[worker]];
    if (head === undefined || tally === undefined) throw new Error(`no log of worker ${worker}`);
    const deletes = random.oneIn(DELETE_ONE_IN);
    await tally.run(place, async (tx) => {
      const before = headOf(await tx.read(head));
      await pause();
      if (!deletes) await append(tx, head, before);
      else if (before.length > 0) await removeLast(tx, head, before);
    }, { amount: deletes ? 0 : 1 });
  }

  async verify(tx: StepTransaction): Promise<void> {
    for (const [worker, head] of this.#heads.entries()) {
      const { length, added, last } = headOf(await tx.read(head));
      let found = 0;
      for (let entry = last; entry !== ""; found++) {
        const { number, previous } = entryOf(await tx.read(asOid(BigInt(entry))));
        if (number !== length - 1 - found) {
          throw new Error(`the log ${worker} is torn at ${number}`);
        }
        entry = previous;
      }
      if (found !== length) {
        throw new Error(`the log ${worker} has ${found} entries, not ${length}`);
      }
      this.#tallies[worker]?.verify(`entries in the log ${worker}`, added);
    }
  }
}

async function append(tx: StepTransaction, head: Oid, before: Head): Promise<void> {
  const { length, added, last } = before;
  const entry = await tx.create({ number: length, previous: last });
  await tx.store(head, { length: length + 1, added: added + 1, last: entry.toString() });
}

async function removeLast(tx: StepTransaction, head: Oid, before: Head): Promise<void> {
  const last = asOid(BigInt(before.last));
  const { previous } = entryOf(await tx.read(last));
  await tx.delete(last);
  await tx.store(head, { length: before.length - 1, added: before.added, last: previous });
}

function headOf(value: unknown): Head {
  if (typeof value === "object" && value !== null && "length" in value && "added" in value) {
    const last = "last" in value && typeof value.last === "string" ? value.last : "";
    return { length: numberOf(value.length), added: numberOf(value.added), last };
  }
  throw new Error(`expected the head of a log, found ${JSON.stringify(value)}`);
}

function entryOf(value: unknown): { readonly number: number; readonly previous: string } {
  if (
    typeof value === "object" && value !== null && "number" in value && "previous" in value &&
    typeof value.previous === "string"
  ) {
    return { number: numberOf(value.number), previous: value.previous };
  }
  throw new Error(`expected an entry of a log, found ${JSON.stringify(value)}`);
}
