/** A storage of a backup cluster: its readable cells follow those of the upstream cluster. */

import assert from "node:assert/strict";
import {
  AddObject,
  AddTransaction,
  AskRecovery,
  NotifyClusterInformation,
  Replicate,
  StartOperation,
} from "../../gen/packets.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { send } from "./scene.ts";
import { type PeerLink, revision, StoragePeer, transaction } from "./storage_peer.ts";
import { C2, o, S1, S2, Stage, t } from "./support.ts";

type Sources = [number, StoragePeer | null][];

function order(stage: Stage, tid: number, sources: Sources, upstream = "up"): void {
  const addresses = new Map(sources.map(([offset, peer]) => [offset, peer?.address ?? null]));
  const upstreamName = encodeText(upstream);
  stage.master.notify(Replicate, { tid: t(tid), upstreamName, sources: addresses });
}

/** A storage of a backup cluster, which has the rows of one commit at 10, and one upstream. */
async function withBackup(
  partitions: number,
  test: (stage: Stage, upstream: StoragePeer) => Promise<void>,
): Promise<void> {
  await using stage = await Stage.operating({ partitions });
  using upstream = await StoragePeer.listen(stage.host, null, { partitions });
  const client = await stage.client(C2);
  await stage.commit(client, t(10), [{ oid: o(1), data: "old" }]);
  stage.master.notify(StartOperation, { backup: true });
  await test(stage, upstream);
}

async function backupTid(stage: Stage): Promise<unknown> {
  const [row] = await stage.onDisk("SELECT value FROM config WHERE name = 'backup_tid'");
  return Number(`0x${row?.value}`);
}

/** Answers a whole pass with nothing new, and returns from where on it was asked for. */
async function nothing(link: PeerLink) {
  const { packet: trans } = await link.noTransactions();
  const { packet: obj } = await link.noObjects();
  assert.equal(trans.maxTid, obj.maxTid);
  return { minTrans: trans.minTid, minObj: obj.minTid, maxTid: obj.maxTid };
}

Deno.test("a readable cell follows its upstream, and the master is told of each step", async () => {
  await withBackup(1, async (stage, upstream) => {
    order(stage, 50, [[0, upstream]]);
    const request = await upstream.requests.next();
    assert.deepEqual([request.nid, request.cluster], [null, encodeText("up")]);
    const link = await upstream.links.next();
    const asked = await link.transactions.next();
    assert.deepEqual([asked.packet.minTid, asked.packet.maxTid], [t(11), t(50)]);
    send(asked, AddTransaction, transaction(40));
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    const objects = await link.objects.next();
    assert.equal(objects.packet.minTid, t(11));
    send(objects, AddObject, revision(1, 40, "new"));
    objects.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(50) });
    assert.equal(await backupTid(stage), 50);
    // It is a readable cell: nothing of it is in the partition table.
    assert.deepEqual(await stage.onDisk("SELECT tid FROM pt"), [{ tid: -1n }]);
    const client = await stage.client();
    assert.deepEqual(await client.load(o(1)), { data: "new", serial: t(40) });
    order(stage, 60, [[0, upstream]]);
    assert.equal((await nothing(link)).minTrans, t(51));
    assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(60) });
  });
});

Deno.test("clients see what all cells have reached", async () => {
  await withBackup(2, async (stage, upstream) => {
    order(stage, 50, [[0, null], [1, upstream]]);
    const link = await upstream.links.next();
    await link.noTransactions();
    const objects = await link.objects.next();
    send(objects, AddObject, revision(1, 20, "first"), revision(1, 40, "second"));
    objects.answer.give({ packTid: null, nextTid: t(41), nextOid: o(0), objects: new Map() });
    const rest = await link.objects.next();
    const client = await stage.client();
    assert.deepEqual(await client.load(o(1)), { data: "second", serial: t(40) });
    rest.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    await stage.notices.next();
    assert.equal(await backupTid(stage), 50);
    // One partition lags behind, and holds back the others.
    order(stage, 70, [[0, upstream]]);
    order(stage, 80, [[1, null]]);
    const asked = await link.transactions.next();
    assert.equal(await backupTid(stage), 50);
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    await link.noObjects();
    await stage.notices.next();
    assert.equal(await backupTid(stage), 70);
  });
});

Deno.test("that nothing is new does not disturb what is being replicated", async () => {
  await withBackup(1, async (stage, upstream) => {
    order(stage, 50, [[0, upstream]]);
    const link = await upstream.links.next();
    const asked = await link.transactions.next();
    order(stage, 60, [[0, null]]);
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    await link.noObjects();
    await stage.notices.next();
    assert.equal(await backupTid(stage), 50);
    order(stage, 60, [[0, null]]);
    await stage.settled();
    order(stage, 61, [[0, upstream]]);
    assert.equal((await nothing(link)).minTrans, t(61));
    await stage.notices.next();
    assert.equal(await backupTid(stage), 61);
  });
});

Deno.test("orders that come with the order to start are obeyed", async () => {
  await using stage = await Stage.operating();
  using upstream = await StoragePeer.listen(stage.host, null, { partitions: 1 });
  stage.master.notify(StartOperation, { backup: true });
  order(stage, 5, [[0, upstream]]);
  const link = await upstream.links.next();
  assert.deepEqual(await nothing(link), { minTrans: t(0), minObj: t(0), maxTid: t(5) });
  assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(5) });
});

