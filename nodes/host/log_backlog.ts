/**
 * The newest log records of a node, in memory, until something makes them worth being written out.
 * Each is written as bytes into large pieces of memory that are used over and over: a node that
 * records every packet makes no garbage, and keeps nothing of the buffers that packets came in.
 *
 * Records are dropped by the piece, the oldest first, when there is no room for a new one.
 */

import type { LogLevel, PacketFrame } from "./host.ts";

/** What the records of a node may count for: as many are kept as by NEO. */
export const MAX_BACKLOG_BYTES = 1 << 24;

/**
 * What a record counts for beside its body or text. It takes less memory here, but the time that it
 * takes to write a row is what keeps a node from its work when the log is written out.
 */
const RECORD_BYTES = 1160;

/** A larger body is not recorded: it would drop too much else. */
export const MAX_RECORDED_BODY_BYTES = 1 << 22;

const PIECE_BYTES = 1 << 20;

const LEVELS: readonly LogLevel[] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/** A message: kind, time, node, level, length of the module's name, length of the text. */
const MESSAGE_HEADER_BYTES = 1 + 8 + 2 + 1 + 1 + 4;
/** A packet: kind, time, node, direction, length of the peer's name, id, code, length of the body. */
const PACKET_HEADER_BYTES = 1 + 8 + 2 + 1 + 2 + 4 + 2 + 4;

const MESSAGE = 1;
const PACKET = 2;

/** The length that stands for a body that was not recorded. */
const NO_BODY = 0xffff_ffff;

/** Below this, copying byte by byte is faster than making a view to copy from. */
const SMALL_BODY_BYTES = 64;

/** Bytes that a character of a text takes at most. */
const MAX_CHARACTER_BYTES = 3;

/** Longer texts are cut: no message needs so much, and each must fit in a piece. */
const MAX_TEXT_LENGTH = 1 << 18;
const MAX_NAME_LENGTH = 255;

/** Whether a packet was received (`<`) or sent (`>`). */
export type Direction = "<" | ">";

/** Who takes the records. `date` is Unix time in seconds, `node` the number of the node's name. */
export interface RecordVisitor {
  message(record: {
    readonly date: number;
    readonly node: number;
    readonly level: LogLevel;
    readonly module: string;
    readonly text: string;
  }): void;
  packet(record: {
    readonly date: number;
    readonly node: number;
    readonly peer: string;
    readonly id: number;
    readonly code: number;
    /** A view that is only valid during the call; null when it was too large. */
    readonly body: Uint8Array | null;
  }): void;
}

class Piece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  used = 0;
  /** What its records count for. */
  counted = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

export class LogBacklog {
  readonly #maxBytes: number;
  /** The oldest first; records go to the last one. */
  readonly #pieces: Piece[] = [];
  #spare: Piece | null = null;
  /** What all records count for. */
  #counted = 0;
  readonly #encoder = new TextEncoder();

