/**
 * What the generated code and the connections know of each other: packet types, which are the same
 * in all dialects, and the codecs by which one dialect writes and reads them.
 */

import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** How one dialect writes and reads one type of packet: its body, without the header. */
export interface Codec<T> {
  readonly code: number;
  encode(writer: Writer, packet: T): void;
  /** Throws a MalformedPacketError that names the packet and the field. */
  decode(reader: Reader): T;
}

/** A type of packet. `codecs` is the generated set of one dialect's codecs. */
export interface PacketType<T, Codecs> {
  readonly name: string;
  /** The packet's place in the schema: what dispatch switches on. */
  readonly index: number;
  readonly kind: "request" | "answer" | "notification";
  /** Whether it is obeyed even when its connection was closed before it was looked at. */
  readonly processedWhenClosed: boolean;
  /** Whether it may wait for other packets so as to fill a bigger segment. */
  readonly mayBeDelayed: boolean;
  /** The type that answers a request; null for what is not one. */
  readonly answer: PacketType<unknown, Codecs> | null;
  /** How a dialect writes and reads it; null for a dialect that does not have it. */
  codec(codecs: Codecs): Codec<T> | null;
}

/** A type of packet that is answered. */
export interface RequestType<T, A, Codecs> extends PacketType<T, Codecs> {
  readonly kind: "request";
  readonly answer: PacketType<A, Codecs>;
}

/** An encoding of the whole protocol, chosen by the first bytes of a connection. */
export interface Dialect<Codecs> {
  readonly name: string;
  /** The bytes that open each direction of a connection. */
  readonly handshake: Uint8Array;
  /** The bit that tells an answer's code from its request's. */
  readonly answerBit: number;
  readonly maxBodyBytes: number;
  readonly codecs: Codecs;
  /** The type of a code; undefined for a code that the dialect does not have. */
  typeOf(code: number): PacketType<unknown, Codecs> | undefined;
}

/**
 * An answer that is given later, and is sent in the moment in which it is given: it keeps its place
 * among the other packets of that moment, which a promise, whose readers run a little later, can't.
 */
export class LaterAnswer<T> {
  #settle: ((take: AnswerTaker<T>) => void) | null = null;
  #taker: AnswerTaker<T> | null = null;

  /** Gives the answer. Only the first call of this or {@link refuse} counts. */
  give(packet: T): void {
    this.#settled((taker) => taker.answered(packet));
  }

  /** Gives an error, as if the handler had thrown it. */
  refuse(error: unknown): void {
    this.#settled((taker) => taker.failed(error));
  }

  /** Says who takes the answer: called once, by the connection. */
  takenBy(taker: AnswerTaker<T>): void {
    this.#taker = taker;
    this.#settle?.(taker);
  }

  #settled(settle: (taker: AnswerTaker<T>) => void): void {
    if (this.#settle !== null) return;
    this.#settle = settle;
    if (this.#taker !== null) settle(this.#taker);
  }
}

/** Who sends an answer that comes later. */
export interface AnswerTaker<T> {
  answered(packet: T): void;
  failed(error: unknown): void;
}

/**
 * What a handler returns: the answer, or where others have to be awaited a promise of it, or a
 * {@link LaterAnswer} when its place among other packets matters.
 */
export type Reply<T> = T | Promise<T> | LaterAnswer<T>;

/** A packet that waits to be dispatched: read as one type, and answered by another. */
export interface Incoming<Codecs> {
  readonly id: number;
  readonly type: PacketType<unknown, Codecs>;
  read<T>(type: PacketType<T, Codecs>): T;
  answer<T>(type: PacketType<T, Codecs>, reply: Reply<T>): void;
}

/**
 * Takes a packet to the handler of its type. Returns false when this receiver has none, which
 * costs the sender its connection.
 */
export type Receiver<Codecs> = (incoming: Incoming<Codecs>) => boolean;
