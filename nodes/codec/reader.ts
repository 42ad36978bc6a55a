/**
 * Reads the primitives of the 1.11 dialect from a packet's body. Each read is checked against the
 * end of the body, and each count against the bytes that are left before anything is allocated
 * from it. Byte strings are views of the body: whoever keeps one beyond the handling of the packet
 * copies it.
 */

import { MalformedPacketError } from "../errors.ts";
import type { Address } from "../host/host.ts";
import { MAX_ID, type Nid, type Oid, type Tid } from "./ids.ts";

const NONE_64 = 0xffff_ffff_ffff_ffffn;
const CHECKSUM_BYTES = 20;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;
  readonly #end: number;

  /** Reads `bytes` from `start` to `end`; `packet` is named in errors. */
  constructor(readonly packet: string, bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#end = end;
  }

  /** Throws an error about a field. */
  fail(field: string, reason: string): never {
    throw new MalformedPacketError(this.packet, field, reason);
  }

  #take(field: string, bytes: number): number {
    const start = this.#position;
    if (bytes > this.#end - start) {
      this.fail(field, `expected ${bytes} bytes, found ${this.#end - start}`);
    }
    this.#position = start + bytes;
    return start;
  }

  /** Refuses a body that goes on after its last field. */
  finish(): void {
    const left = this.#end - this.#position;
    if (left !== 0) this.fail("(end)", `${left} bytes follow the last field`);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(field, 4));
  }

  index(field: string): number {
    const value = this.u64(field);
    if (value > MAX_SAFE) this.fail(field, `expected at most 2^53-1, found ${value}`);
    return Number(value);
  }

  bool(field: string): boolean {
    return this.#view.getUint8(this.#take(field, 1)) !== 0;
  }

  nidOrNull(field: string): Nid | null {
    const value = this.#view.getInt32(this.#take(field, 4));
    return value === 0 ? null : value as Nid;
  }

  nid(field: string): Nid {
    return this.nidOrNull(field) ?? this.fail(field, "expected a node id, found none");
  }

  signedOrNull(field: string): number | null {
    const value = this.#view.getInt32(this.#take(field, 4));
    return value === 0 ? null : value;
  }

  ptidOrNull(field: string): number | null {
    const value = this.index(field);
    return value === 0 ? null : value;
  }

  ptid(field: string): number {
    return this.ptidOrNull(field) ?? this.fail(field, "expected a ptid, found none");
  }

  /** 64 bits as they are, also those that are no id. */
  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(field, 8));
  }

  /** Eight bits with a sign, as enumerations have them. */
  i8(field: string): number {
    return this.#view.getInt8(this.#take(field, 1));
  }

  #id(field: string): bigint | null {
    const value = this.u64(field);
    if (value === NONE_64) return null;
    if (value > MAX_ID) this.fail(field, `expected at most 2^63-1, found ${value}`);
    return value;
  }

  tidOrNull(field: string): Tid | null {
    return this.#id(field) as Tid | null;
  }

  tid(field: string): Tid {
    return this.tidOrNull(field) ?? this.fail(field, "expected a tid, found none");
  }

  oidOrNull(field: string): Oid | null {
    return this.#id(field) as Oid | null;
  }

  oid(field: string): Oid {
    return this.oidOrNull(field) ?? this.fail(field, "expected an oid, found none");
  }

  timestampOrNull(field: string): number | null {
    const start = this.#take(field, 8);
    if (this.#view.getBigUint64(start) === NONE_64) return null;
    const value = this.#view.getFloat64(start);
    if (!Number.isFinite(value)) this.fail(field, `expected a finite number, found ${value}`);
    return value;
  }

  timestamp(field: string): number {
    return this.timestampOrNull(field) ?? this.fail(field, "expected a time, found none");
  }

  checksum(field: string): Uint8Array {
    const start = this.#take(field, CHECKSUM_BYTES);
    return this.#bytes.subarray(start, start + CHECKSUM_BYTES);
  }

  bytes(field: string): Uint8Array {
    const length = this.u32(field);
    const start = this.#take(field, length);
    return this.#bytes.subarray(start, start + length);
  }

  addressOrNull(field: string): Address | null {
    const host = this.bytes(field);
    if (host.length === 0) return null;
    let text = "";
    for (const byte of host) text += String.fromCharCode(byte);
    return { host: text, port: this.#view.getUint16(this.#take(field, 2)) };
  }

  address(field: string): Address {
    return this.addressOrNull(field) ?? this.fail(field, "expected an address, found none");
  }

  /** `names` are by wire value; undefined where a value has none. */
  enumOrNull<T extends string>(field: string, names: readonly (T | undefined)[]): T | null {
    const value = this.i8(field);
    if (value === -1) return null;
    return names[value] ?? this.fail(field, `expected one of ${names.join(", ")}, found ${value}`);
  }

  enum<T extends string>(field: string, names: readonly (T | undefined)[]): T {
    return this.enumOrNull(field, names) ?? this.fail(field, "expected a value, found none");
  }

  /** Whether an optional part follows. */
  present(field: string): boolean {
    const value = this.#view.getUint8(this.#take(field, 1));
    if (value > 1) this.fail(field, `expected 0 or 1, found ${value}`);
    return value === 1;
  }

  /** The count of items that follow, each of at least `itemBytes`: never more than can follow. */
  count(field: string, itemBytes: number): number {
    const count = this.u32(field);
    const left = this.#end - this.#position;
    if (count * itemBytes > left) {
      this.fail(field, `${count} items of at least ${itemBytes} bytes can't be in ${left} bytes`);
    }
    return count;
  }
}
