/**
 * Writes the primitives of the 1.11 dialect. Packets are encoded one after the other into a slab
 * that is handed out piece by piece, so that the packets of a turn leave in one write, and object
 * data are copied once. What was handed out is never written to again.
 */

import type { Address } from "../host/host.ts";
import type { Nid, Oid, Tid } from "./ids.ts";

const NONE_64 = 0xffff_ffff_ffff_ffffn;
const CHECKSUM_BYTES = 20;
const SLAB_BYTES = 64 << 10;

export class Writer {
  #bytes = new Uint8Array(SLAB_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #position = 0;

  /** Bytes written and not taken. */
  get length(): number {
    return this.#position - this.#start;
  }

  /** Hands out what was written since the last call. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#start, this.#position);
    if (this.#bytes.length > SLAB_BYTES) this.#renew(SLAB_BYTES);
    else this.#start = this.#position;
    return taken;
  }

  // What was handed out keeps its slab alive: small packets must not keep a huge one.
  #renew(bytes: number): void {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#start = 0;
    this.#position = 0;
  }

  /** Forgets what was written beyond `length`, such as half a packet. */
  truncate(length: number): void {
    this.#position = this.#start + length;
  }

  #reserve(bytes: number): number {
    const position = this.#position;
    const end = position + bytes;
    if (end > this.#bytes.length) return this.#grow(bytes);
    this.#position = end;
    return position;
  }

  #grow(bytes: number): number {
    const pending = this.#bytes.subarray(this.#start, this.#position);
    const needed = pending.length + bytes;
    this.#renew(needed <= SLAB_BYTES / 2 ? SLAB_BYTES : needed * 2);
    this.#bytes.set(pending);
    this.#position = needed;
    return pending.length;
  }

  /** Starts a packet: a header without its length. Returns a mark for {@link endPacket}. */
  beginPacket(id: number, code: number): number {
    const at = this.#reserve(10);
    this.#view.setUint32(at, id);
    this.#view.setUint16(at + 4, code);
    return this.length;
  }

  /** Ends a packet: writes the length of its body, and returns it. */
  endPacket(mark: number): number {
    const body = this.length - mark;
    this.#view.setUint32(this.#position - body - 4, body);
    return body;
  }

  /** Where the last `count` bytes stand, until more are written. */
  last(
    count: number,
  ): { readonly bytes: Uint8Array; readonly start: number; readonly end: number } {
    return { bytes: this.#bytes, start: this.#position - count, end: this.#position };
  }

  /** Writes bytes as they are. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }

  u64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value);
  }

  index(value: number): void {
    this.u64(BigInt(value));
  }

  bool(value: boolean): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value ? 1 : 0);
  }

  nid(value: Nid | null): void {
    this.signed(value);
  }

  signed(value: number | null): void {
    const at = this.#reserve(4);
    this.#view.setInt32(at, value ?? 0);
  }

  ptid(value: number | null): void {
    this.index(value ?? 0);
  }

  tid(value: Tid | null): void {
    this.u64(value ?? NONE_64);
  }

  oid(value: Oid | null): void {
    this.u64(value ?? NONE_64);
  }

  timestamp(value: number | null): void {
    const at = this.#reserve(8);
    if (value === null) this.#view.setBigUint64(at, NONE_64);
    else this.#view.setFloat64(at, value);
  }

  checksum(value: Uint8Array): void {
    if (value.length !== CHECKSUM_BYTES) {
      throw new RangeError(`expected a checksum of ${CHECKSUM_BYTES} bytes, found ${value.length}`);
    }
    this.raw(value);
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }

  address(value: Address | null): void {
    if (value === null) return this.u32(0);
    const { host, port } = value;
    this.u32(host.length);
    const at = this.#reserve(host.length + 2);
    for (let i = 0; i < host.length; i++) this.#view.setUint8(at + i, host.charCodeAt(i));
    this.#view.setUint16(at + host.length, port);
  }

  /** An enumeration's value by its number; null is -1. */
  enum(value: number | null): void {
    const at = this.#reserve(1);
    this.#view.setInt8(at, value ?? -1);
  }

  present(value: boolean): void {
    this.bool(value);
  }

  count(value: number): void {
    this.u32(value);
  }
}
