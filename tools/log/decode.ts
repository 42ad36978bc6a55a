/**
 * Reads the body of a packet as a description of its protocol says. Neither is trusted: a count is
 * compared with the bytes that are left before anything is made of it, types may be nested only so
 * deep, and each value takes a byte at least, so that a made-up log costs no more than its size.
 */

import { Reader } from "../../nodes/codec/reader.ts";
import {
  type DescribedField,
  type DescribedType,
  type ProtocolDescription,
  type ScalarName,
  SCALARS,
} from "./description.ts";
import type { Value } from "./value.ts";

/** How deep the types of a field may be nested. */
const MAX_DEPTH = 16;

/** The values of a packet's fields. Throws a MalformedPacketError. */
export function decodeBody(
  description: ProtocolDescription,
  { name, fields }: { readonly name: string; readonly fields: readonly DescribedField[] },
  body: Uint8Array,
): Value[] {
  const reader = new Reader(name, body);
  const values = fields.map(([field, type]) => readType(description, reader, field, type, 0));
  reader.finish();
  return values;
}

function readType(
  description: ProtocolDescription,
  reader: Reader,
  field: string,
  type: DescribedType,
  depth: number,
): Value {
  if (depth > MAX_DEPTH) reader.fail(field, "its type is nested too deeply");
  const read = (inner: DescribedType) => readType(description, reader, field, inner, depth + 1);
  if (typeof type !== "string") {
    if ("option" in type) return reader.present(field) ? read(type.option) : null;
    const count = reader.count(field, 1);
    if ("list" in type) return Array.from({ length: count }, () => read(type.list));
    const [key, value] = type.dict;
    return { dict: Array.from({ length: count }, () => [read(key), read(value)] as const) };
  }
  const scalar = SCALARS.find((known) => known === type);
  if (scalar !== undefined) return readScalar(reader, field, scalar);
  const names = own(description.enumerations, type);
  if (names !== undefined) return readEnumeration(reader, field, names);
  const struct = own(description.structs, type);
  if (struct === undefined) return reader.fail(field, `the log does not say what ${type} is`);
  // As many of them as one likes would be in no bytes at all.
  if (struct.length === 0) return reader.fail(field, `${type} is made of nothing`);
  return { tuple: struct.map(([, inner]) => read(inner)) };
}

/** A member that a record has itself: a name in a log may be that of anything. */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function readEnumeration(reader: Reader, field: string, names: readonly string[]): Value {
  const value = reader.i8(field);
  if (value === -1) return null;
  const enumeration = names[value];
  if (!enumeration) return reader.fail(field, `no name has the value ${value}`);
  return { enumeration, value };
}

const ABSENT_ID = 0xffff_ffff_ffff_ffffn;

function readScalar(reader: Reader, field: string, scalar: ScalarName): Value {
  switch (scalar) {
    case "u32":
      return BigInt(reader.u32(field));
    case "index":
      return reader.u64(field);
    case "bool":
      return reader.bool(field);
    case "nid":
      return integer(reader.nidOrNull(field));
    case "signed":
      return integer(reader.signedOrNull(field));
    case "ptid":
      return reader.u64(field) || null;
    case "tid":
    case "oid":
      return idBytes(reader.u64(field));
    case "timestamp": {
      const float = reader.timestampOrNull(field);
      return float === null ? null : { float };
    }
    case "checksum":
      return reader.checksum(field);
    case "bytes":
      return reader.bytes(field);
    case "address": {
      const address = reader.addressOrNull(field);
      if (address === null) return null;
      return { tuple: [latin1Bytes(address.host), BigInt(address.port)] };
    }
  }
}

function integer(value: number | null): bigint | null {
  return value === null ? null : BigInt(value);
}

/** An id as its eight bytes. */
function idBytes(id: bigint): Uint8Array | null {
  if (id === ABSENT_ID) return null;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, id);
  return bytes;
}

function latin1Bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
