/**
 * Scripted peers of a master: they identify themselves as any kind of node, say exactly what a test
 * wants them to, and keep what the master sends until the test takes it, packet by packet and in
 * order.
 */
import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { type Nid, nid, type Tid, tid } from "../../nodes/codec/ids.ts";
import type { Incoming, PacketType, RequestType } from "../../nodes/codec/packet.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import type { RunningNode } from "../../nodes/cluster/node.ts";
import type { Address, NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { type MasterOptions, startMaster } from "../../nodes/master/node.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { PeerError } from "../../nodes/wire/refusal.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { Log } from "../support/log.ts";
import { Waiters } from "../support/waiters.ts";

export const CLUSTER = "test";

/** How many questions a master asks a storage one after another before it knows what it has. */
const RECOVERY_QUESTIONS = 2;

export const S1 = nodeId("STORAGE", 1);
export const S2 = nodeId("STORAGE", 2);
export const S3 = nodeId("STORAGE", 3);

/** A tid of the far past, for tests that only compare. */
export function tidOf(number: number): Tid {
  return tid(BigInt(number));
}

/** An address at which nobody listens, one for each number. */
export function addressOf(number: number): Address {
  return { host: "127.0.0.1", port: number };
}

/** One end of a connection to the master, with all that the master said and nobody took. */
export class Peer {
  readonly connection: Connection;
  readonly #received: Incoming<p.Codecs>[] = [];
  readonly #automatic = new Map<string, (incoming: Incoming<p.Codecs>) => void>();
  readonly #waiters = new Waiters();
  #nid: Nid | null = null;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.start((incoming) => {
      const automatic = this.#automatic.get(incoming.type.name);
      if (automatic !== undefined) automatic(incoming);
      else this.#received.push(incoming);
      this.#waiters.changed();
      return true;
    });
    connection.onClose(() => this.#waiters.changed());
  }

  /** The id that the master gave. */
  get nid(): Nid {
    assert.notEqual(this.#nid, null, "the peer was not identified");
    return this.#nid ?? nid(0);
  }

  /** Asks to be identified, and takes the first list of nodes, which it returns. */
  async identify(
    type: p.NodeType | null,
    claim: Partial<p.RequestIdentification> = {},
  ): Promise<{ accept: p.AcceptIdentification; nodes: readonly p.NodeInformation[] }> {
    const accept = await this.connection.ask(p.RequestIdentification, {
      nodeType: type,
      nid: null,
      address: null,
      cluster: encodeText(CLUSTER),
      devpath: [],
      idTimestamp: null,
      ...claim,
    }, () => assert.deepEqual(this.kept(), [], "the answer comes first"));
    this.#nid = accept.yourNid;
    const { nodes } = await this.take(p.NotifyNodeInformation);
    return { accept, nodes };
  }

  ask<T, A>(type: RequestType<T, A, p.Codecs>, packet: T): Promise<A> {
    return this.connection.ask(type, packet);
  }

  notify<T>(type: PacketType<T, p.Codecs>, packet: T): void {
    this.connection.notify(type, packet);
  }

  /** From now on, these requests are answered at once and never seen by the test. */
  answer<T, A>(type: RequestType<T, A, p.Codecs>, answer: (packet: T) => A): this {
    this.#automatic.set(type.name, (incoming) => {
      incoming.answer(type.answer, answer(incoming.read(type)));
    });
    return this;
  }

  /** From now on, these notifications are given to `seen` at once, and not kept. */
  watch<T>(type: PacketType<T, p.Codecs>, seen: (packet: T) => void): this {
    this.#automatic.set(type.name, (incoming) => seen(incoming.read(type)));
    return this;
  }

  /** From now on, these requests are for the test to see again. */
  answerNoMore({ name }: { readonly name: string }): this {
    this.#automatic.delete(name);
    return this;
  }

  async #next(): Promise<Incoming<p.Codecs>> {
    for (;;) {
      const incoming = this.#received.shift();
      if (incoming !== undefined) return incoming;
      assert.ok(!this.connection.closed, "the master closed the connection");
      await this.#waiters.change();
    }
  }

  /** The next packet, which must be of this type. */
  async take<T>(type: PacketType<T, p.Codecs>): Promise<T> {
    const incoming = await this.#next();
    assert.equal(incoming.type.name, type.name);
    return incoming.read(type);
  }

  /** The next packet, which must be this request, and the means to answer it. */
  async takeRequest<T, A>(
    type: RequestType<T, A, p.Codecs>,
  ): Promise<{ packet: T; answer(packet: A): void; refuse(error: p.ErrorPacket): void }> {
    const incoming = await this.#next();
    assert.equal(incoming.type.name, type.name);
    return {
      packet: incoming.read(type),
      answer: (packet) => incoming.answer(type.answer, packet),
      refuse: (error) => incoming.answer(p.ErrorPacket, error),
    };
  }

  /** The name of the next packet, which stays the next one. */
  async peek(): Promise<string> {
    const incoming = await this.#next();
    this.#received.unshift(incoming);
    return incoming.type.name;
  }

  /** Drops the next packet. */
  async skip(): Promise<void> {
    await this.#next();
  }

  /** Drops packets up to this request, which it takes. */
  async skipToRequest<T, A>(
    type: RequestType<T, A, p.Codecs>,
  ): Promise<{ packet: T; answer(packet: A): void }> {
    while (await this.peek() !== type.name) await this.skip();
    return await this.takeRequest(type);
  }

  /** Drops packets up to one of this type, which it returns. */
  async skipTo<T>(type: PacketType<T, p.Codecs>): Promise<T> {
    for (;;) {
      const incoming = await this.#next();
      if (incoming.type.name === type.name) return incoming.read(type);
    }
  }

  /** All that the master has sent by now and that was not taken. */
  async rest(): Promise<string[]> {
    await this.ask(p.Ping, {});
    return this.kept();
  }

  /** All that has come and was not taken. */
  kept(): string[] {
    return this.#received.splice(0).map(({ type }) => type.name);
  }

  /** Drops all that the master has sent by now. */
  async drain(): Promise<this> {
    await this.rest();
    return this;
  }

  /** Resolves when the master has closed the connection. */
  closed(): Promise<void> {
    return new Promise((resolve) => this.connection.onClose(resolve));
  }

  close(): void {
    this.connection.close();
  }
}

