/**
 * The index that ZODB saves beside a FileStorage, in a file with the name of the storage and
 * `.index`. It spares going through the whole storage, and is only taken where it agrees with the
 * storage: it may be older than the storage, or that of another one.
 */

import { type Oid, oid } from "../codec/ids.ts";
import { FileError } from "../errors.ts";
import type { FileSystem, LogSink, RandomFile } from "../host/host.ts";
import { PickleError } from "../pickle/errors.ts";
import { type Plain, PlainLoader } from "../pickle/plain.ts";
import {
  MAGIC_BYTES,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  TRANSACTION_HEADER_BYTES,
  viewOf,
  WORD_BYTES,
} from "./format.ts";
import { OidIndex } from "./oid_index.ts";
import { Scanner } from "./scanner.ts";

/** How much of the index is read at once; one part of it has at most half a million bytes. */
const CHUNK_BYTES = 4 << 20;
/** A part has the offsets of the objects whose oids have the same first 6 bytes. */
const PREFIX_BYTES = 6;
const SUFFIX_BYTES = 2;
const OFFSET_BYTES = 6;
/** How many of its entries are looked up in the storage. */
const SAMPLES = 64;
/** How many records are looked at beside such an entry, and how much is read at once for them. */
const SAMPLE_RECORDS = 256;
const SAMPLE_WINDOW_BYTES = 8 << 10;
/** How far back from its end an index is checked entry by entry: milliseconds of work. */
const TAIL_BYTES = 4 << 20;
const TAIL_TRANSACTIONS = 4096;

export interface SavedIndex {
  readonly index: OidIndex;
  /** Up to where it knows the storage. */
  readonly position: number;
}

/** Loads the index of a storage; null when there is none that can be trusted, which is logged. */
export function loadSavedIndex(
  files: FileSystem,
  storage: RandomFile,
  log: LogSink,
): SavedIndex | null {
  const file = files.open(`${storage.path}.index`, "read");
  if (file === null) return null;
  const saved = loadTrusted(file, storage);
  if (saved === null) {
    const what = `${file.path} is not that of ${storage.path} as it is now`;
    log.log("WARNING", "filestorage", `${what}: it is left aside, and the whole storage is read`);
  }
  return saved;
}

function loadTrusted(file: RandomFile, storage: RandomFile): SavedIndex | null {
  try {
    const saved = load(file);
    return saved !== null && agrees(saved, storage) ? saved : null;
  } catch (error) {
    if (error instanceof PickleError || error instanceof FileError) return null;
    throw error;
  } finally {
    file.close();
  }
}

function load(file: RandomFile): SavedIndex | null {
  const index = new OidIndex();
  let position: number | null = null;
  for (const value of pickles(file)) {
    if (position === null) {
      if (typeof value !== "bigint") return null;
      position = Number(value);
    } else if (value === null) {
      return { index, position };
    } else if (!addPart(index, value)) {
      return null;
    }
  }
  return null;
}

/** The pickles in a file, one after the other. */
function* pickles(file: RandomFile): IterableIterator<Plain> {
  const { size } = file;
  for (let at = 0; at < size;) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
    file.read(chunk, at);
    const loader = new PlainLoader(chunk);
    let done = 0;
    for (;;) {
      let value: Plain;
      try {
        value = loader.load();
      } catch (error) {
        // The last pickle of a chunk may go on in the next one.
        if (done > 0 && at + chunk.length < size) break;
        throw error;
      }
      yield value;
      done = loader.position;
    }
    at += done;
  }
}

