/**
 * The format of ZODB's FileStorage, as bytes. A file is a magic number and transactions; each is a
 * header, texts, data records, and its length once more:
 *
 *     transaction: tid 8, length 8, status 1, lengths of user, description and extension 2 each
 *     data record: oid 8, tid 8, previous record of the object 8, its transaction 8, 0 in 2 bytes,
 *                  length of the data 8, then the data, or where there are none, the place of the
 *                  record that has them (0: the creation of the object was undone) in 8
 *
 * Places are offsets in the file. All numbers are big-endian.
 */

import { MAX_ID, type Oid, oid, type Tid, tid } from "../codec/ids.ts";
import { FileError } from "../errors.ts";

/** What files begin with; those of Python 3 have another number. */
export const MAGICS: readonly string[] = ["FS21", "FS30"];
export const MAGIC_BYTES = 4;
export const TRANSACTION_HEADER_BYTES = 23;
export const RECORD_HEADER_BYTES = 42;
/** The length that follows a transaction, and the place that takes the place of data. */
export const WORD_BYTES = 8;
/** User, description and extension may have this many bytes each. */
export const MAX_TEXT_BYTES = 0xffff;
/** How much data of an object is read: far more than any packet carries. */
export const MAX_DATA_BYTES = 1 << 30;

/** What a transaction's status may be: usual, packed, undone in place, or not finished. */
export const STATUS = { usual: 0x20, packed: 0x70, undone: 0x75, checkpoint: 0x63 } as const;

/** A transaction's header. */
export interface TransactionHeader {
  readonly tid: Tid;
  /** Where it begins. */
  readonly position: number;
  /** Where its data records begin, and where they end. */
  readonly start: number;
  readonly end: number;
  readonly status: number;
  readonly user: number;
  readonly description: number;
  readonly extension: number;
}

/** A data record's header. */
export interface RecordHeader {
  readonly oid: Oid;
  readonly tid: Tid;
  readonly position: number;
  /** Where the object's previous record is; 0 for none. */
  readonly previous: number;
  /** Where its transaction is. */
  readonly transaction: number;
  /** Bytes of data; 0 where they are those of the record at `back`. */
  readonly length: number;
  readonly back: number;
  /** Where the record ends. */
  readonly end: number;
}

/** A damaged file: nothing is guessed about what follows. */
export function damaged(path: string, position: number, problem: string): FileError {
  return new FileError(
    `${path} is damaged at ${position}: ${problem}; repair a copy of it with ZODB's fsrecover`,
  );
}

/** Reads a transaction's header; null when its length makes no sense. */
export function readTransactionHeader(
  path: string,
  bytes: Uint8Array,
  position: number,
): TransactionHeader | null {
  const view = viewOf(bytes);
  const length = Number(view.getBigUint64(8));
  const user = view.getUint16(17);
  const description = view.getUint16(19);
  const extension = view.getUint16(21);
  const start = position + TRANSACTION_HEADER_BYTES + user + description + extension;
  const end = position + length;
  const id = view.getBigUint64(0);
  if (start > end || !Number.isSafeInteger(end)) return null;
  if (id > MAX_ID) throw damaged(path, position, `the tid ${id} is greater than 2^63-1`);
  const status = view.getUint8(16);
  return { tid: tid(id), position, start, end, status, user, description, extension };
}

/** Reads a data record's header, which is followed by at least {@link WORD_BYTES} bytes. */
export function readRecordHeader(
  path: string,
  bytes: Uint8Array,
  position: number,
): RecordHeader {
  const view = viewOf(bytes);
  const [id, serial] = [view.getBigUint64(0), view.getBigUint64(8)];
  const versionBytes = view.getUint16(32);
  const length = Number(view.getBigUint64(34));
  if (id > MAX_ID || serial > MAX_ID) throw damaged(path, position, "there is no data record");
  if (versionBytes !== 0) {
    throw damaged(path, position, "the record is of a version, which ZODB 3.9 did away with");
  }
  return {
    oid: oid(id),
    tid: tid(serial),
    position,
    previous: Number(view.getBigUint64(16)),
    transaction: Number(view.getBigUint64(24)),
    length,
    back: length === 0 ? Number(view.getBigUint64(RECORD_HEADER_BYTES)) : 0,
    end: position + RECORD_HEADER_BYTES + (length === 0 ? WORD_BYTES : length),
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
