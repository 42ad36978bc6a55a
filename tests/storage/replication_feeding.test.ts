/** A storage feeds others: what it sends, when, and that clients come first. */

import assert from "node:assert/strict";
import {
  AskFetchObjects,
  AskFetchTransactions,
  AskLockInformation,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import type { Oid, Tid } from "../../nodes/codec/ids.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Background } from "../../nodes/storage/background.ts";
import { serveObjects } from "../../nodes/storage/replication/feeding.ts";
import { onSink } from "../wire/sink.ts";
import { Ledger } from "./ledger.ts";
import { type PeerLink, StoragePeer } from "./storage_peer.ts";
import { C1, isPending, o, S2, sha1, Stage, t } from "./support.ts";

async function withPeer(
  test: (stage: Stage, link: PeerLink) => Promise<void>,
  partitions = 1,
): Promise<void> {
  await using stage = await Stage.operating({ partitions });
  using peer = await StoragePeer.listen(stage.host, S2, { partitions });
  stage.tellNodes(peer.information);
  const { link } = await peer.connect(stage.node.address);
  await test(stage, link);
}

function transactions(link: PeerLink, packet: Partial<AskFetchTransactions> = {}) {
  return link.connection.ask(AskFetchTransactions, {
    ...{ partition: 0, length: 1000, minTid: t(0), maxTid: t(1000), tids: [], ...packet },
  });
}

function objects(link: PeerLink, packet: Partial<AskFetchObjects> = {}) {
  const everything = { minTid: t(0), minOid: o(0), maxTid: t(1000), objects: new Map() };
  return link.connection.ask(AskFetchObjects, {
    ...{ partition: 0, length: 1000, ...everything, ...packet },
  });
}

const EVERYTHING = { packTid: null, nextTid: null };

/** What was sent since the last look. */
function added(link: PeerLink): unknown[] {
  return link.added.splice(0).map(({ packet }) =>
    "serial" in packet
      ? [packet.oid, packet.serial, new TextDecoder().decode(packet.data), packet.dataSerial]
      : packet.tid
  );
}

Deno.test("what the peer lacks is sent, and what it has too much is named", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    for (const tid of [10, 20, 30]) {
      const serial = tid === 10 ? t(0) : t(tid - 10);
      await stage.commit(client, t(tid), [{ oid: o(1), serial, data: `at ${tid}` }]);
    }
    const answer = await transactions(link, { tids: [t(10), t(15)] });
    assert.deepEqual(answer, { ...EVERYTHING, tids: [t(15)] });
    assert.deepEqual(added(link), [t(20), t(30)]);
    const known = new Map([[t(20), [o(1), o(7)]], [t(30), [o(2)]]]);
    assert.deepEqual(await objects(link, { objects: known }), {
      ...{ ...EVERYTHING, nextOid: null, objects: new Map([[t(20), [o(7)]], [t(30), [o(2)]]]) },
    });
    assert.deepEqual(added(link), [[o(1), t(10), "at 10", null], [o(1), t(30), "at 30", null]]);
  });
});

Deno.test("a chunk has as much as was asked for, and says where to go on", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    for (const tid of [10, 20, 30]) {
      await stage.commit(client, t(tid), [1, 2].map((n) => ({ oid: o(tid + n), data: "x" })));
    }
    const some = await transactions(link, { length: 2, tids: [t(25)] });
    assert.deepEqual([some.nextTid, some.tids], [t(30), [t(25)]]);
    assert.deepEqual(added(link), [t(10), t(20)]);
    assert.equal((await transactions(link, { length: 2, minTid: t(30) })).nextTid, null);
    assert.deepEqual(added(link), [t(30)]);
    const chunk = await objects(link, { length: 3 });
    assert.deepEqual([chunk.nextTid, chunk.nextOid], [t(20), o(22)]);
    assert.equal(added(link).length, 3);
    const rest = await objects(link, { minTid: t(20), minOid: o(22), maxTid: t(20) });
    assert.deepEqual([rest.nextTid, rest.nextOid], [null, null]);
    assert.deepEqual(added(link), [[o(22), t(20), "x", null]]);
  });
});

Deno.test("all that is sent for a request has its id", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    await stage.commit(client, t(10), [{ oid: o(1), data: "x" }]);
    let id = -1;
    const packet = { partition: 0, length: 9, minTid: t(0), maxTid: t(99), tids: [] };
    await link.connection.ask(AskFetchTransactions, packet, undefined, (sent) => {
      id = sent;
    });
    assert.deepEqual(link.added.map((each) => each.id), [id]);
  });
});

Deno.test("undos come with their data, and revisions without data are told by their checksum", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    await stage.commit(client, t(10), [{ oid: o(1), data: "one" }, { oid: o(2), data: "gone" }]);
    await stage.commit(client, t(20), [{ oid: o(1), serial: t(10), data: "two" }]);
    await stage.commit(client, t(30), [
      { oid: o(1), serial: t(20), data: null, dataSerial: t(10) },
      { oid: o(2), serial: t(10), data: null },
    ]);
    await objects(link, { minTid: t(30) });
    const checksums = link.added.map(({ packet }) => "checksum" in packet ? packet.checksum : null);
    assert.deepEqual(added(link), [[o(1), t(30), "one", t(10)], [o(2), t(30), "", null]]);
    const isNothing = (checksum: Uint8Array | null) => checksum?.every((byte) => byte === 0);
    assert.deepEqual(checksums.map(isNothing), [false, true]);
  });
});

