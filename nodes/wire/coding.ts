/** Packets and their bytes, as one dialect has them. */

import type { Codecs } from "../../gen/packets.ts";
import type { Codec, Dialect, PacketType } from "../codec/packet.ts";
import { Reader } from "../codec/reader.ts";
import { MalformedPacketError } from "../errors.ts";
import type { Frame } from "./framing.ts";

/** A dialect's codec of a packet type. Throws when the dialect has no such packet. */
export function codecOf<T>(type: PacketType<T, Codecs>, dialect: Dialect<Codecs>): Codec<T> {
  const codec = type.codec(dialect.codecs);
  if (codec !== null) return codec;
  throw new MalformedPacketError(type.name, "(code)", `${dialect.name} has no such packet`);
}

/** Reads a packet's body. Throws a MalformedPacketError that names the packet and the field. */
export function decodeFrame<T>(
  type: PacketType<T, Codecs>,
  { bytes, start, end }: Frame,
  dialect: Dialect<Codecs>,
): T {
  return codecOf(type, dialect).decode(new Reader(type.name, bytes, start, end));
}
