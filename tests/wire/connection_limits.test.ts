/** Each limit of connections, at the limit and beyond it. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { oid, tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { MAX_UNANSWERED_REQUESTS, MAX_UNSENT_BYTES, WRITE_BYTES } from "../../nodes/wire/limits.ts";
import { Requests } from "../../nodes/wire/requests.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { concat, encode, header } from "../support/codec.ts";
import { nothing, setUp } from "./raw_peer.ts";
import { onSink, Sink } from "./sink.ts";

function store(dataBytes: number): p.AskStoreObject {
  return {
    oid: oid(1n),
    serial: ZERO_TID,
    compression: false,
    checksum: new Uint8Array(20),
    data: new Uint8Array(dataBytes),
    dataSerial: null,
    ttid: tid(1n),
  };
}

/** Bytes of a body with one object, besides its data. */
const STORE_BYTES = 57;

Deno.test("numbers of requests start again after 2^32, without one that is in use", async () => {
  const requests = new Requests(neo_1_11, 2 ** 32 - 2);
  const ids = Array.from({ length: 4 }, () => requests.nextId());
  assert.deepEqual(ids, [2 ** 32 - 2, 2 ** 32 - 1, 0, 1]);
  const waits = [2, 3].map((id) => requests.wait(id, p.AskPack));
  assert.deepEqual([requests.nextId(), requests.nextId()], [4, 5]);
  assert.equal(requests.empty, false);
  requests.rejectAll((request) => new Error(`${request} is not answered`));
  assert.equal(requests.empty, true);
  for (const wait of waits) await assert.rejects(wait, { message: "AskPack is not answered" });
});

Deno.test("a header that announces more than a packet may have ends the connection", async () => {
  const taken: string[] = [];
  const { world, peer, connection, log } = await setUp(({ type }) => taken.push(type.name) > 0);
  peer.shakeHands().send(0, p.FlushLog, {}).raw(header(1, 1, neo_1_11.maxBodyBytes));
  await world.runFor(1000);
  assert.equal(connection.closed, false);
  peer.socket.destroy();

  const other = await setUp(({ type }) => taken.push(type.name) > 0);
  other.peer.shakeHands().send(0, p.FlushLog, {}).raw(header(1, 1, neo_1_11.maxBodyBytes + 1));
  await other.world.run(() => other.peer.closed);
  assert.deepEqual(taken, ["FlushLog", "FlushLog"]);
  assert.deepEqual(other.peer.names, []);
  assert.match(
    other.log().join(),
    /announced a packet of 67108865 bytes, where at most 67108864 are allowed$/,
  );
  assert.deepEqual(log(), []);
});

Deno.test("a packet of the greatest size goes through, and one byte more is not sent", async () => {
  const { sink, connection } = onSink();
  const atLimit = store(neo_1_11.maxBodyBytes - STORE_BYTES);
  void connection.ask(p.AskStoreObject, atLimit).catch(() => {});
  await assert.rejects(
    connection.ask(p.AskStoreObject, store(atLimit.data.length + 1)),
    {
      name: "MalformedPacketError",
      message: "AskStoreObject.(body): expected at most 67108864 bytes, found 67108865",
    },
  );
  assert.throws(() => connection.notify(p.AskStoreObject, store(atLimit.data.length + 1)));
  connection.notify(p.FlushLog, {});
  await Promise.resolve();
  const sent = sink.writes.reduce((sum, { length }) => sum + length, 0);
  assert.equal(sent, 4 + 10 + neo_1_11.maxBodyBytes + 10);
  // What follows starts where the packet at the limit ends.
  const last = sink.writes.at(-1)?.slice(-10);
  assert.ok(last);
  assert.equal(new DataView(last.buffer).getUint16(4), 0x41);
  assert.equal(connection.closed, false);
});

Deno.test("an answer that is too large is refused to the peer, which is not blamed", async () => {
  const huge = { code: 0, message: new Uint8Array(neo_1_11.maxBodyBytes) };
  for (const reply of [huge, Promise.resolve(huge)]) {
    const { world, peer, log } = await setUp((incoming) => {
      incoming.answer(p.ErrorPacket, reply);
      return true;
    });
    peer.shakeHands().send(4, p.SetClusterState, { state: "RUNNING" });
    await world.run(() => peer.closed);
    const error = peer.only(p.ErrorPacket);
    assert.equal(error.id, 4);
    assert.equal(error.code, p.ErrorCode.PROTOCOL_ERROR);
    assert.deepEqual(error.message, encodeText("Error can't be sent"));
    assert.match(log().join(), /^ERROR connection: while answering .*expected at most 67108864/);
  }
});

