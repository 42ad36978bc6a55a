import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import {
  addressOf,
  type Peer,
  refused,
  runningCluster,
  S1,
  S2,
  S3,
  TestCluster,
} from "./support.ts";

const C1 = nodeId("CLIENT", 1);
const C2 = nodeId("CLIENT", 2);
const M1 = nodeId("MASTER", 1);
const M2 = nodeId("MASTER", 2);

function ids(nodes: readonly p.NodeInformation[]): (number | null)[] {
  return nodes.map(({ nid }) => nid);
}

async function refusedAndClosed(
  peer: Peer,
  type: p.NodeType | null,
  claim: Partial<p.RequestIdentification>,
  [code, message]: readonly ["PROTOCOL_ERROR" | "NOT_READY", string],
): Promise<void> {
  await refused(peer.identify(type, claim), code, message);
  await peer.closed();
}

Deno.test("a node of another cluster, at the master's address or of no type is refused", async () => {
  await using cluster = await TestCluster.start();
  const cases = [
    ["ADMIN", { cluster: encodeText("other") }, "invalid cluster name"],
    ["ADMIN", { address: cluster.master.address }, "address conflict"],
    [null, {}, ""],
  ] as const;
  for (const [type, claim, message] of cases) {
    await refusedAndClosed(await cluster.connect(), type, claim, ["PROTOCOL_ERROR", message]);
  }
  await refused(
    (await cluster.connect()).identify("STORAGE"),
    "PROTOCOL_ERROR",
    /must have an address/,
  );
});

Deno.test("nothing but an identification is understood first, and only once", async () => {
  await using cluster = await TestCluster.start();
  const stranger = await cluster.connect();
  await refused(stranger.ask(p.AskClusterState, {}), "PROTOCOL_ERROR", /^unexpected packet/);
  await stranger.closed();
  const admin = await cluster.admin();
  await refused(admin.identify("ADMIN"), "PROTOCOL_ERROR", /^unexpected packet/);
  await admin.closed();
});

Deno.test("an answer that nobody asked for costs its sender the connection only", async () => {
  await using cluster = await TestCluster.start();
  const stranger = await cluster.connect();
  stranger.notify(p.AnswerLastIDs, { lastOid: null, lastTid: null });
  await stranger.closed();
  await cluster.admin();
});

Deno.test("clients are not served before operation; admins always are", async () => {
  await using cluster = await TestCluster.start();
  const early = await cluster.connect();
  await refusedAndClosed(early, "CLIENT", {}, ["NOT_READY", "Retry Later"]);
  assert.deepEqual(await (await cluster.admin()).ask(p.AskClusterState, {}), {
    state: "RECOVERING",
  });
});

Deno.test("the answer tells the table's size, the first list starts with its receiver", async () => {
  await using running = await runningCluster(2, { partitions: 7, replicas: 2 });
  const { cluster, storages } = running;
  const first = await cluster.client();
  assert.equal(first.nid, C1);
  const second = await cluster.connect();
  const { accept, nodes } = await second.identify("CLIENT");
  assert.deepEqual(accept, {
    nodeType: "MASTER",
    nid: M1,
    partitions: 7,
    replicas: 2,
    yourNid: C2,
  });
  assert.deepEqual(ids(nodes), [C2, M1, S1, S2], "clients hear of no admins and no other clients");
  assert.ok((nodes[0]?.idTimestamp ?? 0) > 1e9);
  assert.deepEqual(nodes[1], {
    type: "MASTER",
    address: cluster.master.address,
    nid: M1,
    state: "RUNNING",
    idTimestamp: null,
  });
  const told = await storages[0]?.take(p.NotifyNodeInformation);
  assert.deepEqual(ids(told?.nodes ?? []), [C1], "storages hear of clients");
});

Deno.test("an admin knows itself and clients, but no other admin", async () => {
  await using running = await runningCluster(1);
  await running.cluster.client();
  const other = await running.cluster.connect();
  const { nodes } = await other.identify("ADMIN");
  assert.deepEqual(ids(nodes), [nodeId("ADMIN", 2), M1, S1, C1]);
});

