/**
 * What is to be imported, read and compressed ahead of its turn: while some objects are compressed
 * in another thread, those before them are stored.
 */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { Deflater } from "../../../host/host.ts";
import { checksumOf } from "../../checksum.ts";
import type { StoredData, TransactionRecord } from "../backend.ts";
import type { Merged } from "./merged.ts";
import type { Past } from "./past.ts";

/** A piece has at most so many objects, and not many more bytes. */
const PIECE_OBJECTS = 256;
const PIECE_BYTES = 256 << 10;
/** Small transactions are compressed together, up to so many at once. */
const BATCH_TRANSACTIONS = 64;
/** How many batches are compressed ahead. */
const BATCHES_AHEAD = 4;

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
  const ahead: Promise<Piece[]>[] = [];
  for (const batch of batches(read(merged, past))) {
    const prepared = stored(batch, deflater);
    prepared.catch(() => {});
    ahead.push(prepared);
    if (ahead.length < BATCHES_AHEAD) continue;
    yield* await ahead.shift() ?? [];
  }
  for (const batch of ahead) yield* await batch;
}

type PlainPiece = Omit<Piece, "objects"> & {
  readonly objects: readonly PlainObject[];
  readonly bytes: number;
};

/** Pieces that are compressed together, or why there are no more. */
type Batch = readonly PlainPiece[] | Error;

/** Puts pieces together: each batch that is sent to another thread has its price. */
function* batches(pieces: Iterable<PlainPiece | Error>): Generator<Batch, void, void> {
  let batch: PlainPiece[] = [];
  let objects = 0;
  let bytes = 0;
  for (const piece of pieces) {
    if (piece instanceof Error) {
      // What comes before it is imported all the same.
      if (batch.length > 0) yield batch;
      yield piece;
      return;
    }
    batch.push(piece);
    objects += piece.objects.length;
    bytes += piece.bytes;
    const isFull = batch.length >= BATCH_TRANSACTIONS || objects >= PIECE_OBJECTS ||
      bytes >= PIECE_BYTES;
    if (!isFull) continue;
    yield batch;
    batch = [];
    objects = 0;
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function* read(merged: Merged, past: Past): Generator<PlainPiece | Error, void, void> {
  for (; merged.tid !== null; merged.advance()) {
    const { tid } = merged;
    const records = merged.records();
    let objects: PlainObject[] = [];
    let bytes = 0;
    for (const [oid, found] of records) {
      if (objects.length >= PIECE_OBJECTS || bytes >= PIECE_BYTES) {
        yield { tid, objects, bytes, end: null };
        objects = [];
        bytes = 0;
      }
      let object: PlainObject;
      try {
        object = { oid, data: merged.data(found), valueTid: past.valueTid(found) };
      } catch (error) {
        yield error instanceof Error ? error : new Error(String(error));
        return;
      }
      objects.push(object);
      bytes += object.data?.length ?? 0;
    }
    const record = merged.metadata([...records.keys()]);
    yield { tid, objects, bytes, end: { record, position: merged.position } };
  }
}

async function stored(batch: Batch, deflater: Deflater | null): Promise<Piece[]> {
  if (batch instanceof Error) throw batch;
  const data: Uint8Array[] = [];
  for (const { objects } of batch) {
    for (const object of objects) if (object.data !== null) data.push(object.data);
  }
  const values = deflater === null ? data.map(uncompressed) : await deflater.deflate(data);
  let next = 0;
  return batch.map(({ tid, objects, end }) => ({
    tid,
    end,
    objects: objects.map(({ oid, data, valueTid }) => ({
      oid,
      valueTid,
      value: data === null ? null : values[next++] ?? null,
    })),
  }));
}

function uncompressed(data: Uint8Array): StoredData {
  return { compression: false, checksum: checksumOf(data), data };
}
