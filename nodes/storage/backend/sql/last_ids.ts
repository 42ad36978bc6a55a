/** The greatest ids of partitions. To be used in the middle of an operation on the database. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import { oidOf, tidOf } from "./columns.ts";
import type { ReadStatement, SqlConnection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";

export class LastIds {
  readonly #transaction: ReadStatement;
  readonly #objectTid: ReadStatement;
  readonly #objectOid: ReadStatement;

  constructor(connection: SqlConnection, dialect: Dialect) {
    const greatest = (column: string, table: string) =>
      connection.read(
        `SELECT ${column} FROM ${table} WHERE partition = ? ORDER BY ${column} DESC LIMIT 1`,
      );
    this.#transaction = greatest("tid", dialect.transByTid);
    this.#objectTid = greatest("tid", dialect.objByTid);
    this.#objectOid = greatest("oid", dialect.objByOid);
  }

  /** The greatest tids of a partition's transactions and of its objects. */
  tids(offset: number): Eventual<{ trans: Tid | null; obj: Tid | null }> {
    return then(
      this.#transaction.get(offset),
      (trans) =>
        then(this.#objectTid.get(offset), (obj) => ({
          trans: trans === undefined ? null : tidOf(trans.tid),
          obj: obj === undefined ? null : tidOf(obj.tid),
        })),
    );
  }

  /** The greatest tid of a partition's transactions and objects. */
  tidOfPartition(offset: number): Eventual<Tid | null> {
    return then(this.tids(offset), ({ trans, obj }) => greatest(trans, obj));
  }

  /** The greatest ids of some partitions. */
  ofPartitions(offsets: readonly number[]): Eventual<{ oid: Oid | null; tid: Tid | null }> {
    return eventually(this.#ofPartitions(offsets));
  }

  *#ofPartitions(offsets: readonly number[]): Steps<{ oid: Oid | null; tid: Tid | null }> {
    let oid: Oid | null = null;
    let tid: Tid | null = null;
    for (const offset of offsets) {
      const row = yield* got(this.#objectOid.get(offset));
      if (row !== undefined) oid = greatest(oid, oidOf(row.oid));
      tid = greatest(tid, yield* got(this.tidOfPartition(offset)));
    }
    return { oid, tid };
  }
}

function greatest<Id extends bigint>(a: Id | null, b: Id | null): Id | null {
  return a === null || (b !== null && b > a) ? b : a;
}
