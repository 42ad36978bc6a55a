/** Storages that are lost in the middle of a commit, in the smallest scene that showed a fault. */

import assert from "node:assert/strict";
import type { Oid } from "../../../nodes/codec/ids.ts";
import { SimulatedCluster } from "../cluster.ts";

/** In how many worlds the scene is played: the fault needs a flush that begins at the wrong time. */
const SEEDS = 20;

Deno.test("what a storage has committed alone is there when it comes back alone", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cluster = await SimulatedCluster.start({ seed, storages: 2, partitions: 1, replicas: 1 });
    const { world } = cluster;
    const client = await cluster.client("client1");
    const from = world.eventLog.length;
    let oid: Oid | null = null;
    const committed = client.transact(async (tx) => oid = await tx.create(new Uint8Array([1])));
    const isLocking = () =>
      world.eventLog.slice(from).some((line) => line.includes("AskLockInformation"));
    await world.run(isLocking);
    cluster.crash("storage1");
    await world.run(committed);
    await client.close();
    // The other one alone has it, and has to know that whatever happens from now on.
    for (const name of ["storage2", "master"]) cluster.crash(name);
    await cluster.startMaster();
    await cluster.startStorage(2);
    await cluster.untilState("RUNNING");
    const reader = await cluster.client("client2");
    assert.ok(oid !== null);
    assert.deepEqual([...(await world.run(reader.load(oid)))?.data ?? []], [1], `seed ${seed}`);
    await reader.close();
    await cluster.stop();
  }
});
