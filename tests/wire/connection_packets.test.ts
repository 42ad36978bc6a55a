/** What a connection does with packets: to whom they go, and how they are answered. */

import assert from "node:assert/strict";
import * as f from "../../gen/flows.ts";
import * as p from "../../gen/packets.ts";
import { nid, oid, tid } from "../../nodes/codec/ids.ts";
import { LaterAnswer, type Receiver } from "../../nodes/codec/packet.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import { ack, PeerError, Refusal } from "../../nodes/wire/refusal.ts";
import { decodeText, encodeText } from "../../nodes/wire/text.ts";
import { concat, encode } from "../support/codec.ts";
import { nothing, setUp } from "./raw_peer.ts";

/** Handlers of ctl's packets, of which a test gives those that it needs. */
function handlers(some: Partial<f.ControlToAdmin>): Receiver<p.Codecs> {
  const unexpected = () => {
    throw new Refusal("PROTOCOL_ERROR", "the test has no such handler");
  };
  return f.controlToAdmin({
    askPrimary: unexpected,
    askRecovery: unexpected,
    askLastIDs: unexpected,
    askPartitionList: unexpected,
    askNodeList: unexpected,
    setNodeState: unexpected,
    addPendingNodes: unexpected,
    tweakPartitionTable: unexpected,
    setClusterState: unexpected,
    repair: unexpected,
    askClusterState: unexpected,
    checkReplicas: unexpected,
    askLastTransaction: unexpected,
    truncate: unexpected,
    flushLog: unexpected,
    ...some,
  });
}

const text = (error: p.ErrorPacket) => decodeText(error.message);

Deno.test("Ping is answered in any state", async () => {
  const { world, peer, connection } = await setUp(nothing);
  peer.shakeHands().send(3, p.Ping, {});
  await world.run(() => peer.received.length === 1);
  connection.setReceiver(handlers({}));
  peer.send(4, p.Ping, {}).send(4, p.Ping, {});
  await world.run(() => peer.received.length === 3);
  assert.deepEqual(peer.names, ["Pong#3", "Pong#4", "Pong#4"]);
  assert.equal(connection.closed, false);
  assert.equal(connection.received, true);
});

Deno.test("an unexpected packet is answered by an error, and the connection is aborted", async () => {
  // A request, and a notification.
  for (
    const [type, bytes] of [
      [p.AskPack, encode(p.AskPack, 9, { tid: tid(1n) })],
      [p.NotifyReady, encode(p.NotifyReady, 9, {})],
    ] as const
  ) {
    const { world, peer, connection, log } = await setUp(nothing);
    peer.shakeHands().raw(bytes).send(10, p.Ping, {});
    await world.run(() => peer.closed);
    const error = peer.only(p.ErrorPacket);
    assert.deepEqual(peer.names, ["Error#9"]);
    assert.equal(error.code, p.ErrorCode.PROTOCOL_ERROR);
    assert.equal(text(error), `unexpected packet: ${type.name}`);
    assert.equal(connection.closed, true);
    assert.match(log().join(), new RegExp(`WARNING .* refused ${type.name} of \\? .*: unexpected`));
  }
});

Deno.test("an answer that nobody waits for is told so, and the connection is aborted", async () => {
  const { world, peer } = await setUp(nothing);
  peer.shakeHands().send(5, p.AnswerPack, { status: true }).send(6, p.Ping, {});
  await world.run(() => peer.closed);
  assert.deepEqual(peer.names, ["Error#5"]);
  assert.equal(text(peer.only(p.ErrorPacket)), "Unexpected answer: AnswerPack");
});

Deno.test("an answer of another type than was asked for is as unexpected", async () => {
  const { world, peer, connection } = await setUp(nothing);
  const asked = connection.ask(p.AskLastTransaction, {});
  peer.shakeHands().send(0, p.AnswerPack, { status: true });
  await world.run(assert.rejects(asked, { name: "ConnectionClosedError" }));
  await world.run(() => peer.closed);
  assert.equal(text(peer.only(p.ErrorPacket)), "Unexpected answer: AnswerPack");
});

