/**
 * The ids of the field: oid and tid (64 bits, `bigint`), nid (32 bits, a number), and their text
 * forms. They are branded, so that one is never taken for another.
 */

declare const brand: unique symbol;

/** An object id. The root object has {@link ZERO_OID}. */
export type Oid = bigint & { readonly [brand]: "oid" };
/** A transaction id, final or temporary (ttid); also an object's serial. */
export type Tid = bigint & { readonly [brand]: "tid" };
/** A node id: the high byte tells the node's type, the rest is a number from 1. */
export type Nid = number & { readonly [brand]: "nid" };

/** The greatest id: the databases below have signed 64-bit integers. */
export const MAX_ID = 0x7fff_ffff_ffff_ffffn;

/** Takes a number for an oid. Throws a RangeError outside [0, {@link MAX_ID}]. */
export function oid(value: bigint): Oid {
  if (!isOid(value)) throw new RangeError(`expected an oid from 0 to 2^63-1, found ${value}`);
  return value;
}

/** Takes a number for a tid. Throws a RangeError outside [0, {@link MAX_ID}]. */
export function tid(value: bigint): Tid {
  if (!isTid(value)) throw new RangeError(`expected a tid from 0 to 2^63-1, found ${value}`);
  return value;
}

/** Takes a number for a node id. Throws a RangeError when it is 0 or beyond 32 signed bits. */
export function nid(value: number): Nid {
  if (!isNid(value)) throw new RangeError(`expected a node id of 32 bits, found ${value}`);
  return value;
}

function isOid(value: bigint): value is Oid {
  return value >= 0n && value <= MAX_ID;
}

function isTid(value: bigint): value is Tid {
  return value >= 0n && value <= MAX_ID;
}

function isNid(value: number): value is Nid {
  return value !== 0 && value === (value | 0);
}

export const ZERO_OID: Oid = oid(0n);
export const ZERO_TID: Tid = tid(0n);
export const MAX_TID: Tid = tid(MAX_ID);

/** The next tid; the greatest one has no other after it. */
export function tidAfter(id: Tid): Tid {
  return id === MAX_TID ? id : tid(id + 1n);
}

/** The previous tid; the least one has no other before it. */
export function tidBefore(id: Tid): Tid {
  return id === ZERO_TID ? id : tid(id - 1n);
}

/** The later one of two tids. */
export function laterTid(a: Tid, b: Tid): Tid {
  return a > b ? a : b;
}

const HEX_DIGITS = 16;

/** An oid or a tid as 16 hex digits, as peers print it. */
export function hexId(id: Oid | Tid): string {
  return id.toString(16).padStart(HEX_DIGITS, "0");
}

/** The partition of an oid or a tid among `partitions`. */
export function partitionOf(id: Oid | Tid, partitions: number): number {
  // Ids below 2^53 take the fast way; most oids are.
  const small = Number(id);
  return Number.isSafeInteger(small) ? small % partitions : Number(id % BigInt(partitions));
}
