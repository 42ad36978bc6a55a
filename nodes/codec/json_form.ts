/**
 * The primitives of the JSON form of packets, in which they are dumped and read back: bytes and
 * ids are `{"hex": …}`, a dictionary is `{"dict": [[key, value], …]}`, an enumeration its name, an
 * absent value null. It is more tolerant than the nodes' codecs: it shows whatever stands on the
 * wire, also nulls that no node would accept.
 */

import { MalformedPacketError } from "../errors.ts";
import { decodeHex, encodeHex } from "../host/hex.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** A JSON value; 64-bit integers may come as bigint. */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** How one type of packet's body becomes the `args` of its JSON form, and the reverse. */
export interface JsonForm {
  read(reader: Reader): Json[];
  write(writer: Writer, args: JsonArguments): void;
}

const NONE_64 = 0xffff_ffff_ffff_ffffn;
const CHECKSUM_BYTES = 20;

/** Reads one primitive of the wire as JSON. */
export const readJson = {
  u32: (r: Reader, field: string): Json => r.u32(field),
  index: (r: Reader, field: string): Json => r.index(field),
  bool: (r: Reader, field: string): Json => r.bool(field),
  nid: (r: Reader, field: string): Json => r.nidOrNull(field),
  signed: (r: Reader, field: string): Json => r.signedOrNull(field),
  ptid: (r: Reader, field: string): Json => r.ptidOrNull(field),
  tid: (r: Reader, field: string): Json => {
    const value = r.u64(field);
    return value === NONE_64 ? null : { hex: value.toString(16).padStart(16, "0") };
  },
  oid: (r: Reader, field: string): Json => readJson.tid(r, field),
  timestamp: (r: Reader, field: string): Json => r.timestampOrNull(field),
  checksum: (r: Reader, field: string): Json => ({ hex: encodeHex(r.checksum(field)) }),
  bytes: (r: Reader, field: string): Json => ({ hex: encodeHex(r.bytes(field)) }),
  address: (r: Reader, field: string): Json => {
    const address = r.addressOrNull(field);
    return address && [address.host, address.port];
  },
  enum: (r: Reader, field: string, names: readonly (string | undefined)[]): Json =>
    r.enumOrNull(field, names),
  list: (r: Reader, field: string, itemBytes: number, item: () => Json): Json => {
    const count = r.count(field, itemBytes);
    return Array.from({ length: count }, item);
  },
  dict: (r: Reader, field: string, itemBytes: number, item: () => Json): Json => ({
    dict: readJson.list(r, field, itemBytes, item),
  }),
  option: (r: Reader, field: string, item: () => Json): Json => r.present(field) ? item() : null,
};

/** The `args` of a packet, or the values of a struct: checked as they are taken out. */
export class JsonArguments {
  readonly #values: readonly Json[];

  constructor(readonly packet: string, values: Json, count: number) {
    if (!isArray(values) || values.length !== count) {
      throw new MalformedPacketError(packet, "args", `expected ${count} values`);
    }
    this.#values = values;
  }

  fail(field: string, expected: string): never {
    throw new MalformedPacketError(this.packet, field, `expected ${expected}`);
  }

  at(position: number): Json {
    return this.#values[position] ?? null;
  }

  /** The values of a struct at `position`. */
  struct(value: Json, count: number): JsonArguments {
    return new JsonArguments(this.packet, value, count);
  }

  integer(field: string, value: Json, low: number, high: number): number {
    const found = typeof value === "bigint" ? Number(value) : value;
    if (typeof found === "number" && Number.isInteger(found) && found >= low && found <= high) {
      return found;
    }
    this.fail(field, `an integer from ${low} to ${high}`);
  }

  hex(field: string, value: Json, bytes?: number): Uint8Array {
    const text = isObject(value) ? value.hex : undefined;
    const found = typeof text === "string" ? decodeHex(text) : null;
    if (found !== null && (bytes === undefined || found.length === bytes)) return found;
    this.fail(field, bytes === undefined ? `{"hex": …}` : `{"hex": …} of ${bytes} bytes`);
  }

