/**
 * One connection to a peer: opens it with the protocol's first bytes, cuts the stream into
 * packets, takes each to its handler in the order of arrival, and matches answers to requests. What
 * handlers make of requests is sent by replies.ts.
 *
 * What a peer does wrong costs this connection and nothing else. What the node itself can't do
 * (its disk fails) is handed to `fatal`. Packets that are written in one turn leave in one write,
 * and a peer that came and does not read is not read from.
 */

import { type Codecs, ErrorPacket, Ping, Pong } from "../../gen/packets.ts";
import type { Dialect, Incoming, PacketType, Receiver, RequestType } from "../codec/packet.ts";
import { ConnectionClosedError } from "../errors.ts";
import type { ClientHost, LogLevel, Socket, Timer } from "../host/host.ts";
import { decodeFrame } from "./coding.ts";
import type { Frame } from "./framing.ts";
import { Inbox } from "./inbox.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { errorName, type PeerError, peerError, Refusal } from "./refusal.ts";
import { Replies } from "./replies.ts";
import { Requests } from "./requests.ts";
import { addressText, decodeText } from "./text.ts";

export interface ConnectionOptions {
  readonly host: ClientHost;
  readonly dialect: Dialect<Codecs>;
  /** Says in logs who the peer is, until it is known better. */
  readonly label: string;
  /** Whether this node opened the connection; then it reads on while the peer does not. */
  readonly dialed?: boolean;
  /** Told once of an error that is this node's own; the node must stop. */
  fatal(error: unknown): void;
}

export class Connection {
  /** Who the peer is, for logs: `S1 (127.0.0.1:10000)`. */
  label: string;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #requests: Requests;
  readonly #replies: Replies;
  readonly #closeListeners: (() => void)[] = [];
  #receiver: Receiver<Codecs> = () => false;
  #strayErrorListener: ((error: PeerError) => void) | null = null;
  #received = false;
  // Whether a packet other than Ping was accepted from the peer.
  #accepted = false;
  readonly #handshakeTimer: Timer;
  #state: "open" | "closed" | "aborted" = "open";
  readonly #gone = Promise.withResolvers<void>();