Deno.test("of a packet that can't be encoded nothing is sent", async () => {
  const { sink, connection } = onSink();
  const broken = { ...store(10), checksum: new Uint8Array(19) };
  await assert.rejects(connection.ask(p.AskStoreObject, broken), RangeError);
  assert.throws(() => connection.notify(p.AskStoreObject, broken), RangeError);
  connection.notify(p.FlushLog, {});
  await Promise.resolve();
  assert.deepEqual(concat(...sink.writes), concat(neo_1_11.handshake, encode(p.FlushLog, 2, {})));
});

Deno.test("the packets of a turn leave in one write", async () => {
  const { sink, connection } = onSink();
  for (let turn = 0; turn < 100; turn++) connection.notify(p.FlushLog, {});
  await Promise.resolve();
  assert.deepEqual(sink.writes.map(({ length }) => length), [4 + 100 * 10]);
  for (let turn = 0; turn < 3; turn++) {
    await Promise.resolve();
    connection.notify(p.FlushLog, {});
  }
  await Promise.resolve();
  assert.equal(sink.writes.length, 4);
});

Deno.test("the answers to packets that came together leave in one write", async () => {
  const { sink, connection } = onSink();
  connection.start(nothing);
  await Promise.resolve();
  const pings = Array.from({ length: 100 }, (_, id) => encode(p.Ping, id, {}));
  sink.events?.data(concat(neo_1_11.handshake, ...pings));
  assert.deepEqual(sink.writes.map(({ length }) => length), [4, 100 * 10]);
});

Deno.test("a turn that writes much does not gather all of it", async () => {
  const { sink, connection } = onSink();
  const packets = 3 * WRITE_BYTES / 1000;
  for (let packet = 0; packet < packets; packet++) connection.notify(p.AskStoreObject, store(1000));
  const early = sink.writes.map(({ length }) => length);
  assert.ok(early.length >= 3);
  assert.ok(early.every((length) => length >= WRITE_BYTES && length < WRITE_BYTES + 2000));
  await Promise.resolve();
  assert.ok(sink.writes.length <= early.length + 1);
});

Deno.test("a peer that does not take its answers is not read from", async () => {
  let served = 0;
  const { world, peer, connection } = await setUp((incoming) => {
    served++;
    incoming.answer(p.AnswerObject, {
      oid: oid(1n),
      serial: tid(1n),
      nextSerial: null,
      compression: false,
      checksum: new Uint8Array(20),
      data: new Uint8Array(100_000),
      dataSerial: null,
    });
    return true;
  });
  peer.shakeHands().socket.pause();
  const REQUESTS = 20_000;
  const ask = encode(p.AskObject, 0, { oid: oid(1n), at: null, before: null });
  for (let request = 0; request < REQUESTS; request++) peer.raw(ask);
  await world.runFor(600_000);
  assert.ok(connection.congested);
  assert.equal(connection.closed, false);
  const servedBefore = served;
  // A window, a socket's buffer and the requests of some chunks, of 2 GB that were asked for.
  assert.ok(served < REQUESTS / 10, `${served} requests were served`);
  let isDrained = false;
  void connection.drained().then(() => isDrained = true);
  await world.runFor(600_000);
  assert.equal(isDrained, false);
  peer.socket.resume();
  await world.run(() => isDrained);
  await world.run(() => served > servedBefore);
  peer.socket.destroy();
  await world.run(() => connection.closed);
});

Deno.test("who opened the connection reads on while its peer does not", async () => {
  for (const dialed of [true, false]) {
    const { sink, connection } = onSink({ dialed });
    connection.start(nothing);
    sink.isFull = true;
    connection.notify(p.AskStoreObject, store(1000));
    await Promise.resolve();
    assert.equal(connection.congested, true);
    assert.equal(sink.paused, !dialed);
    sink.isFull = false;
    const waits = connection.drained();
    sink.events?.drained();
    await waits;
    assert.equal(connection.congested, false);
    assert.equal(sink.paused, false);
  }
});

