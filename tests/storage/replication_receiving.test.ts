/** Outdated cells are completed from other storages: what is asked, stored, and told. */

import assert from "node:assert/strict";
import {
  AbortTransaction,
  AddObject,
  AddTransaction,
  NotifyTransactionFinished,
} from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { begin, next, send, withScene } from "./scene.ts";
import { revision, StoragePeer, transaction } from "./storage_peer.ts";
import { C1, o, S1, S2, Stage, t } from "./support.ts";

Deno.test("transactions come first, then objects, then the master is told", async () => {
  await withScene({}, async (stage, source) => {
    const request = await source.requests.next();
    assert.deepEqual([request.nodeType, request.nid], ["STORAGE", S1]);
    const link = await source.links.next();
    const asked = await link.transactions.next();
    assert.deepEqual(asked.packet, {
      ...{ partition: 0, length: 1000, minTid: ZERO_TID, maxTid: t(100), tids: [] },
    });
    send(asked, AddTransaction, transaction(50, [1, 2]));
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    const objects = await link.objects.next();
    assert.deepEqual(objects.packet, {
      ...{ partition: 0, length: 100, minTid: ZERO_TID, maxTid: t(100), minOid: o(0) },
      objects: new Map(),
    });
    send(objects, AddObject, revision(1, 50, "one"), revision(2, 50, null));
    objects.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    assert.deepEqual(await stage.onDisk("SELECT partition, nid, tid FROM pt WHERE nid = 1"), [
      { partition: 0n, nid: 1n, tid: 100n },
    ]);
    stage.change({ offset: 0, state: "UP_TO_DATE" });
    const client = await stage.client();
    assert.deepEqual(await client.load(o(1)), { data: "one", serial: t(50) });
    assert.deepEqual(await client.load(o(2)), { data: "", serial: t(50) });
    assert.deepEqual(await stage.onDisk("SELECT tid, ttid, packed, user FROM trans"), [
      { tid: 50n, ttid: 50n, packed: 0n, user: new TextEncoder().encode("user") },
    ]);
  });
});

Deno.test("progress is kept with each chunk, and a restart resumes there", async () => {
  await withScene({}, async (stage, source) => {
    const link = await source.links.next();
    const first = await link.transactions.next();
    send(first, AddTransaction, transaction(40));
    first.answer.give({ packTid: null, nextTid: t(70), tids: [] });
    assert.equal((await link.transactions.next()).packet.minTid, t(70));
    // Transactions alone are no progress.
    assert.deepEqual(await stage.onDisk("SELECT tid FROM pt WHERE nid = 1"), [{ tid: 0n }]);
    link.connection.close();
    const again = await source.links.next();
    assert.equal((await again.noTransactions()).packet.minTid, t(70));
    const chunk = await again.objects.next();
    send(chunk, AddObject, revision(1, 40, "one"));
    chunk.answer.give({ packTid: null, nextTid: t(60), nextOid: o(3), objects: new Map() });
    const following = await again.objects.next();
    assert.deepEqual([following.packet.minTid, following.packet.minOid], [t(60), o(3)]);
    await stage.stop();
    assert.deepEqual(await stage.onDisk("SELECT tid FROM pt WHERE nid = 1"), [{ tid: 59n }]);
    stage.notices.all();
    await stage.start();
    await stage.next();
    stage.tellNodes(source.information);
    begin(stage, [S2]);
    await stage.operate();
    const resumed = await source.links.next();
    assert.equal((await resumed.noTransactions()).packet.minTid, t(60));
    const { packet } = await resumed.noObjects();
    assert.deepEqual([packet.minTid, packet.minOid], [t(60), o(0)]);
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
  });
});

Deno.test("fewer revisions are asked for at once where they are big", async () => {
  await withScene({}, async (_stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    const lengths: number[] = [];
    for (const [tid, bytes] of [[10, 1 << 16], [20, 1 << 21], [30, 10]] as const) {
      const asked = await link.objects.next();
      lengths.push(asked.packet.length);
      send(asked, AddObject, revision(1, tid, "x".repeat(bytes)));
      const next = { nextTid: t(tid + 1), nextOid: o(0) };
      asked.answer.give({ packTid: null, ...next, objects: new Map() });
    }
    lengths.push((await link.objects.next()).packet.length);
    assert.deepEqual(lengths, [100, 64, 4, 1000]);
  });
});

