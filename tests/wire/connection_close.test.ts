/** How connections end: abort, close, the peer's end, and what becomes of packets and requests. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { tid } from "../../nodes/codec/ids.ts";
import type { Receiver } from "../../nodes/codec/packet.ts";
import { ConnectionClosedError, DatabaseError } from "../../nodes/errors.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { codecOf, concat, encode, header } from "../support/codec.ts";
import { nothing, setUp } from "./raw_peer.ts";
import { onSink } from "./sink.ts";

// Of these two, a request is forgotten when its connection was closed, an order is obeyed.
const REQUEST = encode(p.AskLastTransaction, 0, {});
const ORDER = encode(p.SetClusterState, 1, { state: "STOPPING" });
const NOTIFICATION = encode(p.FlushLog, 2, {});

/** A receiver that takes everything, and calls `act` at the first packet. */
function recorder(seen: string[], act: () => void): Receiver<p.Codecs> {
  return ({ type }) => {
    seen.push(type.name);
    if (seen.length === 1) act();
    return true;
  };
}

for (
  const [end, handled] of [
    ["close", ["AskLastTransaction", "SetClusterState", "FlushLog"]],
    ["abort", ["AskLastTransaction"]],
  ] as const
) {
  Deno.test(`after ${end}, of what had come is handled: ${handled}`, () => {
    const seen: string[] = [];
    const { sink, connection } = onSink();
    connection.start(recorder(seen, () => connection[end]()));
    sink.events?.data(
      concat(neo_1_11.handshake, REQUEST, REQUEST, ORDER, NOTIFICATION),
    );
    assert.deepEqual(seen, handled);
    assert.equal(sink.ended, "end");
  });
}

for (const end of ["close", "abort"] as const) {
  Deno.test(`what comes after ${end} is not handled at all`, async () => {
    const seen: string[] = [];
    const { world, peer, connection } = await setUp(recorder(seen, () => {}));
    peer.shakeHands();
    await world.runFor(1000);
    connection[end]();
    peer.raw(ORDER);
    await world.run(() => peer.closed);
    assert.deepEqual(seen, []);
  });

  Deno.test(`what was written before ${end} is sent, and nothing after it`, async () => {
    const { world, peer, connection } = await setUp(nothing);
    connection.notify(p.FlushLog, {});
    connection[end]();
    connection.notify(p.FlushLog, {});
    connection.notifyAs(7, p.FlushLog, {});
    connection[end]();
    await world.run(() => peer.closed);
    assert.deepEqual(peer.names, ["FlushLog#0"]);
  });
}

Deno.test("an order that is obeyed on a closed connection is answered to nobody", async () => {
  const setup = await setUp((incoming) => {
    setup.connection.close();
    incoming.answer(p.ErrorPacket, { code: 0, message: new Uint8Array(0) });
    incoming.answer(p.ErrorPacket, Promise.resolve({ code: 0, message: new Uint8Array(0) }));
    return true;
  });
  setup.peer.shakeHands().raw(ORDER);
  await setup.world.run(() => setup.peer.closed);
  assert.deepEqual(setup.peer.names, []);
});

Deno.test("what had come before the peer's end is handled, on an open connection", async () => {
  const seen: string[] = [];
  const order: string[] = [];
  const setup = await setUp(({ type }) => {
    seen.push(type.name);
    order.push(setup.connection.closed ? "closed" : "open");
    return true;
  });
  setup.connection.onClose(() => order.push("over"));
  setup.peer.shakeHands().raw(REQUEST, ORDER, NOTIFICATION);
  setup.peer.socket.end();
  await setup.world.run(() => setup.connection.closed);
  assert.deepEqual(seen, ["AskLastTransaction", "SetClusterState", "FlushLog"]);
  assert.deepEqual(order, ["open", "open", "open", "over"]);
});

Deno.test("an answer that comes after the peer's end is lost in silence", async () => {
  const waits = Promise.withResolvers<p.AnswerLastTransaction>();
  const { world, peer, connection, log } = await setUp((incoming) => {
    incoming.answer(p.AnswerLastTransaction, waits.promise);
    return true;
  });
  peer.shakeHands().raw(REQUEST);
  peer.socket.end();
  await world.run(() => connection.closed);
  waits.resolve({ tid: null });
  await world.runFor(1000);
  assert.deepEqual(log(), []);
});

Deno.test("a packet that can't be read ends the connection, and orders behind it are obeyed", () => {
  const seen: string[] = [];
  const { sink, connection, log } = onSink();
  connection.start((incoming) => {
    if (incoming.type === p.AskPack) incoming.read(p.AskPack);
    seen.push(incoming.type.name);
    return true;
  });
  const broken = concat(header(0, codecOf(p.AskPack).code, 3), new Uint8Array(3));
  sink.events?.data(concat(neo_1_11.handshake, NOTIFICATION, broken, REQUEST, ORDER, broken));
  assert.equal(connection.closed, true);
  assert.equal(sink.ended, "destroy");
  assert.deepEqual(seen, ["FlushLog", "SetClusterState"]);
  assert.equal(log().length, 1);
  assert.match(log().join(), /it sent AskPack\.tid: expected 8 bytes, found 3$/);
});

