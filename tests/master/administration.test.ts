import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import {
  ackText,
  addressOf,
  answerAsStorage,
  type Peer,
  refused,
  runningCluster,
  S1,
  S2,
  S3,
  sameRows,
  TestCluster,
  tidOf,
} from "./support.ts";

const A1 = nodeId("ADMIN", 1);
const M1 = nodeId("MASTER", 1);
const M2 = nodeId("MASTER", 2);

function set(admin: Peer, nid: Nid, state: p.NodeState): Promise<p.ErrorPacket> {
  return admin.ask(p.SetNodeState, { nid, state });
}

async function refusedOrders(
  admin: Peer,
  orders: readonly (readonly [Promise<unknown>, string])[],
): Promise<void> {
  await Promise.all(
    orders.map(([order, message]) => refused(order, "PROTOCOL_ERROR", message)),
  );
  await admin.drain();
}

Deno.test("what an admin may not order is refused, and the admin stays connected", async () => {
  await using running = await runningCluster(2, { replicas: 0 });
  const { cluster, admin } = running;
  const client = await cluster.client();
  const to = (state: p.ClusterState) => admin.ask(p.SetClusterState, { state });
  await refusedOrders(admin, [
    [to("VERIFYING"), "Can not switch to this state"],
    [to("STOPPING_BACKUP"), "Can not switch to this state"],
    [to("RECOVERING"), "Invalid state requested"],
    [to("RUNNING"), "Invalid state requested"],
    [to("BACKINGUP"), "Invalid state requested"],
    [
      to("STARTING_BACKUP"),
      "Can not switch to STARTING_BACKUP state with pending transactions or connected clients",
    ],
    [set(admin, S3, "DOWN"), "unknown node"],
    [set(admin, S1, "RUNNING"), "can not switch node to this state"],
    [set(admin, M1, "UNKNOWN"), "can not switch node to this state"],
    [set(admin, A1, "DOWN"), "can not switch node to this state"],
    [set(admin, M1, "DOWN"), "can not kill primary master node"],
    [
      set(admin, S1, "DOWN"),
      "Refuse to drop nodes that contain the only readable copies of partition 0",
    ],
    [
      set(admin, S2, "UNKNOWN"),
      "Refuse to drop nodes that contain the only readable copies of partition 1",
    ],
    [admin.ask(p.Repair, { nids: [S1, S3], dryRun: true }), "invalid storage node S3"],
  ]);
  client.close();
  await admin.skipTo(p.NotifyNodeInformation);
  await refused(
    to("STARTING_BACKUP"),
    "PROTOCOL_ERROR",
    "Can not switch to STARTING_BACKUP state: no upstream cluster is configured",
  );
});

Deno.test("before operation, there is nothing to add to, to tweak or to truncate", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  await refusedOrders(admin, [
    [admin.ask(p.AddPendingNodes, { nids: [] }), "Can not add nodes in RECOVERING state"],
    [
      admin.ask(p.TweakPartitionTable, { nids: [] }),
      "Can not tweak partition table in RECOVERING state",
    ],
    [admin.ask(p.Truncate, { tid: tidOf(1) }), "Can not truncate in this state"],
    [admin.ask(p.SetClusterState, { state: "STARTING_BACKUP" }), "Can not switch to this state"],
  ]);
  assert.deepEqual(await admin.ask(p.AskLastTransaction, {}), { tid: null });
});

Deno.test("kill: the storage is told, the table changes, the order is acknowledged", async () => {
  await using running = await runningCluster(2);
  const { admin, storages: [first, second] } = running;
  assert.ok(first && second);
  const told: string[] = [];
  admin.watch(p.NotifyPartitionChanges, ({ changes }) => told.push(`${changes.length} changes`));
  admin.watch(p.NotifyNodeInformation, ({ nodes }) => told.push(`${nodes[0]?.state}`));
  const order = { nid: S2, state: "DOWN" } as const;
  await admin.connection.ask(p.SetNodeState, order, (answer) => told.push(ackText(answer)));
  await admin.drain();
  assert.deepEqual(told, ["4 changes", "state changed", "DOWN"]);
  const { nodes } = await second.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S2, "DOWN"]]);
  await second.closed();
  assert.deepEqual(await first.rest(), ["NotifyPartitionChanges", "NotifyNodeInformation"]);
  assert.equal(ackText(await set(admin, S2, "DOWN")), "node already in DOWN state");
});

Deno.test("drop: the table changes before the node is unknown, and it erases its data", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  assert.equal(ackText(await set(admin, S2, "UNKNOWN")), "node permanently removed");
  assert.equal((await second.take(p.NotifyNodeInformation)).nodes[0]?.state, "UNKNOWN");
  await second.closed();
  const { changes } = await first.take(p.NotifyPartitionChanges);
  assert.deepEqual(
    changes,
    [0, 1, 2, 3].map((offset) => ({ offset, nid: S2, state: "DISCARDED" })),
  );
  const { nodes } = await first.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S2, "UNKNOWN"]]);
  await refused(set(admin, S2, "UNKNOWN"), "PROTOCOL_ERROR", "unknown node");
  await cluster.storage(2, { nid: null });
  assert.equal(ackText(await set(admin, S2, "UNKNOWN")), "state changed", "it had no cells");
});