  constructor(maxBytes = MAX_BACKLOG_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Adds a message. */
  message(date: number, node: number, level: LogLevel, module: string, text: string): void {
    const cut = text.length > MAX_TEXT_LENGTH ? text.slice(0, MAX_TEXT_LENGTH) : text;
    const moduleLength = Math.min(module.length, MAX_NAME_LENGTH);
    const most = MESSAGE_HEADER_BYTES + moduleLength + cut.length * MAX_CHARACTER_BYTES;
    const piece = this.#room(most, RECORD_BYTES + cut.length);
    const { bytes, view, used: at } = piece;
    view.setUint8(at, MESSAGE);
    view.setFloat64(at + 1, date);
    view.setUint16(at + 9, node);
    view.setUint8(at + 11, LEVELS.indexOf(level));
    view.setUint8(at + 12, moduleLength);
    writeName(bytes, at + MESSAGE_HEADER_BYTES, module, moduleLength);
    const start = at + MESSAGE_HEADER_BYTES + moduleLength;
    const { written } = this.#encoder.encodeInto(cut, bytes.subarray(start));
    view.setUint32(at + 13, written);
    piece.used = start + written;
  }

  /** Adds a packet. */
  packet(
    date: number,
    node: number,
    direction: Direction,
    peer: string,
    { id, code, bytes: from, start, end }: PacketFrame,
  ): void {
    const isTooLarge = end - start > MAX_RECORDED_BODY_BYTES;
    const length = isTooLarge ? 0 : end - start;
    const peerLength = Math.min(peer.length, MAX_NAME_LENGTH);
    const piece = this.#room(PACKET_HEADER_BYTES + peerLength + length, RECORD_BYTES + length);
    const { bytes, view, used: at } = piece;
    view.setUint8(at, PACKET);
    view.setFloat64(at + 1, date);
    view.setUint16(at + 9, node);
    view.setUint8(at + 11, direction.charCodeAt(0));
    view.setUint16(at + 12, peerLength);
    view.setUint32(at + 14, id);
    view.setUint16(at + 18, code);
    view.setUint32(at + 20, isTooLarge ? NO_BODY : length);
    writeName(bytes, at + PACKET_HEADER_BYTES, peer, peerLength);
    const body = at + PACKET_HEADER_BYTES + peerLength;
    if (length > SMALL_BODY_BYTES) bytes.set(from.subarray(start, end), body);
    else for (let byte = 0; byte < length; byte++) bytes[body + byte] = from[start + byte] ?? 0;
    piece.used = body + length;
  }

  /** Shows all records, in the order in which they were added. */
  visit(visitor: RecordVisitor): void {
    for (const piece of this.#pieces) {
      for (let at = 0; at < piece.used;) {
        const isMessage = piece.view.getUint8(at) === MESSAGE;
        at = isMessage ? visitMessage(piece, at, visitor) : visitPacket(piece, at, visitor);
      }
    }
  }

  /** Forgets all records. */
  clear(): void {
    this.#spare = this.#pieces.find(({ bytes }) => bytes.length === PIECE_BYTES) ?? this.#spare;
    this.#pieces.length = 0;
    this.#counted = 0;
  }

  /** The last piece, with room for so many bytes of a record that counts for `counted`. */
  #room(bytes: number, counted: number): Piece {
    this.#counted += counted;
    while (this.#counted > this.#maxBytes && this.#pieces.length > 1) this.#dropOldest();
    const last = this.#pieces.at(-1);
    const hasRoom = last !== undefined && last.counted + counted <= PIECE_BYTES &&
      last.used + bytes <= last.bytes.length;
    const piece = hasRoom ? last : this.#addPiece(bytes);
    piece.counted += counted;
    return piece;
  }

  #addPiece(bytes: number): Piece {
    const piece = bytes <= PIECE_BYTES && this.#spare !== null
      ? this.#spare
      : new Piece(Math.max(bytes, PIECE_BYTES));
    if (piece === this.#spare) this.#spare = null;
    piece.used = 0;
    piece.counted = 0;
    this.#pieces.push(piece);
    return piece;
  }

  #dropOldest(): void {
    const oldest = this.#pieces.shift();
    if (oldest === undefined) return;
    this.#counted -= oldest.counted;
    if (oldest.bytes.length === PIECE_BYTES) this.#spare = oldest;
  }
}

function visitMessage({ bytes, view }: Piece, at: number, visitor: RecordVisitor): number {
  const moduleEnd = at + MESSAGE_HEADER_BYTES + view.getUint8(at + 12);
  const end = moduleEnd + view.getUint32(at + 13);
  visitor.message({
    date: view.getFloat64(at + 1),
    node: view.getUint16(at + 9),
    level: LEVELS[view.getUint8(at + 11)] ?? "CRITICAL",
    module: readName(bytes, at + MESSAGE_HEADER_BYTES, moduleEnd),
    text: new TextDecoder().decode(bytes.subarray(moduleEnd, end)),
  });
  return end;
}

function visitPacket({ bytes, view }: Piece, at: number, visitor: RecordVisitor): number {
  const peerEnd = at + PACKET_HEADER_BYTES + view.getUint16(at + 12);
  const length = view.getUint32(at + 20);
  const end = length === NO_BODY ? peerEnd : peerEnd + length;
  const direction = String.fromCharCode(view.getUint8(at + 11));
  visitor.packet({
    date: view.getFloat64(at + 1),
    node: view.getUint16(at + 9),
    peer: `${direction} ${readName(bytes, at + PACKET_HEADER_BYTES, peerEnd)}`,
    id: view.getUint32(at + 14),
    code: view.getUint16(at + 18),
    body: length === NO_BODY ? null : bytes.subarray(peerEnd, end),
  });
  return end;
}

/** Names are ids, addresses and modules: ASCII. */
function writeName(bytes: Uint8Array, at: number, name: string, length: number): void {
  for (let index = 0; index < length; index++) bytes[at + index] = name.charCodeAt(index);
}

function readName(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}
