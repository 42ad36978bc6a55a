/** Whole clusters in one process, on virtual time: they commit, survive, and are repeatable. */

import assert from "node:assert/strict";
import { Bank } from "./bank.ts";
import { SimulatedCluster } from "./cluster.ts";

const OPTIONS = { storages: 2, partitions: 4, replicas: 1 };
const ACCOUNTS = 8;

/** What both storages of a stopped cluster must have in common. */
function assertReplicasAgree(cluster: SimulatedCluster): void {
  for (
    const sql of [
      'SELECT "partition", tid, oids, user, description, ext, ttid FROM trans ORDER BY 1, 2',
      'SELECT o."partition", oid, tid, value_tid, hash, compression, value FROM obj o ' +
      "LEFT JOIN data ON data.id = data_id ORDER BY 1, 2, 3",
    ]
  ) {
    const first = cluster.rows(1, sql);
    assert.ok(first.length > 0);
    assert.deepEqual(cluster.rows(2, sql), first);
  }
}

/** Two clients work on a cluster of a master and two storages. Returns the log of all events. */
async function play(seed: number): Promise<readonly string[]> {
  const cluster = await SimulatedCluster.start({ ...OPTIONS, seed });
  const { world } = cluster;
  const clients = [await cluster.client("client1"), await cluster.client("client2")];
  const [first, second] = clients;
  assert.ok(first && second);
  const bank = await Bank.found(world, first, ACCOUNTS);
  await world.run(Promise.all(clients.map((client) => bank.work(client, 20))));
  assert.ok(bank.transfers.length > 20);
  await world.run(bank.check(first));
  await world.run(bank.check(second));
  for (const client of clients) await client.close();
  await cluster.stop();
  assertReplicasAgree(cluster);
  return world.eventLog;
}

Deno.test("a cluster commits, and the same seed gives the same events", async () => {
  const log = await play(1);
  const again = await play(1);
  assert.deepEqual(again, log);
  assert.notDeepEqual(await play(2), log);
});

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`nothing is lost when a storage crashes and comes back, seed ${seed}`, async () => {
    const cluster = await SimulatedCluster.start({ ...OPTIONS, seed });
    const { world } = cluster;
    const clients = [await cluster.client("client1"), await cluster.client("client2")];
    const [first] = clients;
    assert.ok(first);
    const bank = await Bank.found(world, first, ACCOUNTS);
    const work = Promise.all(clients.map((client) => bank.work(client, 40)));
    await world.runFor(world.random.between(10, 500));
    cluster.crash("storage1");
    await world.runFor(world.random.between(10, 2000));
    await cluster.startStorage(1);
    await world.run(work);
    await cluster.untilComplete();
    await world.run(bank.check(first));
    for (const client of clients) await client.close();
    await cluster.stop();
    assertReplicasAgree(cluster);
  });
}
