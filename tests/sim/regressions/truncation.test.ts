/** Truncations that crashes interrupt, each in the smallest scene that showed a fault. */

import assert from "node:assert/strict";
import { Truncate } from "../../../gen/packets.ts";
import { hexId, type Tid } from "../../../nodes/codec/ids.ts";
import { Initialization } from "../../../nodes/storage/initialization.ts";
import { SimulatedCluster } from "../cluster.ts";
import { replace } from "../mutants/plant.ts";
import { DATABASE } from "../stopped.ts";

/** Makes three transactions. Returns the first one's id. */
async function threeTransactions(cluster: SimulatedCluster): Promise<Tid> {
  const client = await cluster.client("client1");
  const tids: Tid[] = [];
  const committed = (tid: Tid) => void tids.push(tid);
  await cluster.world.run((async () => {
    for (const value of [1, 2, 3]) {
      await client.transact((tx) => tx.create(new Uint8Array([value])), { committed });
    }
  })());
  await client.close();
  const [first] = tids;
  assert.ok(first !== undefined);
  return first;
}

const REPLICATED = { seed: 1, storages: 2, partitions: 1, replicas: 1 } as const;
const COUNT = "SELECT (SELECT COUNT(*) FROM obj) + (SELECT COUNT(*) FROM trans) AS count";

Deno.test("a storage that was lost while it truncated brings nothing back", async () => {
  const cluster = await SimulatedCluster.start(REPLICATED);
  const { world } = cluster;
  const tid = await threeTransactions(cluster);
  let orders = 0;
  const put = replace(
    Initialization,
    "askLastIDs",
    ({ args, proceed }) => ++orders === 2 ? new Promise(() => {}) : proceed(...args),
  );
  const from = world.eventLog.length;
  await world.run(cluster.ask(Truncate, { tid }));
  await world.runFor(1000);
  put();
  // One has done it; the other one was told to, and has not.
  const answer = world.eventLog.slice(from).find((line) => line.includes("AnswerLastIDs")) ?? "";
  const late = answer.includes(world.host("storage1").ip) ? 2 : 1;
  cluster.crash(`storage${late}`);
  await cluster.untilState("RUNNING");
  await cluster.startStorage(late);
  await cluster.untilComplete();
  await cluster.stop();
  assert.deepEqual([1, 2].map((storage) => cluster.rows(storage, COUNT)[0]?.count), [2n, 2n]);
});

for (const told of [1, 2]) {
  Deno.test(`all truncate when only storage ${told} was told before the cluster died`, async () => {
    const cluster = await SimulatedCluster.start(REPLICATED);
    const tid = await threeTransactions(cluster);
    await cluster.stop();
    const { database } = cluster.world.host(`storage${told}`).openDatabase(DATABASE);
    database.exec(`INSERT INTO config VALUES ('truncate_tid', '${hexId(tid)}')`);
    database.close();
    for (const name of cluster.names) await cluster.world.run(cluster.launch(name));
    await cluster.untilState("RUNNING");
    await cluster.untilComplete();
    await cluster.stop();
    assert.deepEqual([1, 2].map((storage) => cluster.rows(storage, COUNT)[0]?.count), [2n, 2n]);
  });
}