Deno.test("an error that answers nothing is only logged", async () => {
  const { world, peer, connection, log } = await setUp(nothing);
  peer.shakeHands()
    .send(77, p.ErrorPacket, { code: p.ErrorCode.PROTOCOL_ERROR, message: encodeText("why?") })
    .send(78, p.ErrorPacket, { code: 1234, message: encodeText("what?") })
    .send(1, p.Ping, {});
  await world.run(() => peer.received.length === 1);
  assert.deepEqual(peer.names, ["Pong#1"]);
  assert.equal(connection.closed, false);
  assert.match(log().join("\n"), /says PROTOCOL_ERROR: why\?\n.*says 1234: what\?/);
});

Deno.test("answers go to their requests in any order", async () => {
  const { world, peer, connection } = await setUp(nothing);
  const first = connection.ask(p.AskLastTransaction, {});
  connection.notify(p.FlushLog, {});
  const second = connection.ask(p.AskPack, { tid: tid(1n) });
  peer.shakeHands();
  await world.run(() => peer.received.length === 3);
  assert.deepEqual(peer.names, ["AskLastTransaction#0", "FlushLog#1", "AskPack#2"]);
  peer.send(2, p.AnswerPack, { status: true }).send(0, p.AnswerLastTransaction, { tid: tid(7n) });
  assert.deepEqual(await world.run(second), { status: true });
  assert.deepEqual(await world.run(first), { tid: tid(7n) });
});

Deno.test("the same number may be in flight in both directions", async () => {
  const { world, peer, connection } = await setUp(handlers({
    askClusterState: () => ({ state: "RUNNING" }),
  }));
  const asked = connection.ask(p.AskLastTransaction, {});
  peer.shakeHands().send(0, p.AskClusterState, {});
  peer.send(0, p.AnswerLastTransaction, { tid: tid(7n) });
  assert.deepEqual(await world.run(asked), { tid: tid(7n) });
  await world.run(() => peer.received.length === 2);
  assert.deepEqual(peer.only(p.AnswerClusterState), { id: 0, state: "RUNNING" });
});

Deno.test("a refused request rejects with the peer's code and words", async () => {
  const { world, peer, connection } = await setUp(nothing);
  peer.shakeHands();
  const refusals: [number, string, string, string][] = [
    [p.ErrorCode.OID_NOT_FOUND, "gone", "OID_NOT_FOUND", "gone"],
    [p.ErrorCode.ACK, "fine", "ACK", "fine"],
    [99, "odd", "PROTOCOL_ERROR", "unknown error code 99: odd"],
  ];
  for (const [id, [code, words, name, message]] of refusals.entries()) {
    const asked = connection.ask(p.AskObject, { oid: oid(1n), at: null, before: null });
    peer.send(id, p.ErrorPacket, { code, message: encodeText(words) });
    await world.run(assert.rejects(asked, (error) => {
      assert.ok(error instanceof PeerError);
      assert.equal(error.code, name);
      assert.equal(error.message, message);
      return true;
    }));
  }
  assert.equal(connection.closed, false);
});

Deno.test("a request that only errors answer resolves with success, and rejects otherwise", async () => {
  const { world, peer, connection } = await setUp(nothing);
  peer.shakeHands();
  const done = connection.ask(p.SetClusterState, { state: "RUNNING" });
  const refused = connection.ask(p.SetClusterState, { state: "RUNNING" });
  peer.send(0, p.ErrorPacket, ack("done"));
  peer.send(1, p.ErrorPacket, new Refusal("PROTOCOL_ERROR", "no").toPacket());
  assert.equal((await world.run(done))?.code, 0);
  await world.run(assert.rejects(refused, { name: "PeerError", message: "no" }));
});

