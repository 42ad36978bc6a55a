/** Connections over real TCP on loopback, with peers that are only sockets. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { oid, tid } from "../../nodes/codec/ids.ts";
import type { Receiver } from "../../nodes/codec/packet.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Listener } from "../../nodes/host/host.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { concat, encode, header } from "../support/codec.ts";
import { nothing } from "./raw_peer.ts";

/** A listening node, and its connections by the order in which they came. */
class Node implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly host = createClientHost({
    log: { log: (level, _module, message) => void this.lines.push(`${level} ${message}`) },
  });
  readonly #waiting: PromiseWithResolvers<Connection>[] = [];
  readonly #connections: Connection[] = [];
  readonly #peers: Deno.TcpConn[] = [];
  readonly #receiver: Receiver<p.Codecs>;
  #listener: Listener | null = null;

  private constructor(receiver: Receiver<p.Codecs>) {
    this.#receiver = receiver;
  }

  static async start(receiver: Receiver<p.Codecs>): Promise<Node> {
    const node = new Node(receiver);
    node.#listener = await node.host.network(null).listen({ host: "127.0.0.1", port: 0 }, {
      accepted: (socket) => {
        const connection = new Connection(socket, {
          host: node.host,
          dialect: neo_1_11,
          label: "?",
          fatal: (error) => assert.fail(String(error)),
        });
        connection.start(node.#receiver);
        node.#connections.push(connection);
        node.#waiting.shift()?.resolve(connection);
      },
      refused: () => assert.fail("refused"),
    });
    return node;
  }

  /** Connects a peer; returns both ends. */
  async connect(): Promise<{ peer: Deno.TcpConn; connection: Connection }> {
    assert.ok(this.#listener);
    const { host, port } = this.#listener.address;
    const accepted = Promise.withResolvers<Connection>();
    this.#waiting.push(accepted);
    const peer = await Deno.connect({ hostname: host, port });
    this.#peers.push(peer);
    return { peer, connection: await accepted.promise };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.close();
    for (const peer of this.#peers) {
      try {
        peer.close();
      } catch {
        // The test closed it.
      }
    }
    await Promise.all(this.#connections.map(closed));
  }
}

/** Resolves when a connection is over. */
function closed(connection: Connection): Promise<void> {
  return new Promise((resolve) => connection.onClose(resolve));
}

async function send(peer: Deno.TcpConn, ...pieces: Uint8Array[]): Promise<void> {
  const writer = peer.writable.getWriter();
  await writer.write(concat(...pieces));
  writer.releaseLock();
}

/** Reads so many bytes. */
async function read(peer: Deno.TcpConn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count;) {
    const got = await peer.read(bytes.subarray(filled));
    assert.ok(got !== null, `the stream ended after ${filled} bytes`);
    filled += got;
  }
  return bytes;
}

/** Reads until the end, or a reset, which is one too. */
async function readToEnd(peer: Deno.TcpConn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const piece = new Uint8Array(65536);
  try {
    for (let got = await peer.read(piece); got !== null; got = await peer.read(piece)) {
      pieces.push(piece.slice(0, got));
    }
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionReset, String(error));
  }
  return concat(...pieces);
}

const PONG_BYTES = 10;

Deno.test("packets are answered over TCP, whatever the pieces", async () => {
  await using node = await Node.start(nothing);
  const { peer, connection } = await node.connect();
  peer.setNoDelay(true);
  const stream = concat(neo_1_11.handshake, encode(p.Ping, 1, {}), encode(p.Ping, 2, {}));
  for (const byte of stream) await send(peer, new Uint8Array([byte]));
  const found = await read(peer, 4 + 2 * PONG_BYTES);
  assert.deepEqual(
    found,
    concat(neo_1_11.handshake, encode(p.Pong, 1, {}), encode(p.Pong, 2, {})),
  );
  peer.close();
  await closed(connection);
});

