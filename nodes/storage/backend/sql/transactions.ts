/** Metadata of committed transactions: the table `trans`. */

import { partitionOf, type Tid } from "../../../codec/ids.ts";
import type { TransactionRecord, TransactionTable } from "../backend.ts";
import { bytesOf, integerOf, tidOf, tidsOf, unpackOids } from "./columns.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import type { ReadStatement, SqlConnection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { SqlSettings } from "./settings.ts";

export interface TransactionParts {
  readonly connection: SqlConnection;
  readonly settings: SqlSettings;
  readonly dialect: Dialect;
}

export class SqlTransactions implements TransactionTable {
  readonly #connection: SqlConnection;
  readonly #settings: SqlSettings;
  readonly #select: ReadStatement;
  readonly #newest: ReadStatement;
  readonly #range: ReadStatement;
  readonly #finalTid: ReadStatement;

  constructor({ connection, settings, dialect }: TransactionParts) {
    this.#connection = connection;
    this.#settings = settings;
    const table = dialect.transByTid;
    this.#select = connection.read(
      "SELECT oids, user, description, ext, packed FROM trans WHERE partition = ? AND tid = ?",
    );
    this.#newest = connection.read(
      `SELECT tid FROM ${table} WHERE partition = ? ORDER BY tid DESC LIMIT ?`,
    );
    this.#range = connection.read(
      `SELECT tid FROM ${table} WHERE partition = ? AND tid >= ? AND tid <= ? ` +
        "ORDER BY tid LIMIT ?",
    );
    this.#finalTid = connection.read(
      `SELECT tid FROM ${table} WHERE partition = ?1 AND tid >= ?2 AND ttid = ?2 ` +
        "ORDER BY tid LIMIT 1",
    );
  }

  load(tid: Tid): Eventual<TransactionRecord | null> {
    const partition = partitionOf(tid, this.#settings.knownPartitions);
    return then(this.#connection.inOrder(() => this.#select.get(partition, tid)), (row) => {
      if (row === undefined) return null;
      return {
        oids: unpackOids(bytesOf(row.oids)),
        user: bytesOf(row.user),
        description: bytesOf(row.description),
        extension: bytesOf(row.ext),
        packed: integerOf(row.packed) !== 0n,
      };
    });
  }

  newest(options: {
    readonly offsets: readonly number[];
    readonly first: number;
    readonly count: number;
  }): Eventual<Tid[]> {
    return this.#connection.atomically(() => eventually(this.#findNewest(options)));
  }

  *#findNewest({ offsets, first, count }: {
    readonly offsets: readonly number[];
    readonly first: number;
    readonly count: number;
  }): Steps<Tid[]> {
    // Any of the partitions may have all of the newest.
    const limit = BigInt(first) + BigInt(count);
    const tids: Tid[] = [];
    for (const offset of offsets) {
      for (const row of yield* got(this.#newest.all(offset, limit))) tids.push(tidOf(row.tid));
    }
    if (offsets.length > 1) tids.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
    return tids.slice(first, first + count);
  }

  range({ offset, min, max, count }: {
    readonly offset: number;
    readonly min: Tid;
    readonly max: Tid;
    readonly count: number;
  }): Eventual<Tid[]> {
    const find = () => this.#range.all(offset, min, max, count);
    return then(this.#connection.inOrder(find), tidsOf);
  }

  finalTid(ttid: Tid): Eventual<Tid | null> {
    const partition = partitionOf(ttid, this.#settings.knownPartitions);
    const find = () => this.#finalTid.get(partition, ttid);
    return then(
      this.#connection.inOrder(find),
      (row) => row === undefined ? null : tidOf(row.tid),
    );
  }
}
