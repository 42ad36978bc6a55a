/** Following commits in a simulated cluster whose master crashes and comes back. */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import type { Client } from "../../nodes/client/client.ts";
import { StorageError } from "../../nodes/client/errors.ts";
import { type Tid, tid as asTid } from "../../nodes/codec/ids.ts";
import { Bank } from "./bank.ts";
import { SimulatedCluster } from "./cluster.ts";

const OPTIONS = { storages: 2, partitions: 4, replicas: 1 };
const ACCOUNTS = 8;

/** Follows from a transaction on; what was told of is in `tids`, and what ended it in `failure`. */
class Following {
  readonly tids: Tid[] = [];
  readonly ended: Promise<void>;
  failure: unknown = null;
  readonly #gone = new AbortController();

  constructor(client: Client, start: Tid) {
    this.ended = this.#run(client, start).catch((error) => void (this.failure = error));
  }

  async #run(client: Client, start: Tid): Promise<void> {
    const { signal } = this.#gone;
    for await (const { tid } of client.follow(start, { signal })) this.tids.push(tid);
  }

  stop(): Promise<void> {
    this.#gone.abort();
    return this.ended;
  }
}

async function tidsFrom(client: Client, start: Tid): Promise<Tid[]> {
  const tids: Tid[] = [];
  for await (const { tid } of client.transactions({ start })) tids.push(tid);
  return tids;
}

async function play(seed: number): Promise<readonly string[]> {
  const cluster = await SimulatedCluster.start({ ...OPTIONS, seed });
  const { world } = cluster;
  const clients = [await cluster.client("client1"), await cluster.client("client2")];
  const [first] = clients;
  assert.ok(first);
  const bank = await Bank.found(world, first, ACCOUNTS);
  const start = asTid(first.lastTid + 1n);
  const watcher = await cluster.client("watcher");
  // One that commits nothing, and one that commits itself.
  const followings = [new Following(watcher, start), new Following(first, start)];
  const work = Promise.all(clients.map((client) => bank.work(client, 40)));
  await world.runFor(world.random.between(10, 500));
  cluster.crash("master");
  await world.runFor(world.random.between(10, 3000));
  await cluster.startMaster();
  await world.run(work);
  await cluster.untilState("RUNNING");
  await world.run(first.sync());
  const expected = await world.run(tidsFrom(first, start));
  const last = expected?.at(-1);
  assert.ok(expected && last !== undefined);
  const acknowledged = bank.transfers.map(({ tid }) => tid);
  assert.ok(acknowledged.length > 20 && acknowledged.every((tid) => expected.includes(tid)));
  for (const following of followings) {
    await world.run(() => following.failure !== null || following.tids.includes(last));
    assert.deepEqual([following.tids, following.failure], [expected, null]);
  }
  const [silent, own] = followings;
  assert.ok(silent && own);
  await world.run(own.stop());
  await truncate(cluster, asTid(last - 1n), silent);
  for (const client of [...clients, watcher]) await client.close();
  await cluster.stop();
  return world.eventLog;
}

/** A follower does not go on silently with another history. */
async function truncate(cluster: SimulatedCluster, tid: Tid, following: Following): Promise<void> {
  await cluster.world.run(cluster.control(p.Truncate, { tid }));
  await cluster.world.run(following.ended);
  assert.ok(following.failure instanceof StorageError, String(following.failure));
  assert.match(following.failure.message, /the database was truncated, so follow it anew/);
}

for (const seed of [1, 2, 3, 4, 5]) {
  const name = `a follower misses nothing when the master crashes and returns, seed ${seed}`;
  Deno.test(name, () => play(seed).then(() => {}));
}

Deno.test("following is repeatable", async () => {
  assert.deepEqual(await play(1), await play(1));
});