Deno.test("a cell that was complete lists what it has, and loses what the source has not", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(10), [{ oid: o(1), data: "old" }]);
  await stage.stop();
  using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  await stage.start();
  await stage.next();
  stage.tellNodes(source.information);
  // Up to its last row it was complete.
  stage.ptid++;
  begin(stage, [S2]);
  await stage.verify();
  stage.unfinished = { maxTid: t(50), ttids: [] };
  await stage.operate();
  const writer = await stage.client();
  assert.equal(await writer.store(t(30), { oid: o(2), data: "both" }), ZERO_TID);
  assert.equal(await writer.store(t(30), { oid: o(3), data: "surplus" }), ZERO_TID);
  await writer.vote(t(30), [o(2), o(3)]);
  await stage.finish(t(30));
  const link = await source.links.next();
  const asked = await link.transactions.next();
  assert.equal(asked.packet.minTid, t(11));
  asked.answer.give({ packTid: null, nextTid: t(40), tids: [] });
  assert.deepEqual((await link.noTransactions()).packet.tids, []);
  const objects = await link.objects.next();
  assert.deepEqual(objects.packet.objects, new Map([[t(30), [o(2), o(3)]]]));
  const surplus = new Map([[t(30), [o(3)]]]);
  // What is there already may come again.
  send(objects, AddObject, revision(2, 30, "both"), revision(4, 45, "new"));
  objects.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: surplus });
  assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(50) });
  await stage.stop();
  assert.deepEqual(
    await stage.onDisk("SELECT oid, tid, value FROM obj JOIN data ON id = data_id ORDER BY 1"),
    [
      { oid: 1n, tid: 10n, value: encodeText("old") },
      { oid: 2n, tid: 30n, value: encodeText("both") },
      { oid: 4n, tid: 45n, value: encodeText("new") },
    ],
  );
  assert.equal(
    (await stage.onDisk("SELECT * FROM data")).length,
    3,
    "data that nobody needs are gone",
  );
});

Deno.test("an undo shares the data of what it goes back to", async () => {
  await withScene({}, async (stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    const asked = await link.objects.next();
    send(
      asked,
      AddObject,
      revision(1, 10, "one"),
      revision(1, 20, "two"),
      revision(1, 30, "one", t(10)),
      // Its target was packed away on the source.
      revision(2, 30, "alone", t(5)),
    );
    asked.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    assert.deepEqual(
      await stage.onDisk("SELECT oid, tid, data_id, value_tid FROM obj ORDER BY 1, 2"),
      [
        { oid: 1n, tid: 10n, data_id: 0n, value_tid: null },
        { oid: 1n, tid: 20n, data_id: 1n, value_tid: null },
        { oid: 1n, tid: 30n, data_id: 0n, value_tid: 10n },
        { oid: 2n, tid: 30n, data_id: 2n, value_tid: 5n },
      ],
    );
    assert.equal((await stage.onDisk("SELECT * FROM data")).length, 3);
  });
});

Deno.test("undos get their data when what they go back to has come", async () => {
  await withScene({ maxTid: 20, ttids: [5] }, async (stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    const asked = await link.objects.next();
    const client = await stage.client(C1);
    for (const [ttid, oid] of [[30, 1], [40, 2]] as const) {
      const undo = { oid: o(oid), serial: t(20), data: null, dataSerial: t(10) };
      assert.equal(await client.store(t(ttid), undo), ZERO_TID);
      await client.vote(t(ttid), [o(oid)]);
    }
    await stage.finish(t(30));
    for (const [oid, text] of [[1, "one"], [2, "two"]] as const) {
      send(asked, AddObject, revision(oid, 10, text), revision(oid, 20, "undone"));
    }
    asked.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    await stage.settled();
    stage.master.notify(AbortTransaction, { ttid: t(5), nids: [] });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(20) });
    stage.change({ offset: 0, state: "UP_TO_DATE" });
    await stage.finish(t(40));
    assert.deepEqual(await client.load(o(1)), { data: "one", serial: t(30) });
    assert.deepEqual(await client.load(o(2)), { data: "two", serial: t(40) });
    await stage.stop();
    assert.equal((await stage.onDisk("SELECT * FROM obj WHERE data_id IS NULL")).length, 0);
    assert.equal((await stage.onDisk("SELECT * FROM data")).length, 4);
  });
});

Deno.test("a cell is complete when all that was pending has ended", async () => {
  await withScene({ ttids: [90, 95] }, async (stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    await link.noObjects();
    stage.master.notify(NotifyTransactionFinished, { ttid: t(90), maxTid: t(120) });
    await stage.settled();
    assert.deepEqual(stage.notices.all().filter(({ is }) => is === "replicated"), []);
    stage.master.notify(AbortTransaction, { ttid: t(95), nids: [] });
    const { packet } = await link.noTransactions();
    assert.deepEqual([packet.minTid, packet.maxTid], [t(101), t(120)]);
    await link.noObjects();
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(120) });
  });
});

Deno.test("transactions that were aborted need no more replication", async () => {
  await withScene({ ttids: [90] }, async (stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    await link.noObjects();
    await link.connection.drained();
    stage.master.notify(AbortTransaction, { ttid: t(90), nids: [] });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    assert.deepEqual(link.transactions.all(), []);
  });
});
