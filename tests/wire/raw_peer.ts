/**
 * A connection under test in a simulated world, and its peer, which is only a socket: it sends any
 * bytes, and keeps all that it gets.
 */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import type { Codecs } from "../../gen/packets.ts";
import type { PacketType, Receiver } from "../../nodes/codec/packet.ts";
import type { Socket } from "../../nodes/host/host.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { Framer } from "../../nodes/wire/framing.ts";
import { SimulatedWorld } from "../sim/world.ts";
import { decode, encode, header } from "../support/codec.ts";

/** A packet that the peer got. */
export interface Received {
  readonly id: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export class RawPeer {
  readonly received: Received[] = [];
  /** Bytes of each chunk that came. */
  readonly chunks: number[] = [];
  handshake: Uint8Array | null = null;
  closed = false;
  readonly #framer = new Framer(() => null);

  constructor(readonly socket: Socket) {
    socket.start({
      data: (chunk) => this.#data(chunk),
      drained: () => {},
      closed: () => this.closed = true,
    });
  }

  #data(chunk: Uint8Array): void {
    this.chunks.push(chunk.length);
    this.#framer.push(chunk);
    this.handshake ??= this.#framer.takeRaw(neo_1_11.handshake.length);
    if (this.handshake === null) return;
    for (let frame = this.#framer.next(); frame !== null; frame = this.#framer.next()) {
      const { id, code, bytes, start, end } = frame;
      const whole = new Uint8Array(10 + end - start);
      whole.set(header(id, code, end - start));
      whole.set(bytes.subarray(start, end), 10);
      this.received.push({ id, name: neo_1_11.typeOf(code)?.name ?? "?", bytes: whole });
    }
  }

  /** Sends bytes as they are. */
  raw(...bytes: (number | Uint8Array)[]): this {
    for (const piece of bytes) {
      this.socket.write(typeof piece === "number" ? new Uint8Array([piece]) : piece);
    }
    return this;
  }

  shakeHands(): this {
    return this.raw(neo_1_11.handshake);
  }

  send<T>(id: number, type: PacketType<T, Codecs>, packet: T): this {
    return this.raw(encode(type, id, packet));
  }

  /** The names and ids of what came: `Pong#3`. */
  get names(): string[] {
    return this.received.map(({ name, id }) => `${name}#${id}`);
  }

  /** The one packet of a type that came. */
  only<T>(type: PacketType<T, Codecs>): T & { readonly id: number } {
    const found = this.received.filter(({ name }) => name === type.name);
    assert.equal(found.length, 1, `${type.name} among ${this.names}`);
    const [only] = found;
    assert.ok(only);
    return { ...decode(type, only.bytes), id: only.id };
  }
}

/** A connection, its peer, and the world that they are in. */
export interface Setup {
  readonly world: SimulatedWorld;
  readonly connection: Connection;
  readonly peer: RawPeer;
  /** Errors that were handed to the node as its own. */
  readonly fatal: unknown[];
  /** What the node logged, without the times. */
  log(): string[];
}

/** Connects a peer to a node whose packets go to `receiver`. */
export async function setUp(receiver: Receiver<Codecs>, seed = 1): Promise<Setup> {
  const world = new SimulatedWorld(seed);
  const host = world.host("node");
  const peerHost = world.host("peer");
  const accepted = Promise.withResolvers<Socket>();
  const listener = await host.network(null).listen({ host: host.ip, port: 10 }, {
    accepted: (socket) => accepted.resolve(socket),
    refused: () => {},
  });
  const socket = await world.run(peerHost.network(null).connect(listener.address));
  assert.ok(socket);
  const fatal: unknown[] = [];
  const connection = new Connection(await accepted.promise, {
    host,
    dialect: neo_1_11,
    label: "?",
    fatal: (error) => fatal.push(error),
  });
  connection.start(receiver);
  const log = () =>
    world.eventLog.map((line) => / node ([^]*)$/.exec(line)?.[1] ?? "").filter((line) =>
      line !== ""
    );
  return { world, connection, peer: new RawPeer(socket), fatal, log };
}

/** A receiver that has no handler at all. */
export const nothing: Receiver<Codecs> = () => false;