Deno.test("half a transaction is completed after a restart", async () => {
  await withBackup(1, async (stage, upstream) => {
    order(stage, 50, [[0, upstream]]);
    const link = await upstream.links.next();
    const asked = await link.transactions.next();
    send(asked, AddTransaction, transaction(40, [1, 2]));
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    const objects = await link.objects.next();
    send(objects, AddObject, revision(1, 40, "one"));
    await link.connection.drained();
    // A chunk that is not answered may be committed as well.
    while ((await stage.onDisk("SELECT * FROM obj WHERE tid = 40")).length === 0) {
      order(stage, 1, [[0, null]]);
      await stage.settled();
    }
    await stage.stop();
    await stage.start();
    await stage.next();
    stage.sendTable();
    await stage.verify();
    await stage.operate({ backup: true });
    assert.equal(await backupTid(stage), 10);
    order(stage, 50, [[0, upstream]]);
    const again = await upstream.links.next();
    assert.equal((await again.noTransactions()).packet.minTid, t(41));
    const rest = await again.objects.next();
    assert.equal(rest.packet.minTid, t(40));
    assert.deepEqual(rest.packet.objects, new Map([[t(40), [o(1)]]]));
  });
});

Deno.test("a secondary cell follows a storage of its own cluster", async () => {
  await withBackup(1, async (stage) => {
    using primary = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    stage.tellNodes(primary.information);
    order(stage, 50, [[0, primary]], "");
    const request = await primary.requests.next();
    assert.deepEqual([request.nid, request.cluster], [S1, encodeText("test")]);
    await nothing(await primary.links.next());
    assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(50) });
  });
});

Deno.test("the source that was ordered last counts", async () => {
  await withBackup(1, async (stage, upstream) => {
    using other = await StoragePeer.listen(stage.host, null, { partitions: 1 });
    upstream.answers = false;
    order(stage, 50, [[0, upstream]]);
    await upstream.requests.next();
    order(stage, 60, [[0, other]]);
    upstream[Symbol.dispose]();
    assert.equal((await nothing(await other.links.next())).maxTid, t(60));
    assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(60) });
  });
});

Deno.test("what comes from upstream ends when the backup is to end", async () => {
  await withBackup(2, async (stage, upstream) => {
    order(stage, 50, [[0, upstream], [1, upstream]]);
    const link = await upstream.links.next();
    await link.transactions.next();
    stage.master.notify(NotifyClusterInformation, { state: "STOPPING_BACKUP" });
    await link.closed;
    await stage.settled();
    using primary = await StoragePeer.listen(stage.host, S2, { partitions: 2 });
    stage.tellNodes(primary.information);
    order(stage, 40, [[1, primary]], "");
    await nothing(await primary.links.next());
    assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 1, tid: t(40) });
    assert.deepEqual(upstream.links.all(), []);
  });
});

Deno.test("nothing is skipped in a cell that is outdated before all cells have something", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  using upstream = await StoragePeer.listen(stage.host, null, { partitions: 2 });
  stage.master.notify(StartOperation, { backup: true });
  order(stage, 50, [[0, upstream]]);
  const link = await upstream.links.next();
  const asked = await link.transactions.next();
  send(asked, AddTransaction, transaction(40));
  asked.answer.give({ packTid: null, nextTid: null, tids: [] });
  const objects = await link.objects.next();
  send(objects, AddObject, revision(2, 10, "one"));
  objects.answer.give({ packTid: null, nextTid: t(20), nextOid: o(0), objects: new Map() });
  await link.objects.next();
  stage.change({ offset: 0, state: "OUT_OF_DATE" });
  // The other one has nothing, so that nothing is known to be complete on this node.
  await stage.becomesOnDisk("SELECT tid FROM pt ORDER BY partition", [
    { tid: 0n },
    { tid: -1n },
  ]);
});

Deno.test("a cell that became readable unheard of counts as far as it was replicated", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client(C2);
  await stage.commit(client, t(10), [{ oid: o(1), data: "old" }]);
  stage.master.notify(StartOperation, { backup: true });
  order(stage, 90, [[0, null], [1, null]]);
  stage.unfinished = { maxTid: t(50), ttids: [] };
  using source = await StoragePeer.listen(stage.host, S2, { partitions: 2 });
  stage.tellNodes(source.information);
  stage.change({ offset: 0, state: "OUT_OF_DATE" });
  assert.deepEqual(await stage.notices.next(), { is: "unfinished", offsets: [0] });
  order(stage, 50, [[0, source]], "");
  await nothing(await source.links.next());
  assert.deepEqual(await stage.notices.next(), { is: "replicated", offset: 0, tid: t(50) });
  assert.equal(await backupTid(stage), 90);
  await stage.stop();
  await stage.start();
  await stage.next();
  // The master has told all others that the cell can be read.
  stage.ptid += 1;
  stage.sendTable();
  await stage.settled();
  assert.equal((await stage.master.ask(AskRecovery, {})).backupTid, t(50));
});

Deno.test("a cell that was late and is gone holds back the others no more", async () => {
  await withBackup(2, async (stage) => {
    order(stage, 50, [[0, null], [1, null]]);
    order(stage, 60, [[1, null]]);
    await stage.becomesOnDisk("SELECT value FROM config WHERE name = 'backup_tid'", [
      { value: "0000000000000032" },
    ]);
    stage.change({ offset: 0, nid: S2, state: "UP_TO_DATE" }, { offset: 0, state: "DISCARDED" });
    await stage.becomesOnDisk("SELECT value FROM config WHERE name = 'backup_tid'", [
      { value: "000000000000003c" },
    ]);
  });
});
