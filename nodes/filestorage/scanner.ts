/**
 * Goes through the transactions of a FileStorage, one after the other, as ZODB does when it opens
 * one: it stops before a transaction that is cut off or was never finished, leaves out those that
 * were undone in place, and refuses whatever else is wrong. Unlike ZODB, it also refuses to stop
 * where the file goes on with whole transactions: then it is not the end that is cut off.
 */

import { hexId, type Tid } from "../codec/ids.ts";
import type { RandomFile } from "../host/host.ts";
import {
  damaged,
  MAGIC_BYTES,
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
import { Window } from "./window.ts";

/** How much is read at once, as a rule. */
const WINDOW_BYTES = 1 << 18;

export interface ScannerOptions {
  readonly file: RandomFile;
  /** Where to begin: at a transaction. */
  readonly position?: number;
  /** Where the file ends, as far as it is valid; where it ends at all by default. */
  readonly end?: number;
  /** The tid of the transaction before, if that is known: those that follow are greater. */
  readonly after?: Tid;
  /** How much is read at once. */
  readonly windowBytes?: number;
}

export class Scanner {
  readonly #file: RandomFile;
  readonly #window: Window;
  readonly #end: number;
  #position: number;
  #lastTid: Tid | null;

  constructor(options: ScannerOptions) {
    const { file, position = MAGIC_BYTES, end = file.size, after } = options;
    this.#file = file;
    this.#window = new Window(file, options.windowBytes ?? WINDOW_BYTES);
    this.#end = end;
    this.#position = position;
    this.#lastTid = after ?? null;
  }

  /** Where the next transaction begins, or where the valid part of the file ends. */
  get position(): number {
    return this.#position;
  }

  /** The next transaction; null at the end. Throws a FileError. */
  next(): TransactionHeader | null {
    for (;;) {
      const found = this.#read();
      if (found === null) return null;
      this.#position = found.end + WORD_BYTES;
      if (found.status !== STATUS.undone) return found;
    }
  }

  #read(): TransactionHeader | null {
    const { path } = this.#file;
    const position = this.#position;
    const bytes = this.#window.bytes(position, TRANSACTION_HEADER_BYTES);
    if (bytes.length < TRANSACTION_HEADER_BYTES || position + bytes.length > this.#end) return null;
    const length = Number(viewOf(bytes).getBigUint64(8));
    if (position + length + WORD_BYTES > this.#end || bytes[16] === STATUS.checkpoint) {
      if (!this.#endsWell(position)) return null;
      throw damaged(path, position, "a transaction seems cut off, and others follow it");
    }
    const header = readTransactionHeader(path, bytes, position);
    if (header === null) {
      if (this.#isTail(position)) return null;
      throw damaged(path, position, "the header of a transaction makes no sense");
    }
    const tail = this.#window.bytes(header.end, WORD_BYTES);
    if (Number(viewOf(tail).getBigUint64(0)) !== length) {
      throw damaged(path, position, "the two lengths of a transaction differ");
    }
    if (this.#lastTid !== null && header.tid <= this.#lastTid) {
      const order = `${hexId(header.tid)} follows ${hexId(this.#lastTid)}`;
      throw damaged(path, position, `transactions are not in order: ${order}`);
    }
    this.#lastTid = header.tid;
    return header;
  }

  /** Whether what is left is what a crash left at the end of the file, as ZODB tells it. */
  #isTail(position: number): boolean {
    const tail = this.#window.bytes(this.#end - WORD_BYTES, WORD_BYTES);
    const length = Number(viewOf(tail).getBigUint64(0));
    return this.#end - length < position || length < TRANSACTION_HEADER_BYTES;
  }

  /** Whether the file ends with a whole transaction that begins after a position. */
  #endsWell(position: number): boolean {
    const tail = this.#window.bytes(this.#end - WORD_BYTES, WORD_BYTES);
    if (tail.length < WORD_BYTES) return false;
    const start = this.#end - WORD_BYTES - Number(viewOf(tail).getBigUint64(0));
    if (start <= position) return false;
    const bytes = this.#window.bytes(start, TRANSACTION_HEADER_BYTES);
    if (bytes.length < TRANSACTION_HEADER_BYTES) return false;
    const view = viewOf(bytes);
    const isNewer = this.#lastTid === null || view.getBigUint64(0) > this.#lastTid;
    return isNewer && start + Number(view.getBigUint64(8)) + WORD_BYTES === this.#end;
  }

  /** The data records of a transaction, in order. Throws a FileError. */
  *records(transaction: TransactionHeader): IterableIterator<RecordHeader> {
    const { path } = this.#file;
    for (let at = transaction.start; at < transaction.end;) {
      const bytes = this.#window.bytes(at, RECORD_HEADER_BYTES + WORD_BYTES);
      if (bytes.length < RECORD_HEADER_BYTES + WORD_BYTES) {
        throw damaged(path, at, "there is no data record");
      }
      const record = readRecordHeader(path, bytes, at);
      if (record.end > transaction.end || record.transaction !== transaction.position) {
        throw damaged(path, at, "a data record does not belong to its transaction");
      }
      if (record.previous >= at || record.back >= at) {
        throw damaged(path, at, "a data record points to one that comes later");
      }
      yield record;
      at = record.end;
    }
  }

  /** The data of a record, or a transaction's texts: valid until the next call. */
  bytes(position: number, length: number): Uint8Array {
    const bytes = this.#window.bytes(position, length);
    if (bytes.length === length) return bytes;
    throw damaged(this.#file.path, position, "the file ends there");
  }
}
