/**
 * Reads a FileStorage: revisions of objects by its index, transactions in their order. It sees the
 * storage as it was when it was opened, up to the last transaction that is whole.
 */

import { hexId, type Oid, type Tid } from "../codec/ids.ts";
import { FileError } from "../errors.ts";
import type { FileSystem, LogSink, RandomFile } from "../host/host.ts";
import { checkMagic, type Contents, look, type Pause } from "./contents.ts";
import {
  damaged,
  MAGIC_BYTES,
  MAX_DATA_BYTES,
  readRecordHeader,
  readTransactionHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  STATUS,
  TRANSACTION_HEADER_BYTES,
  type TransactionHeader,
  viewOf,
  WORD_BYTES,
} from "./format.ts";
import type { OidIndex } from "./oid_index.ts";
import type { Positions } from "./positions.ts";
import { loadSavedIndex } from "./saved_index.ts";
import { Scanner } from "./scanner.ts";
import { Transactions } from "./transactions.ts";
import { Window } from "./window.ts";

export type { Pause } from "./contents.ts";

/** What is read at once of a single record: mostly all of it. */
const RECORD_WINDOW_BYTES = 8 << 10;

/** Revisions of one object that are gone through without a pause. */
export const RECORDS_AT_ONCE = 128;

/** A record of an object, and the tid of the one after it. */
export interface Found {
  readonly record: RecordHeader;
  readonly next: Tid | null;
}

export interface ReaderOptions {
  readonly files: FileSystem;
  readonly path: string;
  readonly log: LogSink;
  /** Called often; what is to be done at once is done between two calls. */
  readonly pause: Pause;
}

/** A transaction's texts. */
export interface Texts {
  readonly user: Uint8Array;
  readonly description: Uint8Array;
  readonly extension: Uint8Array;
}

export class FileStorageReader {
  readonly path: string;
  readonly #file: RandomFile;
  readonly #log: LogSink;
  #hasStaleIndex = false;
  readonly #window: Window;
  /** Where the last record of each object is. */
  readonly index: OidIndex;
  readonly #positions: Positions;
  /** Where the last whole transaction ends. */
  readonly end: number;
  /** The last transaction's tid; null where there is none. */
  readonly lastTid: Tid | null;

  private constructor(
    file: RandomFile,
    log: LogSink,
    { index, positions, end, lastTid }: Contents,
  ) {
    this.path = file.path;
    this.#log = log;
    this.#file = file;
    this.#window = new Window(file, RECORD_WINDOW_BYTES);
    this.index = index;
    this.#positions = positions;
    this.end = end;
    this.lastTid = lastTid;
  }