Deno.test("a TLS client is dropped over TCP, and the log says why", async () => {
  await using node = await Node.start(nothing);
  const { peer, connection } = await node.connect();
  await send(peer, new Uint8Array([0x16, 3, 1, 0, 200]), new Uint8Array(200));
  await closed(connection);
  await readToEnd(peer);
  assert.match(
    node.lines.join(),
    /closing the connection to \? \(127\.0\.0\.1:\d+\): it speaks TLS, and this node was started/,
  );
});

Deno.test("an unexpected packet is answered over TCP before the connection ends", async () => {
  await using node = await Node.start(nothing);
  const { peer, connection } = await node.connect();
  const more = Array.from({ length: 1000 }, (_, id) => encode(p.Ping, id, {}));
  await send(peer, neo_1_11.handshake, encode(p.NotifyReady, 9, {}), ...more);
  await closed(connection);
  const found = await readToEnd(peer);
  const error = encode(p.ErrorPacket, 9, {
    code: p.ErrorCode.PROTOCOL_ERROR,
    message: new TextEncoder().encode("unexpected packet: NotifyReady"),
  });
  assert.deepEqual(found, concat(neo_1_11.handshake, error));
});

Deno.test("what had come before the peer's end is handled over TCP", async () => {
  const seen: string[] = [];
  await using node = await Node.start(({ type }) => seen.push(type.name) > 0);
  const { peer, connection } = await node.connect();
  await send(
    peer,
    neo_1_11.handshake,
    encode(p.FlushLog, 0, {}),
    encode(p.AskLastTransaction, 1, {}),
  );
  peer.close();
  await closed(connection);
  assert.deepEqual(seen, ["FlushLog", "AskLastTransaction"]);
});

Deno.test("half a packet harms no other connection", async () => {
  await using node = await Node.start(nothing);
  const half = await node.connect();
  await send(half.peer, neo_1_11.handshake, header(0, 1, 1000), new Uint8Array(500));
  const whole = await node.connect();
  await send(whole.peer, neo_1_11.handshake, encode(p.Ping, 1, {}));
  await read(whole.peer, 4 + PONG_BYTES);
  assert.equal(half.connection.closed, false);
  half.peer.close();
  await closed(half.connection);
});

/** Bytes that are a stream of good requests for much data. */
function manyRequests(count: number): Uint8Array {
  const request = encode(p.AskObject, 0, { oid: oid(1n), at: null, before: null });
  const all = new Uint8Array(count * request.length);
  for (let at = 0; at < all.length; at += request.length) all.set(request, at);
  return all;
}

const ANSWER: p.AnswerObject = {
  oid: oid(1n),
  serial: tid(1n),
  nextSerial: null,
  compression: false,
  checksum: new Uint8Array(20),
  data: new Uint8Array(100_000),
  dataSerial: null,
};

Deno.test("a peer that does not read is not read from over TCP, nor kept when it is gone", async () => {
  let served = 0;
  const congested = Promise.withResolvers<void>();
  await using node = await Node.start((incoming) => {
    served++;
    incoming.answer(p.AnswerObject, ANSWER);
    return true;
  });
  const { peer, connection } = await node.connect();
  const REQUESTS = 100_000;
  const sending = send(peer, neo_1_11.handshake, manyRequests(REQUESTS)).catch(() => {});
  const watch = setInterval(() => {
    if (connection.congested) congested.resolve();
  }, 5);
  await congested.promise;
  clearInterval(watch);
  // Of 10 GB that were asked for, no more was read for than fits into some buffers.
  const { rss } = Deno.memoryUsage();
  assert.ok(served < REQUESTS / 2, `${served} requests were served`);
  assert.ok(rss < 1 << 30, `${rss} bytes are used`);
  peer.close();
  await closed(connection);
  await sending;
});

Deno.test("a peer that reads slowly gets everything over TCP", async () => {
  await using node = await Node.start((incoming) => {
    incoming.answer(p.AnswerObject, ANSWER);
    return true;
  });
  const { peer, connection } = await node.connect();
  const REQUESTS = 500;
  const answerBytes = encode(p.AnswerObject, 0, ANSWER).length;
  const sending = send(peer, neo_1_11.handshake, manyRequests(REQUESTS));
  await read(peer, 4 + REQUESTS * answerBytes);
  await sending;
  peer.close();
  await closed(connection);
});