Deno.test("transactions are not sent before all that was asked for is visible", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    await client.store(t(100), { oid: o(1), data: "x" });
    await client.vote(t(100), [o(1)]);
    await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(110) });
    assert.deepEqual(await transactions(link, { maxTid: t(109) }), { ...EVERYTHING, tids: [] });
    const waiting = transactions(link, { maxTid: t(110) });
    assert.ok(await isPending(waiting, client));
    stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
    await waiting;
    assert.deepEqual(added(link), [t(110)]);
  });
});

Deno.test("objects are refused to who has not waited for transactions", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    await client.store(t(100), { oid: o(1), data: "x" });
    await client.vote(t(100), [o(1)]);
    await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(110) });
    await assert.rejects(objects(link, { maxTid: t(110) }), {
      code: "PROTOCOL_ERROR",
      message: "transactions must be fetched before objects",
    });
    await link.closed;
  });
});

Deno.test("a cell that can't be read feeds nobody, and the connection stays", async () => {
  await withPeer(async (stage, link) => {
    stage.change({ offset: 1, state: "DISCARDED" });
    await stage.settled();
    const refused = { code: "REPLICATION_ERROR", message: "partition 1 not readable" };
    await assert.rejects(transactions(link, { partition: 1 }), refused);
    await assert.rejects(objects(link, { partition: 1 }), refused);
    stage.change({ offset: 1, state: "OUT_OF_DATE" });
    await stage.settled();
    await assert.rejects(objects(link, { partition: 1 }), refused);
    assert.deepEqual(await transactions(link), { ...EVERYTHING, tids: [] });
  }, 2);
});

Deno.test("clients are served while a storage is fed", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client(C1);
    // More than sockets buffer on their way.
    const text = "x".repeat(1 << 20);
    const oids = Array.from({ length: 32 }, (_, at) => o(at));
    await stage.commit(client, t(10), oids.map((oid) => ({ oid, data: text })));
    const sizes: number[] = [];
    let loads = 0;
    const fetched = objects(link).then(() => sizes.push(link.added.length));
    // Each load is answered before the chunk is: it does not wait for its end.
    while (link.added.length < oids.length && sizes.length === 0) {
      await client.load(o(1));
      loads++;
    }
    await fetched;
    assert.deepEqual(sizes, [oids.length]);
    assert.ok(loads > 3, `${loads} loads`);
  });
});

Deno.test("a storage that does not read gets no more until it does", async () => {
  await using ledger = await Ledger.open({ partitions: 1, later: false });
  const { backend } = ledger.context;
  const data = new Uint8Array(1 << 20);
  const value = { compression: false, checksum: sha1(data), data };
  for (let oid = 0; oid < 8; oid++) {
    await backend.replica.addObjects([{ oid: o(oid), tid: t(10), value, valueTid: null }]);
  }
  const { sink, connection } = onSink();
  connection.start(() => true);
  const host = createNodeHost({ log: { log: () => {} } });
  const packet = { partition: 0, length: 1000, minTid: t(0), minOid: o(0), maxTid: t(99) };
  const context = { ...ledger.context, background: new Background(host) };
  sink.isFull = true;
  const reply = serveObjects(context, { ...packet, objects: new Map() }, { connection, id: 1 });
  assert.ok(reply instanceof Promise);
  let isAnswered = false;
  reply.then(() => isAnswered = true);
  for (let round = 1; !isAnswered; round++) {
    // It has had many turns, and has used only what it needed to fill the buffer again.
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((next) => host.defer(next));
    const sent = sink.writes.reduce((bytes, { length }) => bytes + length, 0);
    assert.ok(sent < (round + 1) * data.length * 1.1, `${sent} bytes in round ${round}`);
    sink.bufferedBytes = 0;
    sink.events?.drained();
  }
  assert.equal((await reply).nextTid, null);
});

Deno.test("a cell that is discarded in the middle feeds no more", async () => {
  await withPeer(async (stage, link) => {
    const client = await stage.client();
    const text = "x".repeat(1 << 20);
    const oids = Array.from({ length: 40 }, (_, at) => o(at));
    await stage.commit(client, t(10), oids.map((oid) => ({ oid, data: text })));
    const fetched = objects(link);
    stage.change({ offset: 0, state: "DISCARDED" });
    await assert.rejects(fetched, { code: "REPLICATION_ERROR", message: "partition 0 dropped" });
    assert.ok(link.added.length < oids.length);
  });
});

Deno.test("nothing at all can't be asked for", async () => {
  await withPeer(async (_stage, link) => {
    const objects: ReadonlyMap<Tid, readonly Oid[]> = new Map();
    const range = { minTid: t(0), minOid: o(0), maxTid: t(9), objects };
    await assert.rejects(
      link.connection.ask(AskFetchObjects, { partition: 0, length: 0, ...range }),
      { code: "PROTOCOL_ERROR" },
    );
  });
});
