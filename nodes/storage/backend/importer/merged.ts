/**
 * The transactions of several ZODBs in the order of their tids. Those with the same tid are one:
 * its texts are those of the first ZODB that has it.
 */

import { type Oid, type Tid, tid as asTid } from "../../../codec/ids.ts";
import { type RecordHeader, STATUS } from "../../../filestorage/format.ts";
import type { Pause } from "../../../filestorage/reader.ts";
import type { Transactions } from "../../../filestorage/transactions.ts";
import type { TransactionMetadata } from "../backend.ts";
import type { Source } from "./source.ts";

/** A revision in a source. */
export interface SourceRecord {
  readonly source: Source;
  readonly record: RecordHeader;
}

interface Cursor {
  readonly source: Source;
  readonly transactions: Transactions;
}

export class Merged {
  readonly #cursors: readonly Cursor[];
  #current: readonly Cursor[] = [];

  private constructor(cursors: readonly Cursor[]) {
    this.#cursors = cursors;
    this.#choose();
  }

  /** From the first transaction that is not older than `from`. */
  static async open(sources: readonly Source[], from: Tid, pause: Pause): Promise<Merged> {
    const cursors: Cursor[] = [];
    for (const source of sources) {
      cursors.push({ source, transactions: await source.reader.transactions(from, pause) });
    }
    return new Merged(cursors);
  }

  /** The tid of the current transaction; null behind the last one that is imported. */
  get tid(): Tid | null {
    return this.#current[0]?.transactions.current?.tid ?? null;
  }

  /** How far it is in the files, in bytes. */
  get position(): number {
    return this.#cursors.reduce(
      (sum, { source, transactions }) =>
        sum + (transactions.current?.position ?? source.reader.end),
      0,
    );
  }

  advance(): void {
    for (const { transactions } of this.#current) transactions.advance();
    this.#choose();
  }

  #choose(): void {
    let least: Tid | null = null;
    for (const { source, transactions } of this.#cursors) {
      const { current } = transactions;
      if (current === null || current.tid > source.placement.lastTid) continue;
      if (least === null || current.tid < least) least = current.tid;
    }
    this.#current = this.#cursors.filter(({ source, transactions }) => {
      const { current } = transactions;
      return current !== null && current.tid === least &&
        current.tid <= source.placement.lastTid;
    });
  }

  /** Its records, by the oids of the whole: of two for the same object, the last one counts. */
  records(): Map<Oid, SourceRecord> {
    const records = new Map<Oid, SourceRecord>();
    for (const { source, transactions } of this.#current) {
      for (const record of transactions.records()) {
        records.set(source.whole(record.oid), { source, record });
      }
    }
    return records;
  }

  /** The data of one of its records, as they are in the whole; null for a deletion. */
  data({ source, record }: SourceRecord): Uint8Array | null {
    const cursor = this.#current.find((each) => each.source === source);
    if (cursor === undefined) throw new RangeError("the record is of another transaction");
    const data = cursor.transactions.data(record);
    return data === null ? null : source.moved(data, record);
  }

  /** What the current transaction says of itself. */
  metadata(oids: readonly Oid[]): TransactionMetadata & { readonly packed: boolean } {
    const [first] = this.#current;
    const current = first?.transactions.current;
    if (first === undefined || !current) throw new RangeError("there is no transaction");
    return {
      ...first.source.reader.texts(current),
      packed: current.status === STATUS.packed,
      oids,
    };
  }
}

/** The tid after another one. */
export function after(tid: Tid): Tid {
  return asTid(tid + 1n);
}
