/** Arbitrary packets of every type, made from the schema's own model of them. */

import fc from "fast-check";
import { type Codecs, PACKET_TYPES } from "../../gen/packets.ts";
import { MAX_ID } from "../../nodes/codec/ids.ts";
import type { PacketType } from "../../nodes/codec/packet.ts";
import { readProtocol } from "../../tools/generator/schema.ts";
import type { FieldType, Packet } from "../../tools/generator/model.ts";

const schemaUrl = new URL("../../protocol.schema.json", import.meta.url);
const protocol = readProtocol(Deno.readTextFileSync(schemaUrl));

const I32_MIN = -(2 ** 31);
const I32_MAX = 2 ** 31 - 1;
const MAX_ITEMS = 5;

const id = fc.oneof(fc.bigInt({ min: 0n, max: MAX_ID }), fc.constantFrom(0n, 1n, MAX_ID));
// 0 is how an absent one is told.
const signed = fc.integer({ min: I32_MIN, max: I32_MAX }).filter((value) => value !== 0);

/** Arbitrary values by the names of the schema's scalars. */
export type Scalars = Readonly<Record<string, fc.Arbitrary<unknown>>>;

const SCALARS: Scalars = {
  u32: fc.nat(2 ** 32 - 1),
  index: fc.maxSafeNat(),
  bool: fc.boolean(),
  nid: signed,
  signed,
  ptid: fc.maxSafeNat().map((value) => value + 1).filter(Number.isSafeInteger),
  tid: id,
  oid: id,
  timestamp: fc.double({ noNaN: true, noDefaultInfinity: true }),
  checksum: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
  address: fc.record({
    host: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.nat(65535),
  }, { noNullPrototype: true }),
};

function arbitraryOf(type: FieldType, scalars: Scalars): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "scalar": {
      const scalar = scalars[type.name];
      if (scalar === undefined) throw new Error(`no arbitrary ${type.name}`);
      const isAbsentAlready = type.name === "signed";
      return type.nullable || isAbsentAlready ? fc.option(scalar) : scalar;
    }
    case "enumeration": {
      const [wire] = Object.values(protocol.enumerations.get(type.name)?.wire ?? {});
      const value = fc.constantFrom(...Object.keys(wire?.values ?? {}));
      return type.nullable ? fc.option(value) : value;
    }
    case "struct":
      return arbitraryRecord(protocol.structs.get(type.name)?.fields ?? [], scalars);
    case "list":
      return fc.array(arbitraryOf(type.item, scalars), { maxLength: MAX_ITEMS });
    case "dict": {
      const pair = fc.tuple(arbitraryOf(type.key, scalars), arbitraryOf(type.value, scalars));
      return fc.array(pair, { maxLength: MAX_ITEMS }).map((pairs) => new Map(pairs));
    }
    case "option":
      return fc.option(arbitraryOf(type.item, scalars));
  }
}

function arbitraryRecord(fields: Packet["fields"], scalars: Scalars): fc.Arbitrary<unknown> {
  const shape = Object.fromEntries(
    fields.map(({ name, type }) => [name, arbitraryOf(type, scalars)]),
  );
  return fc.record(shape, { noNullPrototype: true });
}

/** An arbitrary packet of one type. */
export interface ArbitraryPacket {
  readonly type: PacketType<unknown, Codecs>;
  readonly packet: fc.Arbitrary<unknown>;
}

function arbitraryPacket(packet: Packet, scalars: Scalars): ArbitraryPacket {
  const type = PACKET_TYPES[packet.index];
  if (type?.name !== packet.name) throw new Error(`${packet.name} is not at its place`);
  return { type, packet: arbitraryRecord(packet.fields, scalars) };
}

/** Each packet type beside arbitrary packets of it. */
export const ARBITRARY_PACKETS = protocol.packets.map((packet) => arbitraryPacket(packet, SCALARS));

/** What a flow allows, made of arbitrary values but for those that are given. */
export function arbitraryFlow(name: string, scalars: Scalars): ArbitraryPacket[] {
  const flow = protocol.flows.find((flow) => flow.name === name);
  if (flow === undefined) throw new Error(`no flow ${name}`);
  return flow.packets.map(({ packet }) => arbitraryPacket(packet, { ...SCALARS, ...scalars }));
}

/** An arbitrary packet of an arbitrary type. */
export const anyPacket = fc.oneof(
  ...ARBITRARY_PACKETS.map(({ type, packet }) =>
    fc.record({ type: fc.constant(type), id: fc.nat(2 ** 32 - 1), packet })
  ),
);