  list(field: string, value: Json): readonly Json[] {
    return isArray(value) ? value : this.fail(field, "a list");
  }
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !isArray(value);
}

const U32_MAX = 2 ** 32 - 1;
const I32_MIN = -(2 ** 31);
const I32_MAX = 2 ** 31 - 1;

type Write = (w: Writer, a: JsonArguments, field: string, value: Json) => void;

function writeId(w: Writer, a: JsonArguments, field: string, value: Json): void {
  if (value === null) w.u64(NONE_64);
  else w.raw(a.hex(field, value, 8));
}

function writeSigned(w: Writer, a: JsonArguments, field: string, value: Json): void {
  w.signed(value === null ? null : a.integer(field, value, I32_MIN, I32_MAX));
}

const writePrimitive: Record<
  | "u32"
  | "index"
  | "bool"
  | "nid"
  | "signed"
  | "ptid"
  | "tid"
  | "oid"
  | "timestamp"
  | "checksum"
  | "bytes"
  | "address",
  Write
> = {
  u32: (w, a, f, v) => w.u32(a.integer(f, v, 0, U32_MAX)),
  index: (w, a, f, v) => w.index(a.integer(f, v, 0, Number.MAX_SAFE_INTEGER)),
  bool: (w, a, f, v) => w.bool(typeof v === "boolean" ? v : a.fail(f, "true or false")),
  nid: writeSigned,
  signed: writeSigned,
  ptid: (w, a, f, v) => w.ptid(v === null ? null : a.integer(f, v, 1, Number.MAX_SAFE_INTEGER)),
  tid: writeId,
  oid: writeId,
  timestamp: (w, a, f, v) =>
    w.timestamp(
      v === null || typeof v === "number"
        ? v
        : typeof v === "bigint"
        ? Number(v)
        : a.fail(f, "a number"),
    ),
  checksum: (w, a, f, v) => w.checksum(a.hex(f, v, CHECKSUM_BYTES)),
  bytes: (w, a, f, v) => w.bytes(a.hex(f, v)),
  address: (w, a, f, v) => {
    if (v === null) return w.address(null);
    const [host, port, ...more] = a.list(f, v);
    // A host travels as bytes.
    if (typeof host !== "string" || !/^[\0-\xff]+$/.test(host) || more.length > 0) {
      return a.fail(f, "[host, port]");
    }
    w.address({ host, port: a.integer(f, port ?? null, 0, 65535) });
  },
};

/** Writes one primitive from its JSON form. */
export const writeJson = {
  ...writePrimitive,
  enum: (
    w: Writer,
    a: JsonArguments,
    field: string,
    value: Json,
    names: readonly (string | undefined)[],
  ): void => {
    const at = typeof value === "string" ? names.indexOf(value) : -1;
    if (at < 0 && value !== null) a.fail(field, `one of ${names.join(", ")}`);
    w.enum(value === null ? null : at);
  },
  list: (
    w: Writer,
    a: JsonArguments,
    field: string,
    value: Json,
    item: (value: Json) => void,
  ): void => {
    const values = a.list(field, value);
    w.count(values.length);
    values.forEach(item);
  },
  dict: (
    w: Writer,
    a: JsonArguments,
    field: string,
    value: Json,
    item: (key: Json, value: Json) => void,
  ): void => {
    const pairs = isObject(value) ? value.dict : undefined;
    writeJson.list(w, a, field, pairs ?? null, (pair) => {
      const [key, found, ...more] = a.list(field, pair);
      if (key === undefined || found === undefined || more.length > 0) {
        return a.fail(field, "pairs of a key and a value");
      }
      item(key, found);
    });
  },
  option: (w: Writer, value: Json, item: (value: Json) => void): void => {
    w.present(value !== null);
    if (value !== null) item(value);
  },
};
