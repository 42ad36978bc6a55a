import assert from "node:assert/strict";
import fc from "fast-check";
import * as p from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { ConnectionClosedError } from "../../nodes/errors.ts";
import type { Address } from "../../nodes/host/host.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { arbitraryFlow } from "../support/arbitrary.ts";
import { M5, ScriptedMaster } from "./scripted_master.ts";
import { CLUSTER, refused, S1, sameRows, TestCluster } from "./support.ts";

const M1 = nodeId("MASTER", 1);
const M2 = nodeId("MASTER", 2);

/** Before any master of these tests, and after. */
const EARLY = 1;
const LATE = 1e11;

/** Where a master that is not the primary sends a node of a type. */
async function directions(
  cluster: TestCluster,
  type: p.NodeType,
  claim: Partial<p.RequestIdentification> = {},
): Promise<Address | null> {
  const peer = await cluster.connect();
  await assert.rejects(peer.identify(type, claim), ConnectionClosedError);
  const { primary, masters } = await peer.take(p.NotPrimaryMaster);
  assert.notEqual(primary, 0, "0 can't be told apart from none");
  return primary === null ? null : masters[primary] ?? null;
}

Deno.test("a master challenges others, and is secondary to the one that accepts it", async () => {
  await using other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [other.address] });
  const { peer, request, accept } = await other.visitor();
  assert.equal(decodeText(request.cluster), CLUSTER);
  assert.deepEqual([request.nodeType, request.nid], ["MASTER", M1]);
  assert.deepEqual(request.address, cluster.master.address);
  assert.ok((request.idTimestamp ?? 0) > EARLY);
  accept(M2);
  await peer.drain();
  assert.deepEqual(await directions(cluster, "STORAGE"), other.address);
});

Deno.test("a secondary master sends nodes to the primary, but not itself or clients", async () => {
  await using other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [other.address] });
  const { peer, accept } = await other.visitor();
  accept(M2);
  await peer.drain();
  assert.deepEqual(await directions(cluster, "ADMIN"), other.address);
  assert.deepEqual(await directions(cluster, "STORAGE"), other.address);
  // What says that it is a client may be a backup's master, which a hint would kill.
  assert.equal(await directions(cluster, "CLIENT"), null);
  assert.equal(await directions(cluster, "MASTER", { address: other.address }), null);
  const rival = await cluster.connect();
  await refused(
    rival.identify("MASTER", { address: cluster.master.address }),
    "PROTOCOL_ERROR",
    "address conflict",
  );
});

Deno.test("of two that play primary, the one that began first wins", async () => {
  await using other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start();
  const late = await cluster.node("MASTER", { address: other.address, idTimestamp: LATE });
  assert.equal(late.nid, M2);
  late.close();
  const early = await cluster.connect();
  const claim = { address: other.address, idTimestamp: EARLY };
  await assert.rejects(early.identify("MASTER", claim), ConnectionClosedError);
  assert.deepEqual(early.kept(), [], "it is not answered");
  // It goes to the winner, whom it may have challenged already.
  const { peer, accept } = await other.visitor();
  accept(M2);
  await peer.drain();
  assert.deepEqual(await directions(cluster, "STORAGE"), other.address);
});

Deno.test("a winner that was challenged already keeps the connection of the challenge", async () => {
  await using winner = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [winner.address] });
  const { peer, accept } = await winner.visitor();
  const early = await cluster.connect();
  const claim = { address: winner.address, idTimestamp: EARLY };
  void early.identify("MASTER", claim).catch(() => {});
  await early.rest();
  accept(M2);
  await peer.drain();
  assert.deepEqual(await directions(cluster, "STORAGE"), winner.address);
  assert.equal(peer.connection.closed, false);
});

Deno.test("a hint to a master that is about to answer is not followed twice", async () => {
  await using secondary = await ScriptedMaster.listen();
  await using primary = await ScriptedMaster.listen();
  const masters = [secondary.address, primary.address];
  await using cluster = await TestCluster.start({ masters });
  const [hinting, accepting] = await Promise.all([secondary.visitor(), primary.visitor()]);
  hinting.peer.notify(p.NotPrimaryMaster, { primary: 1, masters });
  await hinting.peer.drain();
  accepting.accept(M2);
  await accepting.peer.drain();
  assert.equal(accepting.peer.connection.closed, false);
  assert.deepEqual(await directions(cluster, "STORAGE"), primary.address);
});

Deno.test("past recovery, a master gives way to nobody", async () => {
  await using other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start();
  const storage = await cluster.storage(1, {
    ptid: 1,
    rows: sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }]),
  });
  await storage.skipTo(p.StartOperation);
  const early = await cluster.node("MASTER", { address: other.address, idTimestamp: EARLY });
  assert.equal(early.nid, M2);
});