Deno.test("kill of a secondary master is acknowledged before anyone is told", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const secondary = await cluster.node("MASTER", { address: addressOf(9), nid: M2 });
  await admin.drain();
  const told: string[] = [];
  admin.watch(p.NotifyNodeInformation, ({ nodes }) => told.push(`${nodes[0]?.state}`));
  const order = { nid: M2, state: "DOWN" } as const;
  await admin.connection.ask(p.SetNodeState, order, (answer) => told.push(ackText(answer)));
  const { nodes } = await secondary.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[M2, "DOWN"]]);
  secondary.close();
  await admin.drain();
  assert.deepEqual(told, ["state changed", "DOWN"]);
  assert.equal(ackText(await set(admin, M2, "DOWN")), "node already in DOWN state");
});

Deno.test("add and tweak: a storage starts, gets cells, and may become complete", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin, storages: [first] } = running;
  assert.ok(first);
  const second = await cluster.storage(2, { nid: null });
  assert.equal(ackText(await admin.ask(p.AddPendingNodes, { nids: [S1, S3] })), "No node added");
  await second.drain();
  await first.drain();
  assert.equal(ackText(await admin.ask(p.AddPendingNodes, { nids: [S2, S3] })), "Nodes added: S2");
  assert.deepEqual(await second.take(p.StartOperation), { backup: false });
  for (const peer of [first, second]) {
    const { nodes } = await peer.take(p.NotifyNodeInformation);
    assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S2, "RUNNING"]]);
  }
  second.notify(p.NotifyReady, {});
  assert.deepEqual(await second.rest(), [], "there are no cells before a tweak");
  assert.equal(ackText(await admin.ask(p.TweakPartitionTable, { nids: [] })), "");
  const { changes } = await second.take(p.NotifyPartitionChanges);
  assert.ok(changes.some(({ nid, state }) => nid === S2 && state === "OUT_OF_DATE"));
  assert.equal(ackText(await admin.ask(p.TweakPartitionTable, { nids: [] })), "");
  assert.deepEqual(await second.rest(), [], "a second tweak changes nothing");
});

Deno.test("truncate: acknowledged, then operation starts again without what is later", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  // It may be another cluster's, and has no part in this one.
  const stranger = await cluster.connect();
  answerAsStorage(stranger, {});
  await stranger.identify("STORAGE", { address: addressOf(3) });
  const client = await cluster.client();
  for (const storage of [first, second]) {
    storage.answerNoMore(p.AskRecovery);
    await storage.drain();
  }
  assert.equal(ackText(await admin.ask(p.Truncate, { tid: tidOf(1) })), "");
  await client.take(p.StopOperation);
  await client.closed();
  for (const storage of [first, second]) {
    await storage.take(p.StopOperation);
    assert.deepEqual(await storage.take(p.Truncate), { tid: tidOf(1) });
    const { answer } = await storage.skipToRequest(p.AskRecovery);
    storage.answer(p.AskPartitionTable, () => ({
      ptid: 1,
      rows: sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "UP_TO_DATE" }]),
    }));
    storage.answer(p.AskLastIDs, () => ({ lastOid: null, lastTid: tidOf(1) }));
    answer({ ptid: 1, backupTid: null, truncateTid: tidOf(1) });
  }
  for (const storage of [first, second]) {
    await storage.skipTo(p.StartOperation);
    storage.notify(p.NotifyReady, {});
  }
  assert.deepEqual(await admin.ask(p.AskLastTransaction, {}), { tid: tidOf(1) });
  assert.ok(!(await stranger.rest()).includes("Truncate"));
});

Deno.test("a check is given to few storages, and is acknowledged in any case", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages } = running;
  const check = (sources: [number, Nid | null][], minTid = 0) => {
    const order = { sources: new Map(sources), minTid: tidOf(minTid), maxTid: tidOf(9) };
    return admin.ask(p.CheckReplicas, order);
  };
  assert.equal(ackText(await check([[0, null], [1, S1]])), "");
  const [checker] = storages.filter((storage) => storage.nid === S2);
  assert.ok(checker);
  const first = await checker.take(p.CheckPartition);
  const second = await checker.take(p.CheckPartition);
  const none = { upstreamName: new Uint8Array(), address: null };
  assert.deepEqual(first, { partition: 0, source: none, minTid: 0n, maxTid: 9n });
  assert.deepEqual(second.source, { ...none, address: addressOf(1) });
  assert.equal(ackText(await check([[0, null]], 10)), "", "there is nothing to check");
  await refusedOrders(admin, [
    [check([[4, null]]), "there is no partition 4"],
    [check([[0, S3]]), "there is no storage S3"],
  ]);
  for (const storage of storages) assert.deepEqual(await storage.rest(), []);
  await cluster.client();
});

Deno.test("repair and the flush of logs reach those who are meant", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  assert.equal(ackText(await admin.ask(p.Repair, { nids: [S2], dryRun: true })), "");
  assert.deepEqual(await second.take(p.NotifyRepair), { dryRun: true });
  const client = await cluster.client();
  for (const peer of [first, second, admin]) await peer.drain();
  admin.notify(p.FlushLog, {});
  for (const peer of [first, second, client]) await peer.take(p.FlushLog);
  assert.deepEqual(await admin.rest(), []);
});