  constructor(socket: Socket, options: ConnectionOptions) {
    const { dialect, host, host: { log }, label } = options;
    this.#socket = socket;
    this.#options = options;
    this.label = `${label} (${addressText(socket.remote)})`;
    this.#requests = new Requests(dialect);
    this.#inbox = new Inbox({
      dialect,
      opened: () => this.#handshakeTimer.cancel(),
      isStranger: () => !this.#accepted && this.#requests.empty,
    });
    this.#outbox = new Outbox(socket, {
      dialect,
      pausesReading: options.dialed !== true,
      overflow: (reason) => this.#fault(reason),
      written: log.packet === undefined ? null : (frame) => log.packet?.(">", this.label, frame),
    });
    this.#replies = new Replies(this, {
      outbox: this.#outbox,
      log: (level, message) => this.#log(level, message),
      fault: (reason, state) => this.#fault(reason, state),
      fatal: (error) => options.fatal(error),
    });
    this.#handshakeTimer = host.setTimer(HANDSHAKE_TIMEOUT_MS, () => {
      this.#fault("sent nothing that opens a connection in time");
    });
  }

  /** Starts to read. Every packet but answers goes to `receiver`. */
  start(receiver: Receiver<Codecs>): void {
    this.#receiver = receiver;
    this.#socket.start({
      data: (chunk) => this.#data(chunk),
      drained: () => this.#outbox.socketDrained(),
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

  /**
   * Resolves when the socket is gone too: whatever was written before the connection's end was
   * sent, or can't be any more. A process that waits for this may exit.
   */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Calls back once, when the connection is over; at once when it already is. */
  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.#closeListeners.push(listener);
  }

  /** Calls back with errors that answer no request, instead of logging them. */
  onStrayError(listener: (error: PeerError) => void): void {
    this.#strayErrorListener = listener;
  }

  /**
   * Sends a request. Resolves with its answer; rejects with a PeerError when it was refused and
   * with a ConnectionClosedError when the connection ended first. `inOrder` is called with the
   * answer before any packet that arrived later is handled, which a promise can't promise. `sent`
   * is told the request's id at once: notifications that belong to it have the same.
   */
  ask<T, A>(
    type: RequestType<T, A, Codecs>,
    packet: T,
    inOrder?: (answer: A) => void,
    sent?: (id: number) => void,
  ): Promise<A> {
    if (this.closed) return Promise.reject(this.#closedError(type.name));
    try {
      const id = this.#send(type, packet);
      sent?.(id);
      return this.#requests.wait(id, type, inOrder);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends a notification, or a request whose answer does not exist in this direction. */
  notify<T>(type: PacketType<T, Codecs>, packet: T): void {
    if (!this.closed) this.#send(type, packet);
  }

  /** Sends a notification under the id of a request that is being served. */
  notifyAs<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    if (!this.closed) this.#outbox.write(id, type, packet);
  }

  /** Whether the peer reads more slowly than this node writes: then see {@link drained}. */
  get congested(): boolean {
    return this.#outbox.congested;
  }

  /** Resolves once the peer has taken what was written, or the connection is over. */
  drained(): Promise<void> {
    return this.#outbox.drained();
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
    this.#outbox.flush();
    // The flush may have found that the peer takes nothing.
    if (this.closed) return;
    this.#state = state;
    this.#socket.end();
    this.#finish();
  }

  #ended(cause: Error | null): void {
    if (cause !== null) this.#log("DEBUG", `${this.label}: ${cause.message}`);
    this.#gone.resolve();
    if (this.closed) return;
    this.#state = "closed";
    this.#finish();
  }

  /** Tells everyone who waits for this connection that it is over. */
  #finish(): void {
    this.#handshakeTimer.cancel();
    this.#outbox.close();
    this.#requests.rejectAll((request) => this.#closedError(request));
    for (const listener of this.#closeListeners.splice(0)) this.#tellEnd(listener);
  }

  /** Whatever one can't do about the end is the node's own affair, and the others are told. */
  #tellEnd(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.fatal(error);
    }
  }

  #closedError(request: string): ConnectionClosedError {
    return new ConnectionClosedError(
      `the connection to ${this.label} ended before ${request} was answered`,
    );
  }

  #log(level: LogLevel, message: string): void {
    this.#options.host.log.log(level, "connection", message);
  }

  /** The peer broke the protocol: says so in the log, and ends the connection at once. */
  #fault(reason: string, state: "closed" | "aborted" = "aborted"): void {
    if (this.closed) return;
    this.#log("WARNING", `closing the connection to ${this.label}: it ${reason}`);
    this.#state = state;
    this.#socket.destroy();
    this.#finish();
  }

  #data(chunk: Uint8Array): void {
    if (this.closed) return;
    this.#outbox.hold();
    this.#inbox.push(chunk);
    this.#packets();
    this.#outbox.release();
  }

  #packets(): void {
    for (;;) {
      const frame = this.#inbox.next();
      if (frame === null) break;
      this.#received = true;
      this.#options.host.log.packet?.("<", this.label, frame);
      this.#dispatch(frame);
      if (this.#state === "aborted") return;
    }
    if (this.#inbox.error !== null) this.#fault(this.#inbox.error);
  }

  #dispatch(frame: Frame): void {
    const type = this.#options.dialect.typeOf(frame.code);
    if (type === undefined) return;
    // Whoever waited for an answer was told that none will come.
    if (this.closed && (type.kind === "answer" || !type.processedWhenClosed)) return;
    try {
      if (type.kind === "answer") this.#answered(type, frame);
      else if (type === Ping) this.#replies.answer(frame.id, Pong, {});
      else if (!this.#receiver(this.#incoming(type, frame))) {
        throw new Refusal("PROTOCOL_ERROR", `unexpected packet: ${type.name}`);
      } else this.#accepted = true;
    } catch (error) {
      this.#replies.failed({ id: frame.id, type }, error);
    }
  }

  #incoming(type: PacketType<unknown, Codecs>, frame: Frame): Incoming<Codecs> {
    return {
      id: frame.id,
      type,
      read: (as) => decodeFrame(as, frame, this.#options.dialect),
      answer: (as, reply) => this.#replies.reply({ id: frame.id, type }, as, reply),
    };
  }

  #answered(type: PacketType<unknown, Codecs>, frame: Frame): void {
    if (this.#requests.answered(type, frame)) {
      this.#accepted = true;
      return;
    }
    if (type !== ErrorPacket) {
      throw new Refusal("PROTOCOL_ERROR", `Unexpected answer: ${type.name}`);
    }
    // Real nodes tell of refused notifications in this way.
    const error = decodeFrame(ErrorPacket, frame, this.#options.dialect);
    if (this.#strayErrorListener !== null) return this.#strayErrorListener(peerError(error));
    const name = errorName(error.code) ?? error.code;
    this.#log("WARNING", `${this.label} says ${name}: ${decodeText(error.message)}`);
  }

  #send<T>(type: PacketType<T, Codecs>, packet: T): number {
    const id = this.#requests.nextId();
    this.#outbox.write(id, type, packet);
    return id;
  }
}
