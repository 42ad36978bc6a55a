/**
 * One connection to a peer: opens it with the protocol's first bytes, cuts the stream into
 * packets, takes each to its handler in the order of arrival, and matches answers to requests.
 *
 * What a peer does wrong costs this connection and nothing else. What the node itself can't do
 * (its disk fails) is handed to `fatal`. Packets that are written in one turn leave in one write,
 * and a peer that does not read is not read from.
 */

import { type Codecs, ErrorPacket, Ping, Pong } from "../../gen/packets.ts";
import type {
  Dialect,
  Incoming,
  PacketType,
  Receiver,
  Reply,
  RequestType,
} from "../codec/packet.ts";
import { Reader } from "../codec/reader.ts";
import { Writer } from "../codec/writer.ts";
import { ConnectionClosedError, DatabaseError, MalformedPacketError, NeoError } from "../errors.ts";
import type { ClientHost, Socket, Timer } from "../host/host.ts";
import { type Frame, Framer } from "./framing.ts";
import { HANDSHAKE_TIMEOUT_MS, MAX_UNANSWERED_REQUESTS } from "./limits.ts";
import { errorName, peerError, Refusal } from "./refusal.ts";
import { decodeText } from "./text.ts";

export interface ConnectionOptions {
  readonly host: ClientHost;
  readonly dialect: Dialect<Codecs>;
  /** Says in logs who the peer is, until it is known better. */
  readonly label: string;
  /** Told once of an error that is this node's own; the node must stop. */
  fatal(error: unknown): void;
}

interface Pending {
  readonly type: PacketType<unknown, Codecs>;
  settle(frame: Frame): void;
  reject(error: Error): void;
}

/** How many requests of one connection can be numbered before the numbers start again. */
const ID_RANGE = 2 ** 32;