/** Adds the offsets of the objects of one prefix. Returns false when they make no sense. */
function addPart(index: OidIndex, part: Plain): boolean {
  const [prefix, table] = Array.isArray(part) ? part : [];
  if (!(prefix instanceof Uint8Array) || !(table instanceof Uint8Array)) return false;
  const count = table.length / (SUFFIX_BYTES + OFFSET_BYTES);
  if (prefix.length !== PREFIX_BYTES || !Number.isInteger(count)) return false;
  const view = viewOf(table);
  const high = (BigInt(viewOf(prefix).getUint32(0)) << 16n) |
    BigInt(viewOf(prefix).getUint16(4));
  if (high >> 47n !== 0n) return false;
  const offsets = count * SUFFIX_BYTES;
  for (let at = 0; at < count; at++) {
    const low = BigInt(view.getUint16(at * SUFFIX_BYTES));
    const place = offsets + at * OFFSET_BYTES;
    const offset = view.getUint16(place) * 2 ** 32 + view.getUint32(place + 2);
    if (offset < MAGIC_BYTES) return false;
    index.set(oid((high << 16n) | low), offset);
  }
  return true;
}

/**
 * Whether an index is that of a storage: a transaction ends where it ends, and it names the last
 * records of the objects in the last megabytes before, and in transactions from all over it.
 */
function agrees({ index, position }: SavedIndex, storage: RandomFile): boolean {
  const { size } = storage;
  if (!Number.isSafeInteger(position) || position > size) return false;
  if (position < MAGIC_BYTES + TRANSACTION_HEADER_BYTES + WORD_BYTES) return false;
  const start = startOfTail(storage, position);
  return start !== null && knowsAll({ index, position }, storage, start) &&
    samples(index).every((sample) => isRight({ index, position }, storage, sample));
}

/** Where the last transactions before a position begin; null where none end there. */
function startOfTail(storage: RandomFile, position: number): number | null {
  const word = new Uint8Array(WORD_BYTES);
  let start = position;
  for (let left = TAIL_TRANSACTIONS; left > 0 && start > MAGIC_BYTES; left--) {
    if (position - start >= TAIL_BYTES) break;
    storage.read(word, start - WORD_BYTES);
    start -= WORD_BYTES + Number(viewOf(word).getBigUint64(0));
    if (!Number.isSafeInteger(start) || start < MAGIC_BYTES) return null;
  }
  return start;
}

/** Whether an index knows all records from a transaction on as the last of their objects. */
function knowsAll({ index, position }: SavedIndex, storage: RandomFile, start: number): boolean {
  const scanner = new Scanner({ file: storage, position: start, end: position });
  const newest = new OidIndex();
  let end = start;
  for (let next = scanner.next(); next !== null; next = scanner.next()) {
    for (const { oid, position } of scanner.records(next)) newest.set(oid, position);
    end = next.end + WORD_BYTES;
  }
  // Where the last one was undone in place, which one is the last has to be looked for.
  if (end !== position) return false;
  for (const [id, at] of newest.entries()) if (index.get(id) !== at) return false;
  return true;
}

/** Entries from all over an index. */
function samples(index: OidIndex): [Oid, number][] {
  const step = Math.max(1, Math.floor(index.size / SAMPLES));
  const found: [Oid, number][] = [];
  let number = 0;
  for (const entry of index.entries()) if (number++ % step === 0) found.push(entry);
  return found;
}

/** Whether an entry points to a record of its object, beside which no record is newer than known. */
function isRight(
  { index, position }: SavedIndex,
  storage: RandomFile,
  [id, at]: readonly [Oid, number],
): boolean {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + WORD_BYTES);
  if (storage.read(bytes, at) < bytes.length || at >= position) return false;
  const { oid, transaction } = readRecordHeader(storage.path, bytes, at);
  if (oid !== id || transaction >= at) return false;
  const windowBytes = SAMPLE_WINDOW_BYTES;
  const scanner = new Scanner({ file: storage, position: transaction, end: position, windowBytes });
  const header = scanner.next();
  // One that was undone in place is left out.
  if (header === null || header.position !== transaction) return true;
  let left = SAMPLE_RECORDS;
  for (const record of scanner.records(header)) {
    if (index.get(record.oid) < record.position) return false;
    if (--left === 0) break;
  }
  return true;
}