/** A master that plays its part in a cluster of scripted peers. */
export class TestCluster {
  readonly host: NodeHost;
  readonly master: RunningNode;
  readonly log: Log;
  readonly #peers: Peer[] = [];

  private constructor(host: NodeHost, master: RunningNode, log: Log) {
    this.host = host;
    this.master = master;
    this.log = log;
  }

  static async start(options: Partial<MasterOptions> = {}): Promise<TestCluster> {
    const log = new Log();
    const host = createNodeHost({ log });
    const master = await startMaster(host, {
      cluster: CLUSTER,
      masters: [],
      bind: { host: "127.0.0.1", port: 0 },
      tls: null,
      dynamicMasterList: null,
      nid: null,
      partitions: 4,
      replicas: 1,
      autostart: null,
      upstream: null,
      ...options,
    });
    // Of two masters the one that began first wins: the next one begins later.
    const began = host.now();
    while (host.now() === began) await new Promise((resolve) => setTimeout(resolve, 1));
    return new TestCluster(host, master, log);
  }

  /** A connection to the master that has said nothing yet. */
  async connect(): Promise<Peer> {
    const socket = await this.host.network(null).connect(this.master.address);
    const peer = new Peer(
      new Connection(socket, {
        host: this.host,
        dialect: neo_1_11,
        label: "M",
        fatal: (error) => this.log.log("CRITICAL", "peer", String(error)),
      }),
    );
    this.#peers.push(peer);
    return peer;
  }

  /** A peer that was identified as a node of a type; the first list of nodes is taken. */
  async node(type: p.NodeType, claim: Partial<p.RequestIdentification> = {}): Promise<Peer> {
    const peer = await this.connect();
    await peer.identify(type, claim);
    return peer;
  }

