/** The greatest ids of partitions. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { SqlStatement } from "../../../host/host.ts";
import { oidOf, tidOf } from "./columns.ts";
import type { Connection } from "./connection.ts";

export class LastIds {
  readonly #transaction: SqlStatement;
  readonly #objectTid: SqlStatement;
  readonly #objectOid: SqlStatement;

  constructor(connection: Connection) {
    this.#transaction = connection.read(
      "SELECT tid FROM trans WHERE partition = ? ORDER BY tid DESC LIMIT 1",
    );
    this.#objectTid = connection.read(
      "SELECT tid FROM obj WHERE partition = ? ORDER BY tid DESC LIMIT 1",
    );
    this.#objectOid = connection.read(
      "SELECT oid FROM obj WHERE partition = ? ORDER BY oid DESC LIMIT 1",
    );
  }

  /** The greatest tid of a partition's transactions. */
  transactionTid(offset: number): Tid | null {
    const row = this.#transaction.get(offset);
    return row === undefined ? null : tidOf(row.tid);
  }

  /** The greatest tid of a partition's objects. */
  objectTid(offset: number): Tid | null {
    const row = this.#objectTid.get(offset);
    return row === undefined ? null : tidOf(row.tid);
  }

  /** The greatest tid of a partition's transactions and objects. */
  tidOfPartition(offset: number): Tid | null {
    return greatest(this.transactionTid(offset), this.objectTid(offset));
  }

  /** The greatest ids of some partitions. */
  ofPartitions(offsets: readonly number[]): { oid: Oid | null; tid: Tid | null } {
    let oid: Oid | null = null;
    let tid: Tid | null = null;
    for (const offset of offsets) {
      const row = this.#objectOid.get(offset);
      if (row !== undefined) oid = greatest(oid, oidOf(row.oid));
      tid = greatest(tid, this.tidOfPartition(offset));
    }
    return { oid, tid };
  }
}

function greatest<Id extends bigint>(a: Id | null, b: Id | null): Id | null {
  return a === null || (b !== null && b > a) ? b : a;
}
