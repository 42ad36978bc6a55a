/** Metadata of committed transactions: the table `trans`. */

import { partitionOf, type Tid } from "../../../codec/ids.ts";
import type { SqlStatement } from "../../../host/host.ts";
import type { TransactionRecord, TransactionTable } from "../backend.ts";
import { bytesOf, integerOf, tidOf, tidsOf, unpackOids } from "./columns.ts";
import type { Connection } from "./connection.ts";
import type { SqliteSettings } from "./settings.ts";

export class SqliteTransactions implements TransactionTable {
  readonly #settings: SqliteSettings;
  readonly #select: SqlStatement;
  readonly #newest: SqlStatement;
  readonly #range: SqlStatement;
  readonly #finalTid: SqlStatement;

  constructor(connection: Connection, settings: SqliteSettings) {
    this.#settings = settings;
    this.#select = connection.read(
      "SELECT oids, user, description, ext, packed FROM trans WHERE partition = ? AND tid = ?",
    );
    this.#newest = connection.read(
      "SELECT tid FROM trans WHERE partition = ? ORDER BY tid DESC LIMIT ?",
    );
    this.#range = connection.read(
      "SELECT tid FROM trans WHERE partition = ? AND tid >= ? AND tid <= ? ORDER BY tid LIMIT ?",
    );
    this.#finalTid = connection.read(
      "SELECT tid FROM trans WHERE partition = ? AND tid >= ?2 AND ttid = ?2 ORDER BY tid LIMIT 1",
    );
  }

  load(tid: Tid): TransactionRecord | null {
    const row = this.#select.get(partitionOf(tid, this.#settings.knownPartitions), tid);
    if (row === undefined) return null;
    return {
      oids: unpackOids(bytesOf(row.oids)),
      user: bytesOf(row.user),
      description: bytesOf(row.description),
      extension: bytesOf(row.ext),
      packed: integerOf(row.packed) !== 0n,
    };
  }

  newest({ offsets, first, count }: {
    readonly offsets: readonly number[];
    readonly first: number;
    readonly count: number;
  }): Tid[] {
    // Any of the partitions may have all of the newest.
    const limit = BigInt(first) + BigInt(count);
    const tids = offsets.flatMap((offset) => tidsOf(this.#newest.all(offset, limit)));
    if (offsets.length > 1) tids.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
    return tids.slice(first, first + count);
  }

  range({ offset, min, max, count }: {
    readonly offset: number;
    readonly min: Tid;
    readonly max: Tid;
    readonly count: number;
  }): Tid[] {
    return tidsOf(this.#range.all(offset, min, max, count));
  }

  finalTid(ttid: Tid): Tid | null {
    const row = this.#finalTid.get(partitionOf(ttid, this.#settings.knownPartitions), ttid);
    return row === undefined ? null : tidOf(row.tid);
  }
}
