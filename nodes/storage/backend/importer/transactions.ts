/** Metadata of transactions while they are imported. */

import { partitionOf, type Tid, tid as asTid } from "../../../codec/ids.ts";
import type { Pause } from "../../../filestorage/reader.ts";
import type { Settings, TransactionRecord, TransactionTable } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import { after } from "./merged.ts";
import type { Past } from "./past.ts";
import type { Progress } from "./progress.ts";

export interface TransactionParts {
  readonly database: TransactionTable;
  readonly settings: Settings;
  readonly past: Past;
  readonly progress: Progress;
  readonly pause: Pause;
}

export class ImporterTransactions implements TransactionTable {
  readonly #parts: TransactionParts;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** Whether a transaction is in the sources and not in the database yet. */
  #isMissing(tid: Tid): boolean {
    const { past, progress } = this.#parts;
    return !progress.isOver && tid > progress.importedTid && tid <= past.lastTid;
  }

  load(tid: Tid): Eventual<TransactionRecord | null> {
    const { database, past, pause } = this.#parts;
    return this.#isMissing(tid) ? past.transaction(tid, pause) : database.load(tid);
  }

  newest(options: {
    readonly offsets: readonly number[];
    readonly first: number;
    readonly count: number;
  }): Eventual<Tid[]> {
    const { database, past, progress } = this.#parts;
    if (progress.isOver) return database.newest(options);
    const { offsets, first, count } = options;
    const end = first + count;
    return then(database.newest({ offsets, first: 0, count: end }), async (found) => {
      const tids = found.filter((tid) => tid > past.lastTid);
      await this.#addNewest(tids, new Set(offsets), end);
      return tids.slice(first, end);
    });
  }

  async #addNewest(tids: Tid[], offsets: ReadonlySet<number>, end: number): Promise<void> {
    const { past, pause } = this.#parts;
    const partitions = this.#partitions;
    if (tids.length >= end) return;
    for (const tid of past.newest()) {
      if (offsets.has(partitionOf(tid, partitions))) tids.push(tid);
      if (tids.length >= end) return;
      await pause();
    }
  }

  get #partitions(): number {
    const { partitions } = this.#parts.settings;
    if (partitions === null) throw new RangeError("the number of partitions is not known");
    return partitions;
  }

  range(options: {
    readonly offset: number;
    readonly min: Tid;
    readonly max: Tid;
    readonly count: number;
  }): Eventual<Tid[]> {
    const { database, progress } = this.#parts;
    return progress.isOver ? database.range(options) : this.#range(options);
  }

  /** Those that are imported, those that are not, and those that came after the import began. */
  async #range({ offset, min, max, count }: {
    readonly offset: number;
    readonly min: Tid;
    readonly max: Tid;
    readonly count: number;
  }): Promise<Tid[]> {
    const { database, past, progress: { importedTid }, pause } = this.#parts;
    const partitions = this.#partitions;
    const least = (a: Tid, b: Tid) => (a < b ? a : b);
    const greatest = (a: Tid, b: Tid) => (a > b ? a : b);
    const tids = await database.range({ offset, min, max: least(max, importedTid), count });
    const missing = { min: greatest(min, after(importedTid)), max: least(max, past.lastTid) };
    tids.push(
      ...await past.range({ offset, partitions, ...missing, count: count - tids.length }, pause),
    );
    const since = { min: greatest(min, asTid(past.lastTid + 1n)), max };
    if (tids.length < count && since.min <= max) {
      tids.push(...await database.range({ offset, ...since, count: count - tids.length }));
    }
    return tids;
  }

  finalTid(ttid: Tid): Eventual<Tid | null> {
    const { database, past, pause } = this.#parts;
    if (!this.#isMissing(ttid)) return database.finalTid(ttid);
    return past.transaction(ttid, pause).then((found) => found === null ? null : ttid);
  }
}
