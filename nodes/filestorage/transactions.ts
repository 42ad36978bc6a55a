/** The transactions of a FileStorage in their order, one at a time. */

import { RECORD_HEADER_BYTES, type RecordHeader, type TransactionHeader } from "./format.ts";
import type { Positions } from "./positions.ts";
import type { Scanner } from "./scanner.ts";

/** Data that are read in one go with the records around them. */
const MAX_READ_AHEAD_BYTES = 64 << 10;

export interface TransactionsParts {
  readonly scanner: Scanner;
  /** What remembers where transactions are. */
  readonly positions: Positions;
  /** Reads the data of any record. */
  readonly read: (record: RecordHeader) => Uint8Array | null;
  /** Called for each record that is come by. */
  readonly seen: (record: RecordHeader) => void;
}

export class Transactions {
  readonly #parts: TransactionsParts;
  #current: TransactionHeader | null;

  constructor(parts: TransactionsParts, current: TransactionHeader | null) {
    this.#parts = parts;
    this.#current = current;
  }

  /** The transaction that is looked at; null behind the last one. */
  get current(): TransactionHeader | null {
    return this.#current;
  }

  advance(): void {
    const { scanner, positions } = this.#parts;
    this.#current = scanner.next();
    if (this.#current !== null) positions.note(this.#current);
  }

  /** The records of the current transaction. */
  *records(): IterableIterator<RecordHeader> {
    if (this.#current === null) return;
    const { scanner, seen } = this.#parts;
    for (const record of scanner.records(this.#current)) {
      seen(record);
      yield record;
    }
  }

  /**
   * The data of a record of the current transaction, in bytes of their own; null for a deletion.
   * They are mostly read already. Throws a FileError.
   */
  data(record: RecordHeader): Uint8Array | null {
    const { position, length } = record;
    const { scanner, read } = this.#parts;
    if (length === 0 || length > MAX_READ_AHEAD_BYTES) return read(record);
    return scanner.bytes(position + RECORD_HEADER_BYTES, length).slice();
  }
}