Deno.test("a winner that does not answer before recovery is over has to come again", async () => {
  await using other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [other.address] });
  // It is challenged, and slow.
  await other.visitor();
  const early = await cluster.connect();
  const claim = { address: other.address, idTimestamp: EARLY };
  const ended = assert.rejects(early.identify("MASTER", claim), ConnectionClosedError);
  await early.rest();
  const storage = await cluster.storage(1, {
    ptid: 1,
    rows: sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }]),
  });
  await storage.skipTo(p.StartOperation);
  await ended;
  assert.equal((await cluster.node("MASTER", claim)).nid, M2);
});

Deno.test("whatever a primary tells of nodes, a secondary goes on to follow it", async () => {
  await using primary = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [primary.address] });
  const { peer, accept } = await primary.visitor();
  accept(M2);
  const news = arbitraryFlow("masterToSecondary", { nid: fc.constantFrom(M1, M5) })
    .find(({ type }) => type === p.NotifyNodeInformation);
  assert.ok(news);
  for (const packet of fc.sample(news.packet, { numRuns: 200, seed: 1 })) {
    peer.notify(news.type, packet);
  }
  await peer.drain();
  assert.deepEqual(cluster.log.lines.filter((line) => line.includes("while handling")), []);
  assert.deepEqual(await directions(cluster, "STORAGE"), primary.address);
});

Deno.test("a secondary that hears that the cluster stops, or that it is DOWN, ends", async () => {
  for (const reason of ["STOPPING", "DOWN"] as const) {
    await using other = await ScriptedMaster.listen();
    await using cluster = await TestCluster.start({ masters: [other.address] });
    const { peer, accept } = await other.visitor();
    accept(M2);
    const { address } = cluster.master;
    if (reason === "STOPPING") {
      peer.notify(p.NotifyClusterInformation, { state: "RUNNING" });
      peer.notify(p.NotifyClusterInformation, { state: "STOPPING" });
    } else {
      const node = { type: "MASTER", address, nid: M2, idTimestamp: 1 } as const;
      peer.notify(p.NotifyNodeInformation, {
        timestamp: 1,
        nodes: [{ ...node, state: "RUNNING" }],
      });
      peer.notify(p.NotifyNodeInformation, { timestamp: 2, nodes: [{ ...node, state: "DOWN" }] });
    }
    await cluster.master.ended;
  }
});

Deno.test("when the primary is lost and nobody is left, a secondary plays primary", async () => {
  const other = await ScriptedMaster.listen();
  await using cluster = await TestCluster.start({ masters: [other.address] });
  const { peer, accept } = await other.visitor();
  accept(M2);
  peer.notify(p.NotifyNodeInformation, {
    timestamp: 1,
    nodes: [
      { type: "MASTER", address: other.address, nid: M5, state: "RUNNING", idTimestamp: null },
    ],
  });
  await peer.drain();
  await cluster.log.says(/is the primary master/);
  await other[Symbol.asyncDispose]();
  await cluster.log.says(/plays the primary role as M2/);
  const admin = await cluster.connect();
  const { accept: accepted, nodes } = await admin.identify("ADMIN");
  assert.equal(accepted.nid, M2);
  const lost = nodes.find(({ nid }) => nid === M5);
  assert.deepEqual([lost?.address, lost?.state], [other.address, "DOWN"]);
});

Deno.test("a secondary follows a hint to another primary", async () => {
  await using first = await ScriptedMaster.listen();
  await using second = await ScriptedMaster.listen();
  await using _cluster = await TestCluster.start({ masters: [first.address] });
  const { peer } = await first.visitor();
  peer.notify(p.NotPrimaryMaster, { primary: 1, masters: [first.address, second.address] });
  const { request, accept } = await second.visitor();
  assert.equal(request.nodeType, "MASTER");
  accept(M2);
});

Deno.test("of three masters one is primary, and when it goes another one takes over", async () => {
  const clusters: TestCluster[] = [];
  const masters: Address[] = [];
  for (let i = 0; i < 3; i++) {
    const cluster = await TestCluster.start({ masters: [...masters] });
    clusters.push(cluster);
    masters.push(cluster.master.address);
    // Those that begin at the same time are told apart by their addresses.
    const { host } = cluster;
    const began = host.now();
    const stranger = await cluster.connect();
    while (i === 0 && host.now() < began + 2) await stranger.drain();
  }
  const [first, second, third] = clusters;
  assert.ok(first && second && third);
  try {
    for (const cluster of [second, third]) await cluster.log.says(/is the primary master/);
    const admin = await first.connect();
    let { nodes } = await admin.identify("ADMIN");
    const running = new Set<number | null>();
    for (;;) {
      for (const { nid, type, state } of nodes) {
        if (type === "MASTER" && state === "RUNNING") running.add(nid);
      }
      if (running.size === clusters.length) break;
      ({ nodes } = await admin.skipTo(p.NotifyNodeInformation));
    }
    await first.master.stop();
    const winner = await Promise.race([second, third].map(async (cluster) => {
      await cluster.log.says(/accepted M\d/);
      return cluster;
    }));
    await winner.admin();
  } finally {
    for (const cluster of clusters) await cluster[Symbol.asyncDispose]();
  }
});
