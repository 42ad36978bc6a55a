/** Faults that runs have found, each in the smallest scene that shows it. */

import assert from "node:assert/strict";
import { AskPartitionList, TweakPartitionTable } from "../../gen/packets.ts";
import { StorageLostError } from "../../nodes/client/errors.ts";
import { partitionOf, ZERO_TID } from "../../nodes/codec/ids.ts";
import { ClientService } from "../../nodes/storage/clients/client_service.ts";
import { SimulatedCluster } from "./cluster.ts";
import { replace } from "./mutants/plant.ts";

Deno.test("a write that no storage has locked is not committed", async () => {
  // So it is when the partition moves, and a slow store finds it gone from where it still was for
  // the client, while the new storage has dropped the same store since it was in conflict.
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const client = await cluster.client("client1");
  const put = replace(ClientService, "askStoreObject", () => ({ conflict: ZERO_TID }));
  try {
    await cluster.world.run((async () => {
      await using tx = await client.begin();
      await tx.store(await client.newOid(), { data: new Uint8Array([1]) });
      await assert.rejects(tx.vote(), (error) => {
        assert.ok(error instanceof StorageLostError);
        assert.match(error.message, /expected a storage that has locked it, found none/);
        return true;
      });
    })());
  } finally {
    put();
  }
  await client.close();
  await cluster.stop();
});

Deno.test("a partition that moves takes no storage out of the cluster", async () => {
  const partitions = 2;
  const cluster = await SimulatedCluster.start({ seed: 1, storages: 2, partitions, replicas: 0 });
  const { world } = cluster;
  const client = await cluster.client("client1");
  await world.run((async () => {
    // All of the transaction is on one storage.
    const oid = await client.newOid();
    const partition = partitionOf(oid, partitions);
    let transaction = await client.begin();
    while (partitionOf(transaction.ttid, partitions) !== partition) {
      transaction.abort();
      transaction = await client.begin();
    }
    await transaction.store(oid, { data: new Uint8Array([1]) });
    await transaction.vote();
    // From now on the other storage gets all writes, but it has none of those before.
    const range = { minOffset: 0, maxOffset: 0, nid: null };
    const { rows } = await cluster.control(AskPartitionList, range);
    const nids = rows[partition]?.cells.map(({ nid }) => nid) ?? [];
    await cluster.control(TweakPartitionTable, { nids });
    await transaction.finish();
    assert.deepEqual([...(await client.load(oid)).data], [1]);
  })());
  await cluster.untilComplete();
  assert.deepEqual(world.eventLog.filter((line) => line.includes("unknown ttid")), []);
  await client.close();
  await cluster.stop();
});
