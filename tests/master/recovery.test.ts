import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import {
  ackText,
  addressOf,
  answerAsStorage,
  emptyRows,
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

const UP1: p.Cell = { nid: S1, state: "UP_TO_DATE" };
const UP2: p.Cell = { nid: S2, state: "UP_TO_DATE" };
const OUT2: p.Cell = { nid: S2, state: "OUT_OF_DATE" };

function start(admin: Peer): Promise<p.ErrorPacket> {
  return admin.ask(p.SetClusterState, { state: "VERIFYING" });
}

/** Resolves when the cluster is in a state. */
async function reaches(admin: Peer, state: p.ClusterState): Promise<void> {
  while (await stateOf(admin) !== state) await admin.skipTo(p.NotifyClusterInformation);
}

async function stateOf(admin: Peer): Promise<p.ClusterState | null> {
  return (await admin.ask(p.AskClusterState, {})).state;
}

Deno.test("a new database is made only on an admin's order", async () => {
  await using cluster = await TestCluster.start({ partitions: 2, replicas: 0 });
  const admin = await cluster.admin();
  await refused(start(admin), "PROTOCOL_ERROR", "Cannot exit recovery without any storage node");
  const storage = await cluster.storage(1, { nid: null, rows: emptyRows(2) });
  await storage.drain();
  assert.equal(await stateOf(admin), "RECOVERING");
  await admin.drain();
  assert.equal(ackText(await start(admin)), "Cluster state changed");
  const { nodes } = await admin.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S1, "RUNNING"]]);
  assert.deepEqual(await admin.take(p.SendPartitionTable), { ptid: 1, rows: sameRows(2, [UP1]) });
  assert.equal((await admin.take(p.NotifyClusterInformation)).state, "VERIFYING");
  assert.equal((await admin.take(p.NotifyClusterInformation)).state, "RUNNING");
});

Deno.test("with autostart, a new database waits for so many storages", async () => {
  await using cluster = await TestCluster.start({ autostart: 2 });
  const admin = await cluster.admin();
  await (await cluster.storage(1, { nid: null })).drain();
  assert.equal(await stateOf(admin), "RECOVERING");
  await (await cluster.storage(2, { nid: null })).drain();
  await reaches(admin, "RUNNING");
  const { rows } = await admin.ask(p.AskPartitionTable, {});
  assert.deepEqual(rows, sameRows(4, [UP1, UP2]));
});

Deno.test("a storage whose report is due holds up the start", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const storage = await cluster.node("STORAGE", { nid: S1, address: addressOf(1) });
  const { answer } = await storage.takeRequest(p.AskRecovery);
  await refused(
    start(admin),
    "PROTOCOL_ERROR",
    "Cannot exit recovery now: node S1 is entering cluster",
  );
  answer({ ptid: null, backupTid: null, truncateTid: null });
  (await storage.takeRequest(p.AskPartitionTable)).answer({ ptid: null, rows: emptyRows(4) });
  await storage.rest();
  assert.equal(ackText(await start(admin)), "Cluster state changed", "the admin is still there");
});

Deno.test("a restart says the same to a storage as NEO does", async () => {
  await using cluster = await TestCluster.start();
  const storage = await cluster.node("STORAGE", { nid: S1, address: addressOf(1) });
  (await storage.takeRequest(p.AskRecovery)).answer({
    ptid: 8,
    backupTid: null,
    truncateTid: null,
  });
  const rows = sameRows(4, [UP1]);
  (await storage.takeRequest(p.AskPartitionTable)).answer({ ptid: 8, rows });
  const { nodes } = await storage.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S1, "RUNNING"]]);
  assert.equal((await storage.take(p.NotifyClusterInformation)).state, "VERIFYING");
  assert.deepEqual(await storage.take(p.SendPartitionTable), { ptid: 8, rows });
  (await storage.takeRequest(p.AskLockedTransactions)).answer({ ttids: new Map() });
  (await storage.takeRequest(p.AskLastIDs)).answer({ lastOid: null, lastTid: tidOf(5) });
  assert.equal((await storage.take(p.NotifyClusterInformation)).state, "RUNNING");
  assert.deepEqual(await storage.take(p.StartOperation), { backup: false });
  storage.notify(p.NotifyReady, {});
  const client = await cluster.client();
  assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tidOf(5));
});

Deno.test("the newest table counts, whoever has it, and its nodes become known", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  await cluster.storage(1, { ptid: 4, rows: sameRows(4, [UP1, UP2]) });
  const newest = sameRows(4, [OUT2, { nid: S3, state: "UP_TO_DATE" }]);
  await (await cluster.storage(2, { ptid: 5, rows: newest })).drain();
  assert.deepEqual(await admin.ask(p.AskPartitionTable, {}), { ptid: 5, rows: newest });
  assert.equal(await stateOf(admin), "RECOVERING", "S3 has all that can be read");
  const { nodes } = await admin.skipTo(p.NotifyNodeInformation).then(async (first) => {
    let last = first;
    while (!last.nodes.some(({ nid }) => nid === S3)) {
      last = await admin.skipTo(p.NotifyNodeInformation);
    }
    return last;
  });
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S3, "DOWN"]]);
  await (await cluster.storage(3, { ptid: 5, rows: newest })).drain();
  await reaches(admin, "RUNNING");
});

