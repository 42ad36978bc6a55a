/**
 * Writes a FileStorage that ZODB opens. A transaction is marked as unfinished until all of it is
 * there, so whoever opens the file after a crash leaves out what is half written.
 */

import { hexId, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { FileError } from "../errors.ts";
import type { RandomFile } from "../host/host.ts";
import {
  MAGIC_BYTES,
  MAGICS,
  MAX_TEXT_BYTES,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  STATUS,
  TRANSACTION_HEADER_BYTES,
  viewOf,
  WORD_BYTES,
} from "./format.ts";
import { OidIndex } from "./oid_index.ts";
import { Output } from "./output.ts";
import type { Texts } from "./reader.ts";

/** A transaction to be written. */
export interface NewTransaction extends Texts {
  readonly tid: Tid;
  readonly packed: boolean;
}

/** A revision to be written. */
export interface NewRecord {
  readonly oid: Oid;
  /** Null for a deletion. */
  readonly data: Uint8Array | null;
  /** The revision that has the same data because this one goes back to it. */
  readonly dataTid: Tid | null;
}

export interface WriterOptions {
  readonly file: RandomFile;
  /** For a storage that is there: where its transactions end, its last tid, its objects. */
  readonly existing?: {
    readonly end: number;
    readonly lastTid: Tid | null;
    readonly index: OidIndex;
  };
}

interface Open {
  readonly position: number;
  readonly transaction: NewTransaction;
}

export class FileStorageWriter {
  readonly #file: RandomFile;
  readonly #output: Output;
  readonly #index: OidIndex;
  #lastTid: Tid;
  #open: Open | null = null;
  /** Where the objects of the open transaction are. */
  #fresh = new Map<Oid, number>();

  constructor({ file, existing }: WriterOptions) {
    this.#file = file;
    this.#output = new Output(file, existing?.end ?? 0);
    this.#index = existing?.index ?? new OidIndex();
    this.#lastTid = existing?.lastTid ?? ZERO_TID;
    if (existing === undefined) {
      this.#output.append(new TextEncoder().encode(MAGICS[0]).subarray(0, MAGIC_BYTES));
    }
  }

  /** The last transaction's tid; 0 where there is none. */
  get lastTid(): Tid {
    return this.#lastTid;
  }

  /** How many bytes the storage has. */
  get size(): number {
    return this.#output.position;
  }

  /** Begins a transaction, which must be newer than all before. Throws a FileError. */
  begin(transaction: NewTransaction): void {
    const { tid, user, description, extension } = transaction;
    if (tid <= this.#lastTid) {
      const last = hexId(this.#lastTid);
      throw new FileError(`expected a transaction newer than ${last}, found ${hexId(tid)}`);
    }
    for (const [name, { length }] of Object.entries({ user, description, extension })) {
      if (length <= MAX_TEXT_BYTES) continue;
      throw new FileError(
        `the transaction ${hexId(tid)} has ${length} bytes of ${name}, and a FileStorage has ` +
          `room for ${MAX_TEXT_BYTES}`,
      );
    }
    this.#open = { position: this.#output.position, transaction };
    this.#output.append(header(transaction, { length: 0, status: STATUS.checkpoint }));
    for (const text of [user, description, extension]) this.#output.append(text);
  }

  /** Writes a revision of the open transaction. Throws a FileError. */
  store({ oid, data, dataTid }: NewRecord): void {
    const { position: transaction, transaction: { tid } } = this.#opened();
    const previous = this.#index.get(oid);
    const back = data === null || dataTid === null ? 0 : this.#find(oid, previous, dataTid);
    // Empty data look like a deletion, and ZODB has no objects without data.
    const own = back === 0 && data !== null ? data : new Uint8Array(0);
    const bytes = new Uint8Array(RECORD_HEADER_BYTES + (own.length === 0 ? WORD_BYTES : 0));
    const view = viewOf(bytes);
    view.setBigUint64(0, oid);
    view.setBigUint64(8, tid);
    view.setBigUint64(16, BigInt(previous));
    view.setBigUint64(24, BigInt(transaction));
    view.setBigUint64(34, BigInt(own.length));
    if (own.length === 0) view.setBigUint64(RECORD_HEADER_BYTES, BigInt(back));
    this.#fresh.set(oid, this.#output.position);
    this.#output.append(bytes);
    if (own.length > 0) this.#output.append(own);
  }

  /** Where a revision of an object is, among its record at a position and those before; or 0. */
  #find(oid: Oid, position: number, tid: Tid): number {
    for (let at = position; at !== 0;) {
      const bytes = this.#output.read(at, RECORD_HEADER_BYTES + WORD_BYTES);
      const record = readRecordHeader(this.#file.path, bytes, at);
      if (record.oid !== oid || record.tid < tid || record.previous >= at) return 0;
      if (record.tid === tid) return record.length === 0 && record.back === 0 ? 0 : at;
      at = record.previous;
    }
    return 0;
  }

  #opened(): Open {
    if (this.#open === null) throw new RangeError("no transaction was begun");
    return this.#open;
  }

  /** Ends the open transaction. */
  end(): void {
    const { position, transaction } = this.#opened();
    const length = this.#output.position - position;
    this.#output.append(word(length));
    this.#output.change(
      header(transaction, {
        length,
        status: transaction.packed ? STATUS.packed : STATUS.usual,
      }),
      position,
    );
    for (const [oid, at] of this.#fresh) this.#index.set(oid, at);
    this.#fresh = new Map();
    this.#lastTid = transaction.tid;
    this.#open = null;
  }

  /** Returns when everything is on disk. */
  flush(): void {
    this.#output.write();
    this.#file.flush();
  }
}

function header(
  { tid, user, description, extension }: NewTransaction,
  { length, status }: { readonly length: number; readonly status: number },
): Uint8Array {
  const bytes = new Uint8Array(TRANSACTION_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setBigUint64(0, tid);
  view.setBigUint64(8, BigInt(length));
  view.setUint8(16, status);
  view.setUint16(17, user.length);
  view.setUint16(19, description.length);
  view.setUint16(21, extension.length);
  return bytes;
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(WORD_BYTES);
  viewOf(bytes).setBigUint64(0, BigInt(value));
  return bytes;
}