  /**
   * A storage that answers what recovery and verification ask, except what `open` names, as a node
   * that has this table and these last ids. It has answered the former, and is at the address of
   * its number.
   */
  async storage(
    number: number,
    have: Partial<StorageState> = {},
    { peer, open = [] }: {
      readonly peer?: Peer;
      readonly open?: readonly { readonly name: string }[];
    } = {},
  ): Promise<Peer> {
    const storage = peer ?? await this.connect();
    answerAsStorage(storage, have);
    for (const type of open) storage.answerNoMore(type);
    await storage.identify("STORAGE", {
      address: addressOf(number),
      nid: have.nid === undefined ? nodeId("STORAGE", number) : have.nid,
    });
    for (let i = 0; i < RECOVERY_QUESTIONS; i++) await storage.ask(p.Ping, {});
    return storage;
  }

  client(claim: Partial<p.RequestIdentification> = {}): Promise<Peer> {
    return this.node("CLIENT", claim);
  }

  admin(): Promise<Peer> {
    return this.node("ADMIN");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await this.master.stop();
    await Promise.all(this.#peers.map(({ connection }) => connection.gone));
  }
}

/** What a scripted storage has in its database. */
export interface StorageState {
  readonly nid: Nid | null;
  readonly ptid: number | null;
  readonly rows: readonly p.Row[];
  readonly backupTid: Tid | null;
  readonly truncateTid: Tid | null;
  readonly locked: ReadonlyMap<Tid, Tid | null>;
  readonly lastIds: p.AnswerLastIDs;
}

/** Lets a peer answer all that a master asks of a storage before operation. */
export function answerAsStorage(peer: Peer, have: Partial<StorageState>): void {
  const { ptid = null, rows = emptyRows(4), backupTid = null, truncateTid = null } = have;
  const { locked = new Map(), lastIds = { lastOid: null, lastTid: null } } = have;
  peer.answer(p.AskRecovery, () => ({ ptid, backupTid, truncateTid }))
    .answer(p.AskPartitionTable, () => ({ ptid, rows }))
    .answer(p.AskLockedTransactions, () => ({ ttids: locked }))
    .answer(p.AskLastIDs, () => lastIds);
}

export function emptyRows(partitions: number): p.Row[] {
  return Array.from({ length: partitions }, (_, offset) => ({ offset, cells: [] }));
}

/** Rows of which each has these cells: `{ [S1]: "UP_TO_DATE" }`. */
export function sameRows(partitions: number, cells: readonly p.Cell[]): p.Row[] {
  return Array.from({ length: partitions }, (_, offset) => ({ offset, cells }));
}

export interface RunningCluster {
  readonly cluster: TestCluster;
  readonly admin: Peer;
  readonly storages: readonly Peer[];
}

/** A new database on so many ready storages, in operation; all packets so far are taken. */
export async function runningCluster(
  storages: number,
  options: Partial<MasterOptions> = {},
): Promise<RunningCluster & AsyncDisposable> {
  const cluster = await TestCluster.start({ autostart: storages, ...options });
  const admin = await cluster.admin();
  const peers: Peer[] = [];
  for (let number = 1; number <= storages; number++) {
    peers.push(
      await cluster.storage(number, { nid: null, rows: emptyRows(options.partitions ?? 4) }),
    );
  }
  for (const peer of peers) {
    await peer.skipTo(p.StartOperation);
    peer.notify(p.NotifyReady, {});
  }
  for (const peer of [admin, ...peers]) await peer.drain();
  return {
    cluster,
    admin,
    storages: peers,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** Asserts that a request is refused with a code and a text. */
export async function refused(
  request: Promise<unknown>,
  code: PeerError["code"],
  message: string | RegExp,
): Promise<void> {
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof PeerError, String(error));
    assert.equal(error.code, code);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

/** The text of an acknowledged order. */
export function ackText(answer: p.ErrorPacket): string {
  assert.equal(answer.code, p.ErrorCode.ACK);
  return new TextDecoder().decode(answer.message);
}