Deno.test("when the storage that was asked for the table is lost, another is asked", async () => {
  await using cluster = await TestCluster.start();
  const first = await cluster.node("STORAGE", { nid: S1, address: addressOf(1) });
  const second = await cluster.node("STORAGE", { nid: S2, address: addressOf(2) });
  const report = { ptid: 3, backupTid: null, truncateTid: null };
  (await first.takeRequest(p.AskRecovery)).answer(report);
  await first.skipTo(p.AskPartitionTable);
  (await second.takeRequest(p.AskRecovery)).answer(report);
  assert.deepEqual(await second.rest(), []);
  first.close();
  await second.take(p.AskPartitionTable);
});

Deno.test("without an order, all storages with something readable are waited for", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const rows = sameRows(4, [UP1, UP2]);
  const storage = await cluster.storage(1, { ptid: 3, rows });
  await storage.drain();
  assert.equal(await stateOf(admin), "RECOVERING");
  await admin.drain();
  await start(admin);
  await admin.take(p.NotifyNodeInformation);
  const { ptid, changes } = await admin.take(p.NotifyPartitionChanges);
  assert.equal(ptid, 4);
  assert.deepEqual(changes, [0, 1, 2, 3].map((offset) => ({ offset, ...OUT2 })));
  const table = await storage.skipTo(p.SendPartitionTable);
  assert.deepEqual(table, { ptid: 4, rows: sameRows(4, [UP1, OUT2]) });
});

Deno.test("a storage with nothing readable is not waited for", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  await (await cluster.storage(1, { ptid: 3, rows: sameRows(4, [UP1, OUT2]) })).drain();
  await reaches(admin, "RUNNING");
});

Deno.test("a table that does not fit, or names other nodes than storages is refused", async () => {
  await using cluster = await TestCluster.start();
  const bad = [
    [{ offset: 4, cells: [UP1] }],
    [{ offset: 0, cells: [UP1] }, { offset: 0, cells: [UP1] }],
    [{ offset: 0, cells: [{ nid: -0x0fffffff as p.Cell["nid"], state: "UP_TO_DATE" as const }] }],
  ];
  for (const rows of bad) {
    const peer = await cluster.connect();
    answerAsStorage(peer, { ptid: 3, rows });
    await peer.identify("STORAGE", { nid: S1, address: addressOf(1) });
    await peer.closed();
  }
  await (await cluster.storage(1, { ptid: 3, rows: sameRows(4, [UP1]) })).drain();
  await reaches(await cluster.admin(), "RUNNING");
});

Deno.test("whoever must truncate and does not know it yet is told, and asked again", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const rows = sameRows(4, [UP1, OUT2]);
  const knowing = await cluster.storage(1, { ptid: 3, rows, truncateTid: tidOf(50) });
  await knowing.drain();
  assert.equal(await stateOf(admin), "RECOVERING", "outdated storages have to truncate too");
  const stranger = await cluster.storage(3, { ptid: 2, rows });
  const other = await cluster.node("STORAGE", { nid: S2, address: addressOf(2) });
  const report = { ptid: 3, backupTid: null };
  (await other.takeRequest(p.AskRecovery)).answer({ ...report, truncateTid: null });
  assert.deepEqual(await other.take(p.Truncate), { tid: tidOf(50) });
  answerAsStorage(other, { rows });
  (await other.takeRequest(p.AskRecovery)).answer({ ...report, truncateTid: tidOf(50) });
  await other.skipTo(p.StartOperation);
  assert.ok(!(await stranger.rest()).includes("Truncate"));
  assert.deepEqual(await admin.ask(p.AskRecovery, {}), {
    ptid: 3,
    backupTid: null,
    truncateTid: null,
  });
});

Deno.test("a kill while recovering takes readability from that storage only", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const rows = sameRows(4, [UP1, UP2]);
  const first = await cluster.storage(1, { ptid: 3, rows });
  await first.drain();
  await admin.drain();
  const kill = (nid: p.SetNodeState["nid"]) => admin.ask(p.SetNodeState, { nid, state: "DOWN" });
  assert.equal(ackText(await kill(S2)), "node already in DOWN state");
  const { changes } = await admin.take(p.NotifyPartitionChanges);
  assert.deepEqual(changes, [0, 1, 2, 3].map((offset) => ({ offset, ...OUT2 })));
  // S1 had this table, and is the last that can be read: the cluster starts with it.
  const told = await first.take(p.NotifyPartitionChanges);
  assert.equal(told.ptid, 4);
  await refused(
    kill(S1),
    "PROTOCOL_ERROR",
    "Refuse to drop nodes that contain the only readable copies of partition 0",
  );
});

Deno.test("a backup of an unknown cluster stays as it is", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const have = { ptid: 3, rows: sameRows(4, [UP1]), backupTid: tidOf(7) };
  await (await cluster.storage(1, have)).drain();
  assert.equal(await stateOf(admin), "RECOVERING");
  assert.deepEqual((await admin.ask(p.AskRecovery, {})).backupTid, tidOf(7));
  await cluster.log.says(/is a backup/);
});

Deno.test("operation goes on with the table that was in force, not an older one", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages } = running;
  storages[0]?.close();
  const { ptid } = await admin.skipTo(p.NotifyPartitionChanges);
  storages[1]?.close();
  await admin.skipTo(p.NotifyClusterInformation);
  const old = await cluster.storage(1, { ptid: ptid - 1, rows: sameRows(4, [UP1, UP2]) });
  await old.drain();
  assert.equal(await stateOf(admin), "RECOVERING", "S2 may have committed without S1");
  const rows = sameRows(4, [{ nid: S1, state: "OUT_OF_DATE" }, UP2]);
  await (await cluster.storage(2, { ptid, rows })).drain();
  await reaches(admin, "RUNNING");
});
