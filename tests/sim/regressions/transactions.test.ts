/** Faults of commits, undos and caches that runs have found, each in the smallest scene. */

import assert from "node:assert/strict";
import { AskPartitionList, TweakPartitionTable } from "../../../gen/packets.ts";
import { StorageError, StorageLostError, UndoError } from "../../../nodes/client/errors.ts";
import { View } from "../../../nodes/client/view.ts";
import {
  type Oid,
  partitionOf,
  type Tid,
  tid as asTid,
  ZERO_TID,
} from "../../../nodes/codec/ids.ts";
import { ClientService } from "../../../nodes/storage/clients/client_service.ts";
import { replace } from "../mutants/plant.ts";
import { SINGLE, withClient } from "./scene.ts";

Deno.test("a write that no storage has locked is not committed", () =>
  // So it is when the partition moves, and a slow store finds it gone from where it still was for
  // the client, while the new storage has dropped the same store since it was in conflict.
  withClient(SINGLE, async (cluster, client) => {
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
  }));

const HALVES = { seed: 1, storages: 2, partitions: 2, replicas: 0 } as const;

Deno.test("a partition that moves takes no storage out of the cluster", () =>
  withClient(HALVES, async (cluster, client) => {
    const { world } = cluster;
    await world.run((async () => {
      // All of the transaction is on one storage.
      const oid = await client.newOid();
      const partition = partitionOf(oid, HALVES.partitions);
      let transaction = await client.begin();
      while (partitionOf(transaction.ttid, HALVES.partitions) !== partition) {
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
  }));

Deno.test("an undo that is impossible for one object leaves all as they are", () =>
  withClient({ ...SINGLE, partitions: 2 }, async (cluster, client) => {
    await cluster.world.run((async () => {
      const oids = [await client.newOid(), await client.newOid(), await client.newOid()];
      const change = async (changed: readonly Oid[], value: number) => {
        let tid: Tid | null = null;
        await client.transact(async (tx) => {
          for (const oid of changed) {
            if (value > 1) await tx.load(oid);
            tx.store(oid, new Uint8Array([value]), value > 1 ? {} : { serial: ZERO_TID });
          }
        }, { committed: (committed) => tid = committed });
        assert.ok(tid !== null);
        return tid;
      };
      await change(oids, 1);
      const undone = await change(oids, 2);
      await change(oids.slice(-1), 3);
      await using tx = await client.begin();
      await assert.rejects(tx.undo(undone), UndoError);
      // Whoever goes on all the same must not commit half of it.
      await tx.finish();
      const values = await Promise.all(oids.map(async (oid) => [...(await client.load(oid)).data]));
      assert.deepEqual(values, [[2], [2], [3]]);
    })());
  }));

Deno.test("a cache does not answer for a time that its client has not heard of yet", () =>
  withClient(SINGLE, async (cluster, writer) => {
    const reader = await cluster.client("reader");
    await cluster.world.run((async () => {
      const oid = await writer.transact((tx) => tx.create(new Uint8Array([1])));
      await reader.sync();
      const { serial } = await reader.load(oid);
      await using tx = await writer.begin();
      await tx.store(oid, { data: new Uint8Array([2]), serial });
      // Whoever is told of a transaction by somebody else may be faster than the master.
      const put = replace(View, "invalidate", () => {});
      try {
        const after = asTid(await tx.finish() + 1n);
        assert.ok(reader.lastTid < after);
        const found = await reader.loadBefore(oid, after);
        assert.deepEqual([...found?.data ?? []], [2]);
      } finally {
        put();
      }
    })());
    await reader.close();
  }));

Deno.test("undoing ends when there is no storage left that could be asked", () =>
  withClient(SINGLE, async (cluster, client) => {
    const { world } = cluster;
    let undone: Tid | null = null;
    await world.run(client.transact((tx) => tx.create(new Uint8Array([1])), {
      committed: (tid) => undone = tid,
    }));
    const tx = await world.run(client.begin());
    assert.ok(tx !== undefined && undone !== null);
    await world.run(
      tx.store(await world.run(client.newOid()) ?? assert.fail(), { data: new Uint8Array() }),
    );
    const { ip } = world.host("storage1");
    for (const socket of world.host("client1").sockets) {
      if (socket.remote.host === ip) socket.destroy();
    }
    await world.runFor(1000);
    await world.run(assert.rejects(tx.undo(undone), StorageError));
    tx.abort();
  }));
