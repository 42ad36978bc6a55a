/** Replication from storages that misbehave, leave or are not there, and of cells that change. */

import assert from "node:assert/strict";
import { AddObject, AddTransaction } from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { begin, next, send, withScene } from "./scene.ts";
import { type Asked, type PeerLink, revision, StoragePeer, transaction } from "./storage_peer.ts";
import { o, S2, S3, Stage, t } from "./support.ts";

Deno.test("what is sent for another request is ignored", async () => {
  await withScene({}, async (stage, source) => {
    const link = await source.links.next();
    await link.noTransactions();
    const asked = await link.objects.next();
    asked.connection.notifyAs(asked.id + 7, AddObject, revision(1, 10, "stray"));
    asked.connection.notifyAs(asked.id + 7, AddTransaction, transaction(10));
    send(asked, AddObject, revision(2, 10, "asked for"));
    asked.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    assert.deepEqual(await stage.onDisk("SELECT oid FROM obj"), [{ oid: 2n }]);
    assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), []);
  });
});

Deno.test("rows of another partition, or beyond what was asked, cost the connection", async () => {
  const wrong: [string, (asked: Asked<unknown, unknown>) => void][] = [
    ["another partition", (asked) => send(asked, AddObject, revision(1, 10, "x"))],
    ["later than asked", (asked) => send(asked, AddObject, revision(2, 101, "x"))],
    ["a transaction of another partition", (asked) => send(asked, AddTransaction, transaction(11))],
  ];
  for (const [name, misbehave] of wrong) {
    await withScene({ partitions: 2 }, async (_stage, source) => {
      const link = await source.links.next();
      const asked = await link.transactions.next();
      assert.equal(asked.packet.partition, 0, name);
      misbehave(asked);
      await link.closed;
      // The storage lives, and tries again.
      await source.links.next();
    });
  }
});

Deno.test("only what was listed may be deleted, and the source has to go on", async () => {
  const wrong: ((link: PeerLink) => Promise<void>)[] = [
    async (link) => {
      const { answer } = await link.transactions.next();
      answer.give({ packTid: null, nextTid: null, tids: [t(3)] });
    },
    async (link) => {
      const { answer, packet } = await link.transactions.next();
      answer.give({ packTid: null, nextTid: packet.minTid, tids: [] });
    },
    async (link) => {
      await link.noTransactions();
      const { answer } = await link.objects.next();
      const objects = new Map([[t(3), [o(1)]]]);
      answer.give({ packTid: null, nextTid: null, nextOid: null, objects });
    },
    async (link) => {
      await link.noTransactions();
      const { answer } = await link.objects.next();
      answer.give({ packTid: null, nextTid: ZERO_TID, nextOid: o(0), objects: new Map() });
    },
  ];
  for (const misbehave of wrong) {
    await withScene({}, async (stage, source) => {
      const link = await source.links.next();
      await misbehave(link);
      await link.noTransactions();
      await link.noObjects();
      assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    });
  }
});

Deno.test("a source that refuses is left for another one", async () => {
  await withScene({ sources: [S2, S3] }, async (stage, { links }) => {
    const link = await links.next();
    const asked = await link.transactions.next();
    asked.answer.refuse(new Refusal("REPLICATION_ERROR", "partition 0 not readable"));
    const other = await links.next();
    await other.noTransactions();
    await other.noObjects();
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
    assert.equal(link.connection.closed, false);
    assert.ok(
      stage.lines.some((line) => /partition 0 was not replicated.*not readable/.test(line)),
    );
  });
});

Deno.test("a source that has packed is as good as any, and one that can't feed is left", async () => {
  await withScene({ sources: [S2, S3] }, async (stage, { links }) => {
    const asked = await (await links.next()).transactions.next();
    asked.answer.refuse(new Refusal("BACKEND_NOT_IMPLEMENTED", "Importer.getReplicationTIDList"));
    const other = await links.next();
    (await other.transactions.next()).answer.give({ packTid: t(50), nextTid: null, tids: [] });
    const objects = new Map();
    (await other.objects.next()).answer.give({
      ...{ packTid: t(50), nextTid: null, nextOid: null, objects },
    });
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
  });
});

Deno.test("a source that is gone is tried again", async () => {
  await withScene({}, async (stage, source) => {
    const link = await source.links.next();
    await link.transactions.next();
    link.connection.close();
    const again = await source.links.next();
    await again.noTransactions();
    await again.noObjects();
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(100) });
  });
});

Deno.test("the storage that answers must be the one that was meant", async () => {
  await using stage = await Stage.identified();
  using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  source.identity = { nid: S3 };
  stage.tellNodes(source.information);
  begin(stage, [S2]);
  await stage.operate();
  const link = await source.links.next();
  await link.closed;
  source.identity = {};
  const right = await source.links.next();
  await right.noTransactions();
});

Deno.test("a cell that is discarded is replicated no more, and what still comes is ignored", async () => {
  await withScene({ partitions: 2 }, async (stage, source) => {
    const link = await source.links.next();
    const asked = await link.transactions.next();
    const { partition } = asked.packet;
    stage.change({ offset: partition, state: "DISCARDED" });
    const other = await link.transactions.next();
    assert.equal(other.packet.partition, 1 - partition);
    send(asked, AddTransaction, transaction(10 + partition));
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    other.answer.give({ packTid: null, nextTid: null, tids: [] });
    await link.noObjects();
    const done = { is: "replicated", offset: 1 - partition, tid: t(100) };
    assert.deepEqual(await next(stage), done);
    assert.deepEqual(await stage.onDisk("SELECT * FROM trans"), []);
  });
});

Deno.test("partitions follow each other on one connection, the furthest behind first", async () => {
  await withScene({ partitions: 3 }, async (stage, source) => {
    const link = await source.links.next();
    const offsets: number[] = [];
    for (let count = 0; count < 3; count++) {
      const { packet } = await link.noTransactions();
      await link.noObjects();
      offsets.push(packet.partition);
      assert.deepEqual(await next(stage), {
        ...{ is: "replicated", offset: packet.partition, tid: t(100) },
      });
    }
    assert.deepEqual(offsets.sort(), [0, 1, 2]);
    assert.deepEqual(source.links.all(), []);
  });
});

Deno.test("no source, no replication, until there is one", async () => {
  await using stage = await Stage.identified();
  using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  stage.tellNodes({ ...source.information, state: "DOWN" });
  begin(stage, [S2]);
  await stage.operate();
  await stage.settled();
  assert.deepEqual(source.links.all(), []);
  stage.tellNodes(source.information);
  const link = await source.links.next();
  await link.noTransactions();
});