  /**
   * Opens a storage, with the index that ZODB saved if it can be trusted, otherwise going through
   * all of it. Rejects with a FileError.
   */
  static async open({ files, path, log, pause }: ReaderOptions): Promise<FileStorageReader> {
    const file = files.open(path, "read");
    if (file === null) throw new FileError(`there is no file ${path}`);
    try {
      checkMagic(file);
      const contents = await look(file, loadSavedIndex(files, file, log), pause);
      const surplus = file.size - contents.end;
      if (surplus > 0) {
        const what = `${surplus} bytes at the end are left out: they are no whole transaction`;
        log.log("WARNING", "filestorage", `${path}: ${what}`);
      }
      return new FileStorageReader(file, log, contents);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get greatestOid(): Oid | null {
    return this.index.greatest();
  }

  /** How many objects there are, deleted ones included. */
  get objectCount(): number {
    return this.index.size;
  }

  /** The last record of an object; null where it has none. Throws a FileError. */
  last(oid: Oid): RecordHeader | null {
    const position = this.index.get(oid);
    return position === 0 ? null : this.#record(oid, position);
  }

  /** The object's record before another one. */
  previous({ oid, previous }: RecordHeader): RecordHeader | null {
    return previous === 0 ? null : this.#record(oid, previous);
  }

  /**
   * The last record of an object before a tid, and the tid of the next one. Where many revisions
   * have to be gone through, `pause` is called in between, and the answer comes later.
   */
  before(oid: Oid, bound: Tid, pause: Pause): Found | null | Promise<Found | null> {
    return this.#before({ at: this.last(oid), next: null }, bound, pause);
  }

  #before(
    from: { readonly at: RecordHeader | null; readonly next: Tid | null },
    bound: Tid,
    pause: Pause,
  ): Found | null | Promise<Found | null> {
    let { at, next } = from;
    for (let left = RECORDS_AT_ONCE; at !== null; at = this.previous(at)) {
      if (at.tid < bound) return { record: at, next };
      if (left-- === 0) {
        const place = { at, next };
        return pause().then(() => this.#before(place, bound, pause));
      }
      next = at.tid;
    }
    return null;
  }

  #record(oid: Oid, position: number): RecordHeader {
    const bytes = this.#window.bytes(position, RECORD_HEADER_BYTES + WORD_BYTES);
    if (bytes.length < RECORD_HEADER_BYTES + WORD_BYTES) {
      throw damaged(this.path, position, "there is no data record");
    }
    const record = readRecordHeader(this.path, bytes, position);
    if (record.oid !== oid || record.previous >= position || record.back >= position) {
      throw damaged(this.path, position, `there is no record of the object ${oid}`);
    }
    return record;
  }

  /** The data of a record, in bytes of their own; null for a deletion. Throws a FileError. */
  data(record: RecordHeader): Uint8Array | null {
    let at = record;
    // Each step goes back in the file, so there is an end.
    while (at.length === 0) {
      if (at.back === 0) return null;
      at = this.#record(at.oid, at.back);
    }
    const start = at.position + RECORD_HEADER_BYTES;
    if (at.end > this.end) throw damaged(this.path, at.position, "a record is cut off");
    if (at.length > MAX_DATA_BYTES) {
      throw new FileError(
        `${this.path}: expected at most ${MAX_DATA_BYTES} bytes of data in an object, found ` +
          `${at.length} at ${at.position}`,
      );
    }
    return this.#window.bytes(start, at.length).slice();
  }

  /** The tid of the record whose data a record takes; null where it has its own, or none. */
  dataTid(record: RecordHeader): Tid | null {
    if (record.length > 0 || record.back === 0) return null;
    return this.#record(record.oid, record.back).tid;
  }

  texts(transaction: TransactionHeader): Texts {
    const { position, user, description, extension, start } = transaction;
    const at = position + TRANSACTION_HEADER_BYTES;
    const bytes = this.#window.bytes(at, start - at);
    return {
      user: bytes.slice(0, user),
      description: bytes.slice(user, user + description),
      extension: bytes.slice(user + description, user + description + extension),
    };
  }

  /** Goes through transactions from the first one that is not older than `from`. */
  async transactions(from: Tid, pause: Pause): Promise<Transactions> {
    const scanner = new Scanner({
      file: this.#file,
      position: this.#positions.floor(from),
      end: this.end,
    });
    for (;;) {
      const transaction = scanner.next();
      if (transaction !== null) this.#positions.note(transaction);
      if (transaction === null || transaction.tid >= from) {
        const parts = {
          scanner,
          positions: this.#positions,
          read: (record: RecordHeader) => this.data(record),
          seen: (record: RecordHeader) => this.#seen(record),
        };
        return new Transactions(parts, transaction);
      }
      await pause();
    }
  }

  /** A saved index is checked in passing, as only a look at everything can. */
  #seen({ oid, position }: RecordHeader): void {
    if (this.index.get(oid) >= position) return;
    this.index.set(oid, position);
    if (this.#hasStaleIndex) return;
    this.#hasStaleIndex = true;
    this.#log.log(
      "ERROR",
      "filestorage",
      `${this.path}.index names an older revision of the object ${
        hexId(oid)
      } than the last: what ` +
        "was loaded so far may be old. Remove the index and start again",
    );
  }

  /** Goes through transactions from the last one back. Throws a FileError. */
  *backwards(): IterableIterator<TransactionHeader> {
    for (let end = this.end; end > MAGIC_BYTES;) {
      const word = this.#window.bytes(end - WORD_BYTES, WORD_BYTES);
      const start = end - WORD_BYTES - Number(viewOf(word).getBigUint64(0));
      const bytes = start < MAGIC_BYTES
        ? null
        : this.#window.bytes(start, TRANSACTION_HEADER_BYTES);
      const header = bytes === null ? null : readTransactionHeader(this.path, bytes, start);
      if (header === null || header.end + WORD_BYTES !== end) {
        throw damaged(this.path, end, "the transaction that ends there makes no sense");
      }
      if (header.status !== STATUS.undone) yield header;
      end = start;
    }
  }

  close(): void {
    this.#file.close();
  }
}
