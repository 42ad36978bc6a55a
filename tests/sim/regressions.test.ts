/** Faults that runs have found, each in the smallest scene that shows it. */

import assert from "node:assert/strict";
import {
  AddPendingNodes,
  AskNodeList,
  AskPartitionList,
  SetNodeState,
  Truncate,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import type { Client } from "../../nodes/client/client.ts";
import { StorageError, StorageLostError, UndoError } from "../../nodes/client/errors.ts";
import {
  hexId,
  type Oid,
  partitionOf,
  type Tid,
  tid as asTid,
  ZERO_TID,
} from "../../nodes/codec/ids.ts";
import { View } from "../../nodes/client/view.ts";
import { ClientService } from "../../nodes/storage/clients/client_service.ts";
import { Initialization } from "../../nodes/storage/initialization.ts";
import { SimulatedCluster } from "./cluster.ts";
import { replace } from "./mutants/plant.ts";
import { optionsOf } from "./runs/options.ts";
import { play } from "./runs/run.ts";
import { DATABASE } from "./stopped.ts";

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

Deno.test("an undo that is impossible for one object leaves all as they are", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 2,
    replicas: 0,
  });
  const client = await cluster.client("client1");
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
  await client.close();
  await cluster.stop();
});

Deno.test("a cache does not answer for a time that its client has not heard of yet", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const [writer, reader] = [await cluster.client("writer"), await cluster.client("reader")];
  await cluster.world.run((async () => {
    const oid = await writer.transact((tx) => tx.create(new Uint8Array([1])));
    await reader.sync();
    const { serial } = await reader.load(oid);
    await using tx = await writer.begin();
    await tx.store(oid, { data: new Uint8Array([2]), serial });
    // Whoever is told of a transaction by somebody else may be faster than the master.
    const put = replace(View, "invalidate", () => {});
    const after = asTid(await tx.finish() + 1n);
    assert.ok(reader.lastTid < after);
    const found = await reader.loadBefore(oid, after);
    put();
    assert.deepEqual([...found?.data ?? []], [2]);
  })());
  await writer.close();
  await reader.close();
  await cluster.stop();
});

/** Stores something in each partition. Returns the objects. */
async function fill(client: Client, partitions: number): Promise<Oid[]> {
  return await client.transact(async (tx) => {
    const oids: Oid[] = [];
    while (oids.length < partitions) oids.push(await tx.create(new Uint8Array([oids.length])));
    return oids;
  });
}

Deno.test("a blank storage does not stand for the one whose id it was given", async () => {
  // A master that does not know the table yet gives a new storage the first id.
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 2,
    partitions: 2,
    replicas: 0,
  });
  const { world } = cluster;
  let client = await cluster.client("client1");
  const oids = await world.run(fill(client, 2)) ?? [];
  await client.close();
  for (const name of ["master", "storage1", "storage2"]) cluster.crash(name);
  await cluster.startMaster();
  const added = cluster.addStorage();
  await world.run(cluster.launch(added));
  await world.runFor(2000);
  await cluster.startStorage(2);
  await world.runFor(2000);
  assert.equal(await world.run(cluster.state()), "RECOVERING");
  await cluster.startStorage(1);
  await cluster.untilState("RUNNING");
  client = await cluster.client("client2");
  for (const [at, oid] of oids.entries()) {
    assert.deepEqual([...(await world.run(client.load(oid)))?.data ?? []], [at]);
  }
  // It comes in under another id.
  await world.run(cluster.comeTo(async () => {
    const { nodes } = await cluster.ask(AskNodeList, { nodeType: "STORAGE" }) ?? { nodes: [] };
    return nodes.length === 3 && nodes.some(({ state }) => state === "PENDING");
  }));
  await client.close();
  await cluster.stop();
});

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

Deno.test("undoing ends when there is no storage left that could be asked", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const { world } = cluster;
  const client = await cluster.client("client1");
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
  await client.close();
  await cluster.stop();
});

Deno.test("a storage whose disk is full ends, and starts again when there is room", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const { world } = cluster;
  const client = await cluster.client("client1");
  const [oid] = await world.run(fill(client, 1)) ?? [];
  assert.ok(oid !== undefined);
  world.host("storage1").diskFull = true;
  const late = world.run(client.transact(async (tx) => {
    await tx.load(oid);
    tx.store(oid, new Uint8Array([2]));
  }));
  await world.run(() => !cluster.isUp("storage1"));
  world.host("storage1").diskFull = false;
  await cluster.startStorage(1);
  await late;
  assert.deepEqual([...(await world.run(client.load(oid)))?.data ?? []], [2]);
  await client.close();
  await cluster.stop();
});

Deno.test("a storage that was killed before it was added can still be added", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 2,
    replicas: 1,
  });
  const { world } = cluster;
  const added = cluster.addStorage();
  const states = async () => {
    await world.run(cluster.launch(added));
    await world.runFor(2000);
    const { nodes } = await world.run(cluster.ask(AskNodeList, { nodeType: "STORAGE" })) ??
      { nodes: [] };
    return new Map(nodes.map(({ nid, state }) => [state, nid]));
  };
  const nid = (await states()).get("PENDING");
  assert.ok(nid !== undefined && nid !== null);
  await world.run(cluster.ask(SetNodeState, { nid, state: "DOWN" }));
  await world.run(() => !cluster.isUp(added));
  assert.equal((await states()).get("PENDING"), nid);
  await world.run(cluster.ask(AddPendingNodes, { nids: [nid] }));
  await world.run(cluster.ask(TweakPartitionTable, { nids: [] }));
  await cluster.untilComplete();
  await cluster.stop();
});

Deno.test("no new database is made of a new storage while the old ones are away", async () => {
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const { world } = cluster;
  const client = await cluster.client("client1");
  const [oid] = await world.run(fill(client, 1)) ?? [];
  assert.ok(oid !== undefined);
  cluster.crash("storage1");
  await world.runFor(1000);
  await world.run(cluster.launch(cluster.addStorage()));
  await world.runFor(3000);
  assert.equal(await world.run(cluster.state()), "RECOVERING");
  await cluster.startStorage(1);
  await cluster.untilState("RUNNING");
  assert.deepEqual([...(await world.run(client.load(oid)))?.data ?? []], [0]);
  await client.close();
  await cluster.stop();
});

Deno.test("a backup goes on when the only cell that followed is dropped for a new one", async () => {
  const counts = await play(optionsOf(20055, {}));
  assert.equal(counts["fault: backup: tweak"], 1);
});
