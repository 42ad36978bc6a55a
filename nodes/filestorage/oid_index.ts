/**
 * Where the last record of each object is: a map from oids to offsets that has room for hundreds of
 * millions of them. Oids are mostly dense, so they are kept in small hash tables of their low 16
 * bits, one for each value of their high 48 bits: some 15 bytes per object.
 */

import { type Oid, oid } from "../codec/ids.ts";

const LOW_BITS = 16n;
const LOW_MASK = 0xffff;
const LEAST_CAPACITY = 8;
/** Of Knuth: spreads neighbours over a table of a power of two. */
const MULTIPLIER = 0x9e3779b1;

/** A hash table with open addressing; an offset of 0 marks a free slot. */
class Bucket {
  count = 0;
  #keys = new Uint16Array(LEAST_CAPACITY);
  #offsets = new Float64Array(LEAST_CAPACITY);
  #shift = 32 - Math.log2(LEAST_CAPACITY);

  get(key: number): number {
    return this.#offsets[this.#slot(key)] ?? 0;
  }

  set(key: number, offset: number): void {
    if (this.count * 4 >= this.#keys.length * 3) this.#grow();
    const slot = this.#slot(key);
    if (this.#offsets[slot] === 0) this.count++;
    this.#keys[slot] = key;
    this.#offsets[slot] = offset;
  }

  *entries(): IterableIterator<[number, number]> {
    for (const [slot, offset] of this.#offsets.entries()) {
      if (offset !== 0) yield [this.#keys[slot] ?? 0, offset];
    }
  }

  greatestKey(): number {
    let greatest = 0;
    for (const [key] of this.entries()) greatest = Math.max(greatest, key);
    return greatest;
  }

  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = Math.imul(key, MULTIPLIER) >>> this.#shift;
    while (this.#offsets[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [keys, offsets] = [this.#keys, this.#offsets];
    this.#keys = new Uint16Array(keys.length * 2);
    this.#offsets = new Float64Array(keys.length * 2);
    this.#shift--;
    for (let old = 0; old < keys.length; old++) {
      const offset = offsets[old] ?? 0;
      if (offset === 0) continue;
      const slot = this.#slot(keys[old] ?? 0);
      this.#keys[slot] = keys[old] ?? 0;
      this.#offsets[slot] = offset;
    }
  }
}

export class OidIndex {
  readonly #buckets = new Map<bigint, Bucket>();
  #lastHigh = -1n;
  #last = new Bucket();

  /** How many objects there are. */
  get size(): number {
    let size = 0;
    for (const bucket of this.#buckets.values()) size += bucket.count;
    return size;
  }

  /** The offset of an object's last record; 0 when it has none. */
  get(oid: Oid): number {
    return this.#find(oid >> LOW_BITS)?.get(lowOf(oid)) ?? 0;
  }

  set(oid: Oid, offset: number): void {
    const high = oid >> LOW_BITS;
    let bucket = this.#find(high);
    if (bucket === undefined) {
      bucket = new Bucket();
      this.#buckets.set(high, bucket);
    }
    bucket.set(lowOf(oid), offset);
  }

  #find(high: bigint): Bucket | undefined {
    if (high === this.#lastHigh) return this.#last;
    const bucket = this.#buckets.get(high);
    if (bucket !== undefined) {
      this.#lastHigh = high;
      this.#last = bucket;
    }
    return bucket;
  }

  /** The greatest oid; null when there is none. */
  greatest(): Oid | null {
    let greatest: bigint | null = null;
    for (const high of this.#buckets.keys()) {
      if (greatest === null || high > greatest) greatest = high;
    }
    const bucket = greatest === null ? undefined : this.#buckets.get(greatest);
    if (greatest === null || bucket === undefined) return null;
    return oid((greatest << LOW_BITS) | BigInt(bucket.greatestKey()));
  }

  /** All entries, in no order. */
  *entries(): IterableIterator<[Oid, number]> {
    for (const [high, bucket] of this.#buckets) {
      for (const [low, offset] of bucket.entries()) {
        yield [oid((high << LOW_BITS) | BigInt(low)), offset];
      }
    }
  }
}

function lowOf(id: Oid): number {
  return Number(id & BigInt(LOW_MASK));
}