Deno.test("an unknown code ends the connection, after the packets before it were handled", async () => {
  const seen: string[] = [];
  const { world, peer, log } = await setUp(recorder(seen, () => {}));
  peer.shakeHands().raw(concat(NOTIFICATION, ORDER, header(9, 0x7777, 0), ORDER));
  await world.run(() => peer.closed);
  assert.deepEqual(seen, ["FlushLog", "SetClusterState"]);
  assert.deepEqual(peer.names, []);
  assert.match(log().join(), /it sent a packet of the unknown code 0x7777$/);
});

Deno.test("codes that no answer has are unknown, also with the answer bit", async () => {
  // AbortTransaction has no answer.
  const { world, peer, log } = await setUp(nothing);
  peer.shakeHands().raw(header(9, 0x801d, 0));
  await world.run(() => peer.closed);
  assert.match(log().join(), /unknown code 0x801d/);
});

/** The ways in which a connection can end while a request waits. */
const ENDS: [string, (connection: Connection, raw: (...bytes: Uint8Array[]) => void) => void][] = [
  ["this node closes", (connection) => connection.close()],
  ["this node aborts", (connection) => connection.abort()],
  ["the peer breaks the protocol", (_, raw) => raw(header(9, 0x7777, 0))],
];

for (const [name, end] of ENDS) {
  Deno.test(`requests that wait when ${name} are told so`, async () => {
    const { world, peer, connection } = await setUp(nothing);
    peer.shakeHands();
    let closes = 0;
    connection.onClose(() => closes++);
    const asked = connection.ask(p.AskPack, { tid: tid(1n) });
    end(connection, (...bytes) => peer.raw(...bytes));
    await world.run(assert.rejects(asked, {
      name: "ConnectionClosedError",
      message: /^the connection to \? \(10\.0\.0\.2:\d+\) ended before AskPack was answered$/,
    }));
    await world.run(() => peer.closed);
    assert.equal(closes, 1);
    connection.close();
    connection.abort();
    assert.equal(closes, 1);
    // Who comes later is told at once.
    connection.onClose(() => closes++);
    assert.equal(closes, 2);
    await assert.rejects(connection.ask(p.AskPack, { tid: tid(1n) }), {
      name: "ConnectionClosedError",
    });
    await connection.drained();
  });
}

for (const end of ["end", "destroy"] as const) {
  Deno.test(`requests that wait when the peer's side ends by ${end} are told so`, async () => {
    const { world, peer, connection } = await setUp(nothing);
    peer.shakeHands();
    const asked = connection.ask(p.AskPack, { tid: tid(1n) });
    await world.run(() => peer.received.length === 1);
    peer.socket[end]();
    await world.run(assert.rejects(asked, { name: "ConnectionClosedError" }));
  });
}

Deno.test("an answer that had come before the peer's end is an answer", async () => {
  const { world, peer, connection } = await setUp(nothing);
  const asked = connection.ask(p.AskPack, { tid: tid(1n) });
  peer.shakeHands().send(0, p.AnswerPack, { status: true });
  peer.socket.end();
  assert.deepEqual(await world.run(asked), { status: true });
});

Deno.test("answers that come behind a local close change nothing", async () => {
  const setup = await setUp(() => {
    setup.connection.close();
    return true;
  });
  const asked = setup.connection.ask(p.AskPack, { tid: tid(1n) });
  const answer = encode(p.AnswerPack, 0, { status: true });
  setup.peer.shakeHands().raw(concat(NOTIFICATION, answer, answer));
  await setup.world.run(assert.rejects(asked, { name: "ConnectionClosedError" }));
  await setup.world.run(() => setup.peer.closed);
  assert.deepEqual(setup.peer.names, ["AskPack#0"]);
  assert.deepEqual(setup.log(), []);
});

Deno.test("the error that explains an abort reaches the peer that goes on sending", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { world, peer } = await setUp(nothing, seed);
    peer.shakeHands();
    for (let id = 0; id < 50; id++) peer.raw(encode(p.FlushLog, id, {}), new Uint8Array(0));
    await world.run(() => peer.closed);
    assert.deepEqual(peer.names, ["Error#0"]);
    assert.equal(decodeText(peer.only(p.ErrorPacket).message), "unexpected packet: FlushLog");
  }
});

Deno.test("what the node can't do about an end is its own matter, and others hear of the end", async () => {
  const { world, peer, connection, fatal } = await setUp(nothing);
  const full = new DatabaseError("the disk is full");
  const told: string[] = [];
  connection.onClose(() => {
    throw full;
  });
  connection.onClose(() => told.push("second"));
  const asked = connection.ask(p.AskLastTransaction, {});
  peer.shakeHands().socket.destroy();
  await world.run(assert.rejects(asked, ConnectionClosedError));
  assert.deepEqual([fatal, told], [[full], ["second"]]);
});