Deno.test("packets are handled in the order in which they come", async () => {
  const order: string[] = [];
  const { world, peer } = await setUp(handlers({
    setClusterState: async ({ state }) => {
      order.push(state);
      await Promise.resolve();
      order.push(`after ${state}`);
      return ack("");
    },
    flushLog: () => void order.push("flush"),
  }));
  peer.shakeHands().raw(concat(
    encode(p.SetClusterState, 0, { state: "RUNNING" }),
    encode(p.FlushLog, 1, {}),
    encode(p.SetClusterState, 2, { state: "STOPPING" }),
  ));
  await world.run(() => peer.received.length === 2);
  const starts = order.filter((entry) => !entry.startsWith("after"));
  assert.deepEqual(starts, ["RUNNING", "flush", "STOPPING"]);
});

Deno.test("a receiver that a handler sets gets the very next packet", async () => {
  const seen: string[] = [];
  const setup = await setUp(handlers({
    flushLog: () => {
      seen.push("first");
      setup.connection.setReceiver(handlers({ flushLog: () => void seen.push("second") }));
    },
  }));
  const both = concat(encode(p.FlushLog, 0, {}), encode(p.FlushLog, 1, {}));
  setup.peer.shakeHands().raw(both).send(2, p.Ping, {});
  await setup.world.run(() => setup.peer.received.length === 1);
  assert.deepEqual(seen, ["first", "second"]);
});

Deno.test("inOrder sees the answer before packets that came later are handled", async () => {
  for (let seed = 0; seed < 5; seed++) {
    const seen: string[] = [];
    const { world, peer, connection } = await setUp(
      handlers({ flushLog: () => void seen.push("later") }),
      seed,
    );
    const asked = connection.ask(p.AskLastTransaction, {}, () => seen.push("in order"));
    peer.shakeHands().raw(concat(
      encode(p.AnswerLastTransaction, 0, { tid: null }),
      encode(p.FlushLog, 0, {}),
    ));
    await world.run(asked);
    await world.run(() => seen.length === 2);
    assert.deepEqual(seen, ["in order", "later"]);
  }
});

Deno.test("an answer that inOrder refuses rejects the request and ends the connection", async () => {
  const { world, peer, connection } = await setUp(nothing);
  const asked = connection.ask(p.AskLastTransaction, {}, () => {
    throw new Refusal("PROTOCOL_ERROR", "not from you");
  });
  peer.shakeHands().send(0, p.AnswerLastTransaction, { tid: null });
  await world.run(assert.rejects(asked, { message: "not from you" }));
  await world.run(() => peer.closed);
  assert.equal(text(peer.only(p.ErrorPacket)), "not from you");
});

Deno.test("an answer may come later, and others before it", async () => {
  const waits = Promise.withResolvers<p.AnswerClusterState>();
  const { world, peer } = await setUp(handlers({
    askClusterState: () => waits.promise,
    askLastTransaction: () => ({ tid: tid(1n) }),
  }));
  peer.shakeHands().send(7, p.AskClusterState, {}).send(8, p.AskLastTransaction, {});
  await world.run(() => peer.received.length === 1);
  await world.runFor(1_000_000);
  assert.deepEqual(peer.names, ["AnswerLastTransaction#8"]);
  waits.resolve({ state: "RUNNING" });
  await world.run(() => peer.received.length === 2);
  assert.deepEqual(peer.only(p.AnswerClusterState), { id: 7, state: "RUNNING" });
});

Deno.test("a LaterAnswer keeps its place among the packets of its moment", async () => {
  const later = new LaterAnswer<p.AnswerClusterState>();
  const refused = new LaterAnswer<p.AnswerClusterState>();
  const answers = [later, refused];
  const { world, peer, connection } = await setUp(handlers({
    askClusterState: () => answers.shift() ?? { state: "STOPPING" },
  }));
  peer.shakeHands().send(7, p.AskClusterState, {}).send(8, p.AskClusterState, {});
  await world.runFor(1000);
  connection.notify(p.FlushLog, {});
  later.give({ state: "RUNNING" });
  connection.notify(p.FlushLog, {});
  refused.refuse(new Refusal("READ_ONLY_ACCESS", "no"));
  later.give({ state: "STOPPING" });
  await world.run(() => peer.received.length === 4);
  assert.deepEqual(peer.names, ["FlushLog#0", "AnswerClusterState#7", "FlushLog#1", "Error#8"]);
});