export class Connection {
  /** Who the peer is, for logs: `S1 (127.0.0.1:10000)`. */
  label: string;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #framer: Framer;
  readonly #writer = new Writer();
  readonly #pending = new Map<number, Pending>();
  readonly #closeListeners: (() => void)[] = [];
  readonly #drainListeners: (() => void)[] = [];
  #receiver: Receiver<Codecs> = () => false;
  #nextId = 0;
  #unanswered = 0;
  #received = false;
  #handshakeTimer: Timer | null;
  #state: "open" | "closed" | "aborted" = "open";
  #dispatching = false;
  #flushScheduled = false;
  #congested = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    const { dialect, host, label } = options;
    this.#socket = socket;
    this.#options = options;
    this.label = `${label} (${addressText(socket)})`;
    this.#framer = new Framer((code, bodyBytes) => this.#checkHeader(code, bodyBytes));
    this.#handshakeTimer = host.setTimer(HANDSHAKE_TIMEOUT_MS, () => {
      this.#fault("sent nothing that opens a connection in time");
    });
    this.#writer.raw(dialect.handshake);
    this.#scheduleFlush();
  }

  /** Starts to read. Every packet but answers goes to `receiver`. */
  start(receiver: Receiver<Codecs>): void {
    this.#receiver = receiver;
    this.#socket.start({
      data: (chunk) => this.#data(chunk),
      drained: () => this.#drained(),
      closed: (cause) => this.#ended(cause),
    });
  }

  /** From the next packet on, packets go to `receiver`: the peer or this node changed its role. */
  setReceiver(receiver: Receiver<Codecs>): void {
    this.#receiver = receiver;
  }

  get closed(): boolean {
    return this.#state !== "open";
  }

  /** Whether anything but the opening bytes has ever come from the peer. */
  get received(): boolean {
    return this.#received;
  }

  /** The address of the peer's end. */
  get remote(): Socket["remote"] {
    return this.#socket.remote;
  }

  /** Calls back once, when the connection is over; at once when it already is. */
  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.#closeListeners.push(listener);
  }

  /**
   * Sends a request. Resolves with its answer; rejects with a PeerError when it was refused and
   * with a ConnectionClosedError when the connection ended first. `inOrder` is called with the
   * answer before any packet that arrived later is handled, which a promise can't promise.
   */
  ask<T, A>(
    type: RequestType<T, A, Codecs>,
    packet: T,
    inOrder?: (answer: A) => void,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(this.#closedError(type.name));
      const id = this.#send(type, packet);
      this.#pending.set(id, {
        type,
        reject,
        settle: (frame) => {
          const answer = this.#decode(type.answer, frame);
          inOrder?.(answer);
          resolve(answer);
        },
      });
    });
  }

  /** Sends a notification, or a request whose answer does not exist in this direction. */
  notify<T>(type: PacketType<T, Codecs>, packet: T): void {
    if (!this.closed) this.#send(type, packet);
  }

  /** Sends a notification under the id of a request that is being served. */
  notifyAs<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    if (!this.closed) this.#write(id, type, packet);
  }

  /** Whether the peer reads more slowly than this node writes: then see {@link drained}. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Resolves once the peer has taken what was written, or the connection is over. */
  drained(): Promise<void> {
    if (this.closed || !this.#congested) return Promise.resolve();
    return new Promise((resolve) => this.#drainListeners.push(resolve));
  }

  /** Closes after what was written is sent; what arrived and was not handled is ignored. */
  abort(): void {
    this.#end("aborted");
  }

  /** Closes; of what arrived, only orders that must be obeyed in any case are still handled. */
  close(): void {
    this.#end("closed");
  }

  #end(state: "closed" | "aborted"): void {
    if (this.closed) return;
    this.#flush();
    this.#state = state;
    this.#socket.end();
    this.#finish();
  }

  #ended(cause: Error | null): void {
    if (cause !== null) this.#log("DEBUG", `${this.label}: ${cause.message}`);
    if (this.closed) return;
    this.#state = "closed";
    this.#finish();
  }

  /** Tells everyone who waits for this connection that it is over. */
  #finish(): void {
    this.#handshakeTimer?.cancel();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { type, reject } of pending) reject(this.#closedError(type.name));
    for (const listener of this.#drainListeners.splice(0)) listener();
    for (const listener of this.#closeListeners.splice(0)) listener();
  }

  #closedError(request: string): ConnectionClosedError {
    return new ConnectionClosedError(
      `the connection to ${this.label} ended before ${request} was answered`,
    );
  }

  #log(level: "DEBUG" | "WARNING" | "ERROR", message: string): void {
    this.#options.host.log.log(level, "connection", message);
  }

  /** The peer broke the protocol: says so in the log, and ends the connection at once. */
  #fault(reason: string): void {
    this.#log("WARNING", `closing the connection to ${this.label}: it ${reason}`);
    if (this.closed) return;
    this.#state = "aborted";
    this.#socket.destroy();
    this.#finish();
  }

  #checkHeader(code: number, bodyBytes: number): string | null {
    const { maxBodyBytes } = this.#options.dialect;
    if (this.#options.dialect.typeOf(code) === undefined) {
      return `sent a packet of the unknown code 0x${code.toString(16).padStart(4, "0")}`;
    }
    if (bodyBytes <= maxBodyBytes) return null;
    return `announced a packet of ${bodyBytes} bytes, where at most ${maxBodyBytes} are allowed`;
  }

  #data(chunk: Uint8Array): void {
    if (this.#state === "aborted") return;
    this.#dispatching = true;
    this.#framer.push(chunk);
    if (this.#handshakeTimer === null || this.#shakeHands()) this.#packets();
    this.#dispatching = false;
    this.#flush();
  }

  #shakeHands(): boolean {
    const { handshake } = this.#options.dialect;
    const found = this.#framer.takeRaw(handshake.length);
    if (found === null) return false;
    this.#handshakeTimer?.cancel();
    this.#handshakeTimer = null;
    if (found.every((byte, at) => byte === handshake[at])) return true;
    this.#fault(
      found[0] === 0x16
        ? "speaks TLS, and this node was started without (--ca, --cert, --key)"
        : `opened with ${[...found].join(" ")} instead of ${[...handshake].join(" ")}: ` +
          "another protocol or another version of it",
    );
    return false;
  }

  #packets(): void {
    for (;;) {
      const frame = this.#framer.next();
      if (frame === null) break;
      this.#received = true;
      this.#dispatch(frame);
      if (this.#state === "aborted") return;
    }
    const { error } = this.#framer;
    if (error !== null) this.#fault(error);
  }

  #dispatch(frame: Frame): void {
    const type = this.#options.dialect.typeOf(frame.code);
    if (type === undefined) return;
    if (this.closed && !type.processedWhenClosed) return;
    try {
      if (type.kind === "answer") this.#answered(type, frame);
      else if (type === Ping) this.#answer(frame.id, Pong, {});
      else if (!this.#receiver(this.#incoming(type, frame))) {
        throw new Refusal("PROTOCOL_ERROR", `unexpected packet: ${type.name}`);
      }
    } catch (error) {
      this.#failed(frame.id, type, error);
    }
  }

  #incoming(type: PacketType<unknown, Codecs>, frame: Frame): Incoming<Codecs> {
    return {
      id: frame.id,
      type,
      read: (as) => this.#decode(as, frame),
      answer: (as, reply) => this.#reply(frame.id, type, as, reply),
    };
  }

  #decode<T>(type: PacketType<T, Codecs>, { bytes, start, end }: Frame): T {
    const reader = new Reader(type.name, bytes, start, end);
    return type.codec(this.#options.dialect.codecs).decode(reader);
  }

  #answered(type: PacketType<unknown, Codecs>, frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    if (type === ErrorPacket) {
      const error = this.#decode(ErrorPacket, frame);
      // Real nodes tell of refused notifications in this way.
      if (pending === undefined) {
        return this.#log(
          "WARNING",
          `${this.label} says ${errorName(error.code) ?? error.code}: ${decodeText(error.message)}`,
        );
      }
      this.#pending.delete(frame.id);
      if (error.code === 0 && pending.type.answer === ErrorPacket) pending.settle(frame);
      else pending.reject(peerError(error));
      return;
    }
    if (pending === undefined || pending.type.answer !== type) {
      throw new Refusal("PROTOCOL_ERROR", `Unexpected answer: ${type.name}`);
    }
    this.#pending.delete(frame.id);
    try {
      pending.settle(frame);
    } catch (error) {
      pending.reject(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #reply<T>(
    id: number,
    request: PacketType<unknown, Codecs>,
    type: PacketType<T, Codecs>,
    reply: Reply<T>,
  ): void {
    if (!(reply instanceof Promise)) return this.#answer(id, type, reply);
    if (++this.#unanswered > MAX_UNANSWERED_REQUESTS) {
      this.#fault(`has more than ${MAX_UNANSWERED_REQUESTS} requests waiting for an answer`);
    }
    reply.then(
      (packet) => {
        this.#unanswered--;
        this.#answer(id, type, packet);
      },
      (error) => {
        this.#unanswered--;
        this.#failed(id, request, error);
      },
    );
  }

  /** A handler threw: the peer is told or dropped, or the node has to stop. */
  #failed(id: number, type: PacketType<unknown, Codecs>, error: unknown): void {
    if (error instanceof Refusal) {
      this.#answer(id, ErrorPacket, error.toPacket());
      if (!error.fatal) return;
      this.#log("WARNING", `refused ${type.name} of ${this.label}: ${error.message}`);
      return this.abort();
    }
    if (error instanceof DatabaseError) return this.#options.fatal(error);
    if (error instanceof MalformedPacketError) return this.#fault(`sent ${error.message}`);
    if (error instanceof NeoError) return this.#fault(`sent ${type.name}: ${error.message}`);
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#log("ERROR", `while handling ${type.name}: ${text}`);
    this.#fault(`sent ${type.name}, which could not be handled`);
  }

  #answer<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    if (!this.closed) this.#write(id, type, packet);
  }

  #send<T>(type: PacketType<T, Codecs>, packet: T): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) % ID_RANGE;
    this.#write(id, type, packet);
    return id;
  }

  #write<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    const { codecs, maxBodyBytes } = this.#options.dialect;
    const codec = type.codec(codecs);
    const before = this.#writer.length;
    const mark = this.#writer.beginPacket(id, codec.code);
    codec.encode(this.#writer, packet);
    const bodyBytes = this.#writer.endPacket(mark);
    if (bodyBytes > maxBodyBytes) {
      this.#writer.truncate(before);
      throw new MalformedPacketError(
        type.name,
        "(body)",
        `expected at most ${maxBodyBytes} bytes, found ${bodyBytes}`,
      );
    }
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#dispatching || this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.closed || this.#writer.length === 0) return;
    if (this.#socket.write(this.#writer.take()) || this.#congested) return;
    // A peer that does not take its answers gets no more requests served.
    this.#congested = true;
    this.#socket.pause();
  }

  #drained(): void {
    this.#congested = false;
    this.#socket.resume();
    for (const listener of this.#drainListeners.splice(0)) listener();
  }
}

function addressText({ remote: { host, port } }: Socket): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