Deno.test("the others hear of a node before it is answered, at ever later times", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin } = running;
  let last = 0;
  for (let i = 0; i < 5; i++) {
    const client = await cluster.client();
    for (const state of ["RUNNING", "UNKNOWN"] as const) {
      if (state === "UNKNOWN") client.close();
      const { timestamp, nodes } = await admin.take(p.NotifyNodeInformation);
      assert.deepEqual(nodes.map((node) => [node.nid, node.state]), [[C1, state]]);
      assert.ok(timestamp > last);
      assert.ok(timestamp > (nodes[0]?.idTimestamp ?? Infinity));
      last = timestamp;
    }
  }
});

Deno.test("a temporary id is kept when it is free, and replaced when it is not", async () => {
  await using running = await runningCluster(1);
  const { cluster } = running;
  const kept = await cluster.client({ nid: C2 });
  assert.equal(kept.nid, C2);
  assert.equal((await cluster.client({ nid: C2 })).nid, C1);
  assert.equal((await cluster.client({ nid: S1 })).nid, nodeId("CLIENT", 3), "not a client's id");
});

Deno.test("a storage's id that is in use is refused, and so is its address", async () => {
  await using running = await runningCluster(1);
  const { cluster } = running;
  for (const claim of [{ nid: S1, address: addressOf(9) }, { nid: S2, address: addressOf(1) }]) {
    await refusedAndClosed(await cluster.connect(), "STORAGE", claim, [
      "PROTOCOL_ERROR",
      "already connected",
    ]);
  }
  assert.deepEqual(await running.storages[0]?.rest(), [], "the others are not disturbed");
});

Deno.test("a storage comes back with its id from another address", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages } = running;
  storages[1]?.close();
  await admin.skipTo(p.NotifyPartitionChanges);
  const back = await cluster.connect();
  const { nodes } = await back.identify("STORAGE", { nid: S2, address: addressOf(77) });
  assert.deepEqual(nodes[0]?.nid, S2);
  assert.deepEqual(nodes[0]?.state, "RUNNING");
  assert.deepEqual(nodes[0]?.address, addressOf(77));
  const table = await back.take(p.SendPartitionTable);
  assert.deepEqual(table.rows[0]?.cells.map(({ state }) => state), ["UP_TO_DATE", "OUT_OF_DATE"]);
  assert.deepEqual(await back.take(p.StartOperation), { backup: false });
});

Deno.test("a storage that is not known waits to be added", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin } = running;
  const stranger = await cluster.storage(2, { nid: null });
  assert.equal(stranger.nid, S2);
  assert.deepEqual(await stranger.rest(), ["SendPartitionTable"]);
  const { nodes } = await admin.take(p.NotifyNodeInformation);
  assert.equal(nodes[0]?.state, "PENDING");
  stranger.close();
  const gone = await admin.take(p.NotifyNodeInformation);
  assert.equal(gone.nodes[0]?.state, "UNKNOWN", "it is forgotten as soon as it leaves");
});

Deno.test("an empty storage is not taken for the one that had its address", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages } = running;
  storages[1]?.close();
  await admin.skipTo(p.NotifyPartitionChanges);
  const blank = await cluster.storage(2, { nid: null });
  assert.equal(blank.nid, S3);
});

Deno.test("a secondary master is let in by its address, and hears of masters only", async () => {
  const other = addressOf(12345);
  await using cluster = await TestCluster.start({ masters: [other] });
  await cluster.storage(1);
  const admin = await cluster.admin();
  const secondary = await cluster.connect();
  const { accept, nodes } = await secondary.identify("MASTER", { address: other, nid: M1 });
  assert.equal(accept.yourNid, M2, "the primary's own id is taken");
  assert.deepEqual(ids(nodes), [M2, M1]);
  assert.equal(nodes[0]?.state, "RUNNING");
  const told = await admin.skipTo(p.NotifyNodeInformation);
  assert.deepEqual(told.nodes[0]?.address, other);
  assert.deepEqual(await secondary.ask(p.AskClusterState, {}), { state: "RECOVERING" });
  secondary.close();
  const lost = await admin.take(p.NotifyNodeInformation);
  assert.deepEqual([lost.nodes[0]?.nid, lost.nodes[0]?.state], [M2, "DOWN"]);
});

Deno.test("an admin's address may have been a storage's that is gone", async () => {
  await using running = await runningCluster(2);
  running.storages[1]?.close();
  await running.admin.skipTo(p.NotifyPartitionChanges);
  const admin = await running.cluster.node("ADMIN", { address: addressOf(2) });
  assert.equal(admin.nid, nodeId("ADMIN", 2));
});
