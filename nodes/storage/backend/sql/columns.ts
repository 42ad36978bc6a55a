/**
 * Values of columns as the types of the field. A value of another type means that the database is
 * damaged, or was written by something else: the node can't go on with it.
 */

import { type Oid, oid, type Tid, tid } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { SqlRow, SqlValue } from "../../../host/host.ts";
import { decodeText } from "../../../wire/text.ts";

/** Bytes of one id in a list of ids. */
const ID_BYTES = 8;

/** The columns of `obj`, and of `tobj`, in the order in which rows are inserted. */
export const OBJECT_COLUMNS = ["partition", "oid", "tid", "data_id", "value_tid"] as const;

function damaged(expected: string, found: SqlValue | undefined): never {
  const kind = found instanceof Uint8Array ? `${found.length} bytes` : String(found);
  throw new DatabaseError(`the database is damaged: expected ${expected}, found ${kind}`);
}

/** A 64-bit integer. */
export function integerOf(value: SqlValue | undefined): bigint {
  return typeof value === "bigint" ? value : damaged("an integer", value);
}

export function tidOf(value: SqlValue | undefined): Tid {
  return typeof value === "bigint" && value >= 0n ? tid(value) : damaged("a tid", value);
}

export function tidOrNullOf(value: SqlValue | undefined): Tid | null {
  return value === null ? null : tidOf(value);
}

export function oidOf(value: SqlValue | undefined): Oid {
  return typeof value === "bigint" && value >= 0n ? oid(value) : damaged("an oid", value);
}

export function bytesOf(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : damaged("bytes", value);
}

/** A text; a server gives the bytes of its UTF-8 form. */
export function textOf(value: SqlValue | undefined): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? decodeText(value) : damaged("a text", value);
}

/** The tids in the column `tid` of rows. */
export function tidsOf(rows: readonly SqlRow[]): Tid[] {
  return rows.map((row) => tidOf(row.tid));
}

/** The data that a row with the column `data_id` refers to. */
export function dataIdOf({ data_id: id }: SqlRow): bigint | null {
  return id === null ? null : integerOf(id);
}

/** The ids in the column `data_id`, without the nulls. */
export function dataIds(rows: readonly SqlRow[]): bigint[] {
  return rows.filter(({ data_id }) => data_id !== null).map(({ data_id }) => integerOf(data_id));
}

/** A list of oids as it is stored. */
export function packOids(oids: readonly Oid[]): Uint8Array {
  const bytes = new Uint8Array(oids.length * ID_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const id of oids) {
    view.setBigUint64(at, id);
    at += ID_BYTES;
  }
  return bytes;
}

/** The oids of a stored list. */
export function unpackOids(bytes: Uint8Array): Oid[] {
  if (bytes.length % ID_BYTES !== 0) damaged("a list of oids of 8 bytes each", bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const oids: Oid[] = [];
  for (let at = 0; at < bytes.length; at += ID_BYTES) oids.push(oid(view.getBigUint64(at)));
  return oids;
}
