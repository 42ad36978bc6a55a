/** Objects in a ring, each of which refers to the next: moving one keeps it a ring. */

import { type Oid, oid as asOid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { StepTransaction } from "./step_transaction.ts";
import { anyStyle, type Place, someOf, type Workload } from "./workload.ts";

const LENGTH = 9;
/** One step in so many goes all around. */
const WALK_ONE_IN = 4;

export class Ring implements Workload {
  readonly #members: Oid[] = [];

  async prepare(client: RecordedClient): Promise<void> {
    await client.run("phases", async (tx) => {
      while (this.#members.length < LENGTH) {
        const previous = this.#members.at(-1);
        this.#members.push(await tx.create(previous === undefined ? "" : previous.toString()));
      }
      const [first, last] = [this.#members[0], this.#members.at(-1)];
      if (first !== undefined && last !== undefined) await tx.store(first, last.toString());
    });
  }

  async step({ client, random, pause }: Place): Promise<void> {
    const style = anyStyle(random);
    if (random.oneIn(WALK_ONE_IN)) {
      await client.run(style, (tx) => this.#walk(tx, pause));
      return;
    }
    const [before, after] = someOf(this.#members, 2, random);
    if (before === undefined || after === undefined) return;
    await client.run(style, (tx) => move(tx, { before, after, pause }));
  }

  async #walk(tx: StepTransaction, pause: () => Promise<void>): Promise<void> {
    const [start] = this.#members;
    if (start === undefined) return;
    const seen = new Set<Oid>();
    for (let at = start; !seen.has(at); at = await nextOf(tx, at)) {
      seen.add(at);
      await pause();
    }
    if (seen.size === LENGTH) return;
    throw new Error(`expected a ring of ${LENGTH}, found ${seen.size}`);
  }

  async verify(tx: StepTransaction): Promise<void> {
    await this.#walk(tx, () => Promise.resolve());
  }
}

/** Takes out the member that follows `before`, and puts it in where it follows `after`. */
async function move(tx: StepTransaction, { before, after, pause }: {
  readonly before: Oid;
  readonly after: Oid;
  pause(): Promise<void>;
}): Promise<void> {
  const moved = await nextOf(tx, before);
  if (moved === after) return;
  const [behind, follower] = [await nextOf(tx, moved), await nextOf(tx, after)];
  await pause();
  await tx.store(moved, follower.toString());
  await tx.store(after, moved.toString());
  await pause();
  await tx.store(before, behind.toString());
}

async function nextOf(tx: StepTransaction, member: Oid): Promise<Oid> {
  const value = await tx.read(member);
  if (typeof value === "string") return asOid(BigInt(value));
  throw new Error(`expected a member of a ring, found ${JSON.stringify(value)}`);
}
