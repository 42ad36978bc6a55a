/** Packets to bytes and back, for tests: header and body in one piece. */

import { neo_1_11 } from "../../gen/neo_1_11.ts";
import { neo_1_11_json } from "../../gen/neo_1_11_json.ts";
import { type Codecs, PACKET_TYPES } from "../../gen/packets.ts";
import { type Json, JsonArguments } from "../../nodes/codec/json_form.ts";
import type { Codec, PacketType } from "../../nodes/codec/packet.ts";
import { Reader } from "../../nodes/codec/reader.ts";
import { Writer } from "../../nodes/codec/writer.ts";
import { HEADER_BYTES } from "../../nodes/wire/limits.ts";

/** The packet type of a name. */
export function typeNamed(name: string): PacketType<unknown, Codecs> {
  const found = PACKET_TYPES.find((type) => type.name === name);
  if (found === undefined) throw new Error(`no packet type ${name}`);
  return found;
}

/** The codec of a packet type in the 1.11 dialect. */
export function codecOf<T>(type: PacketType<T, Codecs>): Codec<T> {
  const codec = type.codec(neo_1_11.codecs);
  if (codec === null) throw new Error(`no codec of ${type.name}`);
  return codec;
}

/** A whole packet as it is sent. */
export function encode<T>(type: PacketType<T, Codecs>, id: number, packet: T): Uint8Array {
  const codec = codecOf(type);
  const writer = new Writer();
  const mark = writer.beginPacket(id, codec.code);
  codec.encode(writer, packet);
  writer.endPacket(mark);
  return writer.take();
}

/** The packet of a whole packet's bytes. */
export function decode<T>(type: PacketType<T, Codecs>, bytes: Uint8Array): T {
  return codecOf(type).decode(new Reader(type.name, bytes, HEADER_BYTES));
}

/** A header alone, which announces a body of `bodyBytes`. */
export function header(id: number, code: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id);
  view.setUint16(4, code);
  view.setUint32(6, bodyBytes);
  return bytes;
}

/** The bytes of several pieces in a row. */
export function concat(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The arguments of a whole packet in JSON form. */
export function decodeJson(name: string, bytes: Uint8Array): Json[] {
  const reader = new Reader(name, bytes, HEADER_BYTES);
  const args = jsonForm(name).read(reader);
  reader.finish();
  return args;
}

/** A whole packet of arguments in JSON form. */
export function encodeJson(name: string, id: number, args: Json): Uint8Array {
  const form = jsonForm(name);
  const writer = new Writer();
  const mark = writer.beginPacket(id, codecOf(typeNamed(name)).code);
  form.write(writer, new JsonArguments(name, args, form.count));
  writer.endPacket(mark);
  return writer.take();
}

function jsonForm(name: string) {
  const form = neo_1_11_json[name];
  if (form === undefined) throw new Error(`no JSON form of ${name}`);
  return form;
}
