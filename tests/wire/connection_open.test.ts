/** How connections open: the first bytes, and what is not the protocol. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { HANDSHAKE_TIMEOUT_MS, MAX_FIRST_BODY_BYTES } from "../../nodes/wire/limits.ts";
import { concat, header } from "../support/codec.ts";
import { nothing, setUp } from "./raw_peer.ts";

Deno.test("a connection sends its first bytes at once, also to a peer that says nothing", async () => {
  const { world, peer, connection } = await setUp(nothing);
  await world.runFor(1000);
  assert.deepEqual(peer.handshake, neo_1_11.handshake);
  assert.equal(connection.closed, false);
  assert.equal(connection.received, false);
});

const MISMATCHES: [string, Uint8Array, string][] = [
  [
    "TLS",
    new Uint8Array([0x16, 3, 1, 2, 0]),
    "speaks TLS, and this node was started without (--ca, --cert, --key)",
  ],
  [
    "another version",
    new Uint8Array([0, 0, 0, 4]),
    "opened with 0 0 0 4 instead of 0 0 0 5: another protocol or another version of it",
  ],
  [
    "HTTP",
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    "opened with 71 69 84 32 instead of 0 0 0 5: another protocol or another version of it",
  ],
  [
    "the later protocol",
    new Uint8Array([0x92, 0xa3, 0x4e, 0x45, 0x4f, 0x05]),
    "opened with 146 163 78 69 instead of 0 0 0 5: another protocol or another version of it",
  ],
];

for (const [name, bytes, reason] of MISMATCHES) {
  Deno.test(`a peer that opens with ${name} is dropped, and the log says why`, async () => {
    const { world, peer, connection, log } = await setUp(nothing);
    // What follows the first bytes must not be taken for packets.
    peer.raw(bytes, concat(header(0, 2, 0), header(1, 2, 0)));
    await world.run(() => peer.closed);
    assert.equal(connection.closed, true);
    assert.deepEqual(peer.names, []);
    const line = /^WARNING connection: closing the connection to \? \(10\.0\.0\.2:\d+\): it (.*)$/;
    assert.deepEqual(log().map((text) => line.exec(text)?.[1] ?? text), [reason]);
  });
}

Deno.test("the first bytes may come one by one, with a packet right behind", async () => {
  const { world, peer } = await setUp(nothing);
  for (const byte of neo_1_11.handshake) {
    peer.raw(byte);
    await world.runFor(100);
  }
  for (const byte of header(7, 2, 0)) peer.raw(byte);
  await world.run(() => peer.received.length === 1);
  assert.deepEqual(peer.names, ["Pong#7"]);
});

for (const sent of [0, 3]) {
  Deno.test(`a peer that sends ${sent} bytes and no more is dropped in time`, async () => {
    const { world, peer, connection, log } = await setUp(nothing);
    peer.raw(neo_1_11.handshake.slice(0, sent));
    await world.runFor(HANDSHAKE_TIMEOUT_MS - 100);
    assert.equal(connection.closed, false);
    await world.run(() => peer.closed);
    assert.ok(world.clock.nowMs < HANDSHAKE_TIMEOUT_MS + 1000);
    assert.match(log().join(), /sent nothing that opens a connection in time/);
  });
}

Deno.test("a peer that opened its connection may be silent as long as it likes", async () => {
  const { world, peer, connection } = await setUp(nothing);
  peer.shakeHands();
  await world.runFor(24 * 3_600_000);
  assert.equal(connection.closed, false);
  peer.send(7, p.Ping, {});
  await world.run(() => peer.received.length === 1);
});

Deno.test("half a packet and silence costs nothing but the connection's memory", async () => {
  const { world, peer, connection } = await setUp(nothing);
  peer.shakeHands().raw(header(0, 1, 1000), new Uint8Array(500));
  await world.runFor(3_000_000);
  assert.equal(connection.closed, false);
  peer.socket.destroy();
  await world.run(() => connection.closed);
});

Deno.test("a stranger may send a small packet only", async () => {
  let taken = 0;
  const take = () => ++taken > 0;
  const atLimit = await setUp(take);
  atLimit.peer.shakeHands().raw(header(0, 1, MAX_FIRST_BODY_BYTES));
  atLimit.peer.raw(new Uint8Array(MAX_FIRST_BODY_BYTES));
  await atLimit.world.run(() => taken === 1);
  // Whoever was accepted may send as much as the protocol allows.
  atLimit.peer.raw(header(1, 1, neo_1_11.maxBodyBytes));
  await atLimit.world.runFor(1000);
  assert.equal(atLimit.connection.closed, false);

  const beyond = await setUp(take);
  // Pings are answered to strangers, and prove nothing.
  beyond.peer.shakeHands().send(0, p.Ping, {}).raw(header(0, 1, MAX_FIRST_BODY_BYTES + 1));
  await beyond.world.run(() => beyond.peer.closed);
  assert.match(beyond.log().join(), /announced a packet of 65537 bytes, where at most 65536 are/);
  assert.equal(taken, 1);
});

Deno.test("a node that asked takes a first answer of any size", async () => {
  const { world, peer, connection } = await setUp(nothing);
  const answer = connection.ask(p.AskTIDs, { first: 0, last: 1, partition: 0 });
  peer.shakeHands().raw(header(0, 0x8021, 4 + 8 * 10_000));
  const body = new Uint8Array(4 + 8 * 10_000);
  new DataView(body.buffer).setUint32(0, 10_000);
  peer.raw(body);
  assert.equal((await world.run(answer))?.tids.length, 10_000);
});