Deno.test("the end of a connection frees who waits for a peer that does not read", async () => {
  const { sink, connection } = onSink();
  connection.start(nothing);
  sink.isFull = true;
  connection.notify(p.AskStoreObject, store(1000));
  await Promise.resolve();
  assert.equal(connection.congested, true);
  assert.equal(sink.paused, true);
  const waits = connection.drained();
  sink.events?.closed(null);
  await waits;
  assert.equal(connection.closed, true);
});

Deno.test("a peer that lets too much wait is dropped", async () => {
  const { sink, connection, log } = onSink();
  connection.start(nothing);
  sink.isFull = true;
  connection.notify(p.FlushLog, {});
  await Promise.resolve();
  sink.bufferedBytes = MAX_UNSENT_BYTES - 10;
  connection.notify(p.FlushLog, {});
  await Promise.resolve();
  assert.equal(sink.bufferedBytes, MAX_UNSENT_BYTES);
  assert.equal(connection.closed, false);
  connection.notify(p.FlushLog, {});
  await Promise.resolve();
  assert.equal(connection.closed, true);
  assert.equal(sink.ended, "destroy");
  assert.match(log().join(), /lets more than 536870912 bytes wait for it$/);
});

Deno.test("a peer may have so many requests waiting, and no more", () => {
  const { sink, connection, log } = onSink();
  const never = new Promise<p.AnswerLastTransaction>(() => {});
  connection.start((incoming) => {
    incoming.answer(p.AnswerLastTransaction, never);
    return true;
  });
  const request = encode(p.AskLastTransaction, 0, {});
  const all = new Uint8Array(MAX_UNANSWERED_REQUESTS * request.length);
  for (let at = 0; at < all.length; at += request.length) all.set(request, at);
  sink.events?.data(concat(neo_1_11.handshake, all));
  assert.equal(connection.closed, false);
  sink.events?.data(request);
  assert.equal(connection.closed, true);
  assert.equal(sink.ended, "destroy");
  assert.match(log().join(), /has more than 262144 requests waiting for an answer$/);
});

Deno.test("requests that were answered do not count", async () => {
  const { sink, connection } = onSink();
  let waits = Promise.withResolvers<p.AnswerLastTransaction>();
  connection.start((incoming) => {
    incoming.answer(p.AnswerLastTransaction, waits.promise);
    return true;
  });
  const request = encode(p.AskLastTransaction, 0, {});
  const half = new Uint8Array((MAX_UNANSWERED_REQUESTS / 2 + 1) * request.length);
  for (let at = 0; at < half.length; at += request.length) half.set(request, at);
  sink.events?.data(concat(neo_1_11.handshake, half));
  waits.resolve({ tid: null });
  await waits.promise;
  await Promise.resolve();
  waits = Promise.withResolvers();
  sink.events?.data(half);
  waits.reject(new Error("the test is over"));
  assert.equal(connection.closed, false);
  connection.abort();
});

Deno.test("any bytes cost their own connection at most", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Headers that are good, with bodies that are not.
    fc.tuple(fc.nat(0x45), fc.boolean(), fc.uint8Array({ maxLength: 60 })).map(
      ([code, isAnswer, body]) =>
        concat(header(0, code | (isAnswer ? 0x8000 : 0), body.length), body),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(bytes, { maxLength: 5 }), async (seed, pieces) => {
      const { world, peer, connection, fatal, log } = await setUp((incoming) => {
        incoming.read(incoming.type);
        return true;
      }, seed);
      const host = world.host("node");
      const other = new Sink();
      const bystander = new Connection(other, {
        host,
        dialect: neo_1_11,
        label: "bystander",
        fatal: () => {},
      });
      bystander.start(nothing);
      const asked = Promise.allSettled([connection.ask(p.AskPack, { tid: tid(1n) })]);
      peer.shakeHands().raw(...pieces);
      peer.socket.end();
      await world.run(() => connection.closed);
      // It was answered, refused, or will never be.
      await asked;
      assert.equal(bystander.closed, false);
      assert.deepEqual(fatal, []);
      assert.deepEqual(log().filter((line) => line.startsWith("ERROR")), []);
      bystander.close();
    }),
    { numRuns: 300 },
  );
});
