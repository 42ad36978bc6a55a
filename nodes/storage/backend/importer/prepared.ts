/**
 * What is to be imported, read and compressed ahead of its turn: while some objects are compressed
 * in another thread, those before them are stored.
 */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { Deflater } from "../../../host/host.ts";
import { checksumOf } from "../../checksum.ts";
import type { StoredData, TransactionRecord } from "../backend.ts";
import type { Merged, SourceRecord } from "./merged.ts";
import type { Past } from "./past.ts";

/** A piece has at most so many objects, and not many more bytes. */
const PIECE_OBJECTS = 128;
const PIECE_BYTES = 1 << 20;
/** How many pieces are compressed ahead. */
const PIECES_AHEAD = 4;

/** An object of a transaction, as it is stored. */
export interface PreparedObject {
  readonly oid: Oid;
  readonly value: StoredData | null;
  readonly valueTid: Tid | null;
}

/** Some objects of a transaction, in their order. */
export interface Piece {
  readonly tid: Tid;
  readonly objects: readonly PreparedObject[];
  /** For the last piece of a transaction: what it says of itself, and where it is. */
  readonly end: { readonly record: TransactionRecord; readonly position: number } | null;
}

interface PlainObject {
  readonly oid: Oid;
  readonly data: Uint8Array | null;
  readonly valueTid: Tid | null;
}

/** Gives all pieces in their order. Throws what a source throws, when it is its turn. */
export async function* prepare(
  { merged, past, deflater }: {
    readonly merged: Merged;
    readonly past: Past;
    /** Null where nothing is to be compressed. */
    readonly deflater: Deflater | null;
  },
): AsyncGenerator<Piece, void, void> {
  const ahead: Promise<Piece>[] = [];
  for (const piece of read(merged, past)) {
    const prepared = stored(piece, deflater);
    prepared.catch(() => {});
    ahead.push(prepared);
    if (ahead.length < PIECES_AHEAD) continue;
    const next = await ahead.shift();
    if (next !== undefined) yield next;
  }
  for (const piece of ahead) yield await piece;
}

type PlainPiece = Omit<Piece, "objects"> & { readonly objects: readonly PlainObject[] };

function* read(merged: Merged, past: Past): Generator<PlainPiece | Error, void, void> {
  for (; merged.tid !== null; merged.advance()) {
    const { tid } = merged;
    const records = merged.records();
    let objects: PlainObject[] = [];
    let bytes = 0;
    for (const [oid, found] of records) {
      if (objects.length >= PIECE_OBJECTS || bytes >= PIECE_BYTES) {
        yield { tid, objects, end: null };
        objects = [];
        bytes = 0;
      }
      let object: PlainObject;
      try {
        object = plain(oid, found, past);
      } catch (error) {
        // What comes before it is imported all the same.
        yield error instanceof Error ? error : new Error(String(error));
        return;
      }
      objects.push(object);
      bytes += object.data?.length ?? 0;
    }
    const record = merged.metadata([...records.keys()]);
    yield { tid, objects, end: { record, position: merged.position } };
  }
}

function plain(oid: Oid, found: SourceRecord, past: Past): PlainObject {
  return { oid, data: past.data(found), valueTid: past.valueTid(found) };
}

async function stored(piece: PlainPiece | Error, deflater: Deflater | null): Promise<Piece> {
  if (piece instanceof Error) throw piece;
  const { tid, objects, end } = piece;
  const data = objects.map(({ data }) => data).filter((data) => data !== null);
  const values = deflater === null ? data.map(uncompressed) : await deflater.deflate(data);
  let next = 0;
  const prepared = objects.map(({ oid, data, valueTid }) => ({
    oid,
    valueTid,
    value: data === null ? null : values[next++] ?? null,
  }));
  return { tid, objects: prepared, end };
}

function uncompressed(data: Uint8Array): StoredData {
  return { compression: false, checksum: checksumOf(data), data };
}
