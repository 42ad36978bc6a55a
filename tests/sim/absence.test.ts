/** What a storage costs the others that was away for a short time: no more than what it missed. */

import assert from "node:assert/strict";
import { SetNodeState } from "../../gen/packets.ts";
import type { Client } from "../../nodes/client/client.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { SimulatedCluster } from "./cluster.ts";

const S1 = nodeId("STORAGE", 1);

/** How many transactions there are before, and how many are missed; each has two objects. */
const BEFORE = 200;
const MISSED = 7;

/** Longer than storages put off the last step of a transaction. */
const ON_DISK_MS = 2_000;

async function commit(client: Client, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const data = new TextEncoder().encode(`object ${number}`);
    await client.transact(async (tx) => {
      await tx.create(data);
      await tx.create(data);
    });
  }
}

for (const how of ["was stopped", "has lost power"] as const) {
  Deno.test(`a storage that ${how} is sent what it missed, and no more`, async () => {
    const cluster = await SimulatedCluster.start({
      ...{ seed: 1, storages: 2, partitions: 4, replicas: 1 },
    });
    const { world } = cluster;
    const client = await cluster.client("client");
    await world.run(commit(client, BEFORE));
    await world.runFor(ON_DISK_MS);
    if (how === "has lost power") cluster.crash("storage1");
    else await world.run(cluster.ask(SetNodeState, { nid: S1, state: "DOWN" }));
    await world.run(commit(client, MISSED));
    const absent = [1, 2].filter((number) => !cluster.isUp(`storage${number}`));
    assert.equal(absent.length, 1);
    const from = world.eventLog.length;
    await cluster.startStorage(absent[0] ?? 0);
    await cluster.untilComplete();
    const log = world.eventLog.slice(from);
    const sent = (packet: string) => log.filter((line) => line.includes(` ${packet}#`)).length;
    assert.deepEqual(
      { transactions: sent("AddTransaction"), objects: sent("AddObject") },
      { transactions: MISSED, objects: 2 * MISSED },
    );
    await client.close();
    await cluster.stop();
  });
}