Deno.test("a LaterAnswer that is given before the handler returns is an answer", async () => {
  const { world, peer } = await setUp(handlers({
    askClusterState: () => {
      const answer = new LaterAnswer<p.AnswerClusterState>();
      answer.give({ state: "RUNNING" });
      return answer;
    },
  }));
  peer.shakeHands().send(7, p.AskClusterState, {});
  await world.run(() => peer.received.length === 1);
  assert.deepEqual(peer.names, ["AnswerClusterState#7"]);
});

Deno.test("a refusal answers, and ends the connection only when it is a fatal one", async () => {
  let refusal = new Refusal("READ_ONLY_ACCESS", "read only");
  const { world, peer, connection, log } = await setUp(handlers({
    askClusterState: () => {
      throw refusal;
    },
    askLastTransaction: () => Promise.reject(refusal),
  }));
  peer.shakeHands().send(7, p.AskClusterState, {}).send(8, p.AskLastTransaction, {});
  await world.run(() => peer.received.length === 2);
  assert.deepEqual(peer.names, ["Error#7", "Error#8"]);
  assert.equal(connection.closed, false);
  refusal = new Refusal("NOT_READY", "later");
  peer.send(9, p.AskLastTransaction, {});
  await world.run(() => peer.closed);
  assert.deepEqual(peer.names, ["Error#7", "Error#8", "Error#9"]);
  // Who comes too early comes again and again, which is nothing to be warned of.
  const [line = "", ...more] = log();
  assert.match(line, /^INFO .* refused AskLastTransaction of .*: later$/);
  assert.deepEqual(more, []);
});

Deno.test("a notification that is refused is answered as well", async () => {
  const { world, peer } = await setUp(handlers({
    flushLog: () => {
      throw new Refusal("PROTOCOL_ERROR", "not now");
    },
  }));
  peer.shakeHands().send(7, p.FlushLog, {});
  await world.run(() => peer.closed);
  assert.deepEqual(peer.names, ["Error#7"]);
});

Deno.test("what the node can't do is its own matter, and is not answered", async () => {
  const { world, peer, fatal } = await setUp(handlers({
    askClusterState: () => Promise.reject(new DatabaseError("the disk is full")),
  }));
  peer.shakeHands().send(7, p.AskClusterState, {});
  await world.run(() => fatal.length === 1);
  assert.deepEqual(peer.names, []);
});

Deno.test("a defect in a handler costs the connection, and is logged with its place", async () => {
  for (
    const fail of [
      () => {
        throw new TypeError("oops");
      },
      () => Promise.reject(new TypeError("oops")),
    ]
  ) {
    const { world, peer, fatal, log } = await setUp(handlers({ askClusterState: fail }));
    peer.shakeHands().send(7, p.AskClusterState, {});
    await world.run(() => peer.closed);
    assert.deepEqual(fatal, []);
    const [first = "", ...more] = log().slice(0, 2);
    assert.match(first, /^ERROR connection: while handling AskClusterState: TypeError: oops/);
    assert.match(more.join(), /sent AskClusterState, which could not be handled/);
  }
});

Deno.test("a notification can go under the number of a request that is served", async () => {
  const { world, peer, connection } = await setUp(nothing);
  connection.notifyAs(40, p.NotifyReplicationDone, { offset: 1, tid: tid(1n) });
  connection.notify(p.NotifyPartitionCorrupted, { partition: 1, nids: [nid(1)] });
  await world.run(() => peer.received.length === 2);
  assert.deepEqual(peer.names, ["NotifyReplicationDone#40", "NotifyPartitionCorrupted#0"]);
});
