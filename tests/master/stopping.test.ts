import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { oid } from "../../nodes/codec/ids.ts";
import { ackText, type Peer, refused, runningCluster, S1, TestCluster } from "./support.ts";

async function stop(admin: Peer): Promise<void> {
  const answer = await admin.ask(p.SetClusterState, { state: "STOPPING" });
  assert.equal(ackText(answer), "Cluster state changed");
}

Deno.test("the cluster stops: storages are told to exit, and all connections end", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin, storages: [storage] } = running;
  assert.ok(storage);
  const client = await cluster.client();
  await storage.drain();
  await admin.drain();
  await stop(admin);
  for (const peer of [admin, storage, client]) {
    assert.equal((await peer.take(p.NotifyClusterInformation)).state, "STOPPING");
  }
  const { nodes } = await storage.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state, idTimestamp }) => [nid, state, idTimestamp]), [
    [S1, "DOWN", null],
  ]);
  for (const peer of [admin, storage, client]) await peer.closed();
  await cluster.master.ended;
});

Deno.test("transactions that have begun may end, others wait, nobody else comes in", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin, storages: [storage] } = running;
  assert.ok(storage);
  const client = await cluster.client();
  const { ttid } = await client.ask(p.AskBeginTransaction, { tid: null });
  await storage.drain();
  await stop(admin);
  await storage.take(p.NotifyClusterInformation);
  let begun = false;
  client.ask(p.AskBeginTransaction, { tid: null }).then(() => begun = true, () => {});
  const late = await cluster.connect();
  await refused(late.identify("CLIENT"), "NOT_READY", "Retry Later");
  assert.deepEqual(await storage.rest(), []);
  const finished = client.ask(p.AskFinishTransaction, {
    ttid,
    oids: [oid(1n)],
    checkedOids: [],
  });
  (await storage.takeRequest(p.AskLockInformation)).answer({ ttid });
  assert.equal((await finished).ttid, ttid);
  await storage.take(p.NotifyUnlockInformation);
  assert.equal((await storage.take(p.NotifyNodeInformation)).nodes[0]?.state, "DOWN");
  await cluster.master.ended;
  assert.equal(begun, false);
});

Deno.test("a lost storage or client does not keep the cluster from stopping", async () => {
  for (const lost of ["STORAGE", "CLIENT"] as const) {
    await using running = await runningCluster(1);
    const { cluster, admin, storages: [storage] } = running;
    const client = await cluster.client();
    await client.ask(p.AskBeginTransaction, { tid: null });
    await stop(admin);
    if (lost === "STORAGE") storage?.close();
    else client.close();
    await cluster.master.ended;
  }
});

Deno.test("a cluster that recovers stops as well", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const storage = await cluster.storage(1);
  await storage.drain();
  await stop(admin);
  assert.equal((await storage.take(p.NotifyClusterInformation)).state, "STOPPING");
  assert.equal((await storage.take(p.NotifyNodeInformation)).nodes[0]?.state, "DOWN");
  await cluster.master.ended;
});

Deno.test("a master that is stopped alone just goes away", async () => {
  await using running = await runningCluster(1);
  const { cluster, storages: [storage] } = running;
  assert.ok(storage);
  await cluster.master.stop();
  await storage.closed();
  assert.deepEqual(storage.kept(), []);
});
