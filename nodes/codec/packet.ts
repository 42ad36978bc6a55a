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
  codec(codecs: Codecs): Codec<T>;
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

/** What a handler returns: the answer, or a promise of it where others have to be awaited. */
export type Reply<T> = T | Promise<T>;

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
