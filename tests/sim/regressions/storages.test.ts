/** Faults with storages that are new, or come back, each in the smallest scene that shows it. */

import assert from "node:assert/strict";
import {
  AddPendingNodes,
  AskNodeList,
  SetNodeState,
  TweakPartitionTable,
} from "../../../gen/packets.ts";
import { CreationUndoneError } from "../../../nodes/client/errors.ts";
import { MAX_TID } from "../../../nodes/codec/ids.ts";
import { SimulatedCluster } from "../cluster.ts";
import { fill, SINGLE, withClient } from "./scene.ts";

Deno.test("a blank storage does not stand for the one whose id it was given", async () => {
  // A master that does not know the table yet gives a new storage the first id.
  const options = { seed: 1, storages: 2, partitions: 2, replicas: 0 };
  const cluster = await SimulatedCluster.start(options);
  const { world } = cluster;
  let client = await cluster.client("client1");
  const oids = await world.run(fill(client, 2)) ?? assert.fail();
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

Deno.test("no new database is made of a new storage while the old ones are away", () =>
  withClient(SINGLE, async (cluster, client) => {
    const { world } = cluster;
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
  }));

Deno.test("a storage whose disk is full ends, and starts again when there is room", () =>
  withClient(SINGLE, async (cluster, client) => {
    const { world } = cluster;
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
  }));

Deno.test("a storage whose disk gets full while it replicates ends, and goes on when there is room", async () => {
  const options = { seed: 1, storages: 2, partitions: 1, replicas: 1 };
  await withClient(options, async (cluster, client) => {
    const { world } = cluster;
    cluster.crash("storage2");
    await world.run(fill(client, 50));
    const from = world.eventLog.length;
    await cluster.startStorage(2);
    const isFed = () => world.eventLog.slice(from).some((line) => line.includes("AddObject"));
    await world.run(isFed);
    world.host("storage2").diskFull = true;
    await world.run(() => !cluster.isUp("storage2"));
    world.host("storage2").diskFull = false;
    await cluster.startStorage(2);
    await cluster.untilComplete();
  });
});

Deno.test("a storage that was killed before it was added can still be added", async () => {
  const options = { seed: 1, storages: 1, partitions: 2, replicas: 1 };
  const cluster = await SimulatedCluster.start(options);
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

Deno.test("what was deleted and packed while a storage was away stays deleted there", async () => {
  const options = { seed: 1, storages: 2, partitions: 1, replicas: 1 };
  await withClient(options, async (cluster, client) => {
    const { world } = cluster;
    const [oid] = await world.run(fill(client, 1)) ?? [];
    assert.ok(oid !== undefined);
    // Storages put off the last step of a transaction.
    await world.runFor(2000);
    cluster.crash("storage2");
    await world.run(client.transact(async (tx) => {
      await tx.load(oid);
      tx.delete(oid);
    }));
    await world.run(client.pack(client.lastTid));
    await cluster.startStorage(2);
    await cluster.untilComplete();
    cluster.crash("storage1");
    await world.run(assert.rejects(client.loadBefore(oid, MAX_TID), CreationUndoneError));
    await cluster.startStorage(1);
    await cluster.untilComplete();
  });
});
