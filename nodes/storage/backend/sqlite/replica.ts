/**
 * Rows of `trans` and `obj` as replicas compare and exchange them: by partition, in the order of
 * tids, which is that of the index by (partition, tid, oid).
 */

import { type Oid, partitionOf, type Tid, ZERO_OID, ZERO_TID } from "../../../codec/ids.ts";
import type { SqlRow, SqlStatement } from "../../../host/host.ts";
import type {
  DataId,
  ReplicaObject,
  ReplicaTable,
  ReplicaTransaction,
  RevisionKey,
  RevisionRange,
  UndoCompletion,
} from "../backend.ts";
import { bytesOf, integerOf, oidOf, packOids, tidOf, tidOrNullOf, unpackOids } from "./columns.ts";
import type { Connection, WriteStatement } from "./connection.ts";
import { type SqliteData, storedData } from "./data.ts";
import type { LastIds } from "./last_ids.ts";
import type { SqliteSettings } from "./settings.ts";

/** Revisions without data that are looked at in one slice of work. */
const SLICE_ROWS = 256;

export interface ReplicaParts {
  readonly connection: Connection;
  readonly settings: SqliteSettings;
  readonly data: SqliteData;
  readonly lastIds: LastIds;
}

export class SqliteReplica implements ReplicaTable {
  readonly #parts: ReplicaParts;
  readonly #revisions: SqlStatement;
  readonly #transaction: SqlStatement;
  readonly #object: SqlStatement;
  readonly #dataId: SqlStatement;
  readonly #insertTransaction: WriteStatement;
  readonly #insertObject: WriteStatement;
  readonly #deleteTransaction: WriteStatement;
  readonly #deleteObject: WriteStatement;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    const { connection } = parts;
    this.#revisions = connection.read(
      "SELECT tid, oid FROM obj WHERE partition = ?1 AND tid >= ?2 AND tid <= ?3 " +
        "AND (tid > ?2 OR oid >= ?4) ORDER BY tid, oid LIMIT ?5",
    );
    const columns = "partition, tid, packed, oids, user, description, ext, ttid";
    this.#transaction = connection.read(
      `SELECT ${columns} FROM trans WHERE partition = ? AND tid = ?`,
    );
    this.#object = connection.read(
      "SELECT value_tid, data_id, hash, compression, value FROM obj " +
        "LEFT JOIN data ON data.id = obj.data_id WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#dataId = connection.read(
      "SELECT data_id FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#insertTransaction = connection.write(
      `INSERT OR IGNORE INTO trans (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertObject = connection.write(
      "INSERT INTO obj (partition, oid, tid, data_id, value_tid) VALUES (?, ?, ?, ?, ?)",
    );
    this.#deleteTransaction = connection.write(
      "DELETE FROM trans WHERE partition = ? AND tid = ?",
    );
    this.#deleteObject = connection.write(
      "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
  }

  #partition(id: Oid | Tid): number {
    return partitionOf(id, this.#parts.settings.knownPartitions);
  }

  revisions({ offset, minTid, minOid, maxTid, count }: RevisionRange): RevisionKey[] {
    return this.#revisions.all(offset, minTid, maxTid, minOid, count)
      .map(({ tid, oid }) => ({ tid: tidOf(tid), oid: oidOf(oid) }));
  }

  transaction(tid: Tid): ReplicaTransaction | null {
    const row = this.#transaction.get(this.#partition(tid), tid);
    if (row === undefined) return null;
    return {
      tid,
      ttid: tidOf(row.ttid),
      packed: integerOf(row.packed) !== 0n,
      oids: unpackOids(bytesOf(row.oids)),
      user: bytesOf(row.user),
      description: bytesOf(row.description),
      extension: bytesOf(row.ext),
    };
  }

  object({ oid, tid }: RevisionKey): ReplicaObject | null {
    const row = this.#object.get(this.#partition(oid), oid, tid);
    if (row === undefined) return null;
    const value = storedData(row);
    // Without its data it must not look like the undo of a creation elsewhere.
    if (value === null && row.data_id !== null) return null;
    return { oid, tid, value, valueTid: tidOrNullOf(row.value_tid) };
  }

  addTransaction(transaction: ReplicaTransaction): void {
    const { tid, packed, oids, user, description, extension, ttid } = transaction;
    const flag = packed ? 1 : 0;
    const rest = [packOids(oids), user, description, extension, ttid];
    this.#insertTransaction.run(this.#partition(tid), tid, flag, ...rest);
  }

  addObject({ oid, tid, value, valueTid }: ReplicaObject): void {
    const { data } = this.#parts;
    const partition = this.#partition(oid);
    if (this.#dataId.get(partition, oid, tid) !== undefined) return;
    let dataId = valueTid === null ? null : this.#dataOf(partition, oid, valueTid);
    const isOwn = dataId === null && value !== null;
    if (isOwn) dataId = data.store(oid, value);
    this.#insertObject.run(partition, oid, tid, dataId, valueTid);
    if (isOwn && dataId !== null) data.release([dataId]);
  }

  /** The data of a revision; null when there is none, or when it has none. */
  #dataOf(partition: number, oid: Oid, tid: Tid): DataId | null {
    const row = this.#dataId.get(partition, oid, tid);
    return row === undefined ? null : dataIdOf(row);
  }

  deleteTransactions(tids: readonly Tid[]): void {
    for (const tid of tids) this.#deleteTransaction.run(this.#partition(tid), tid);
  }

  deleteObjects(keys: readonly RevisionKey[]): void {
    const ids: DataId[] = [];
    for (const { oid, tid } of keys) {
      const partition = this.#partition(oid);
      const dataId = this.#dataOf(partition, oid, tid);
      if (dataId !== null) ids.push(dataId);
      this.#deleteObject.run(partition, oid, tid);
    }
    this.#parts.data.prune(ids);
  }

  lastTids(offset: number): { trans: Tid | null; obj: Tid | null } {
    const { lastIds } = this.#parts;
    return { trans: lastIds.transactionTid(offset), obj: lastIds.objectTid(offset) };
  }

  async completeUndos({ offset, pause, found }: UndoCompletion): Promise<number> {
    const { connection } = this.#parts;
    // Those that are pending come first: whatever is committed meanwhile is complete already.
    let missing = this.#completePending(offset, found);
    const find = connection.read(
      "SELECT oid, tid, value_tid FROM obj WHERE data_id IS NULL AND partition = ?1 " +
        "AND oid >= ?2 AND (oid > ?2 OR tid > ?3) ORDER BY oid, tid LIMIT ?4",
    );
    const set = connection.write(
      "UPDATE obj SET data_id = ? WHERE partition = ? AND oid = ? AND tid = ?",
    );
    let last: RevisionKey = { oid: ZERO_OID, tid: ZERO_TID };
    for (;;) {
      const rows = find.all(offset, last.oid, last.tid, SLICE_ROWS);
      for (const row of rows) {
        last = { oid: oidOf(row.oid), tid: tidOf(row.tid) };
        if (row.value_tid === null) continue;
        const target = this.#dataId.get(offset, last.oid, tidOf(row.value_tid));
        if (target === undefined) missing++;
        else set.run(dataIdOf(target), offset, last.oid, last.tid);
      }
      if (rows.length < SLICE_ROWS || !await pause()) return missing;
    }
  }

  #completePending(offset: number, found: UndoCompletion["found"]): number {
    const { connection } = this.#parts;
    const rows = connection.read(
      "SELECT tid, oid, value_tid FROM tobj " +
        "WHERE partition = ? AND data_id IS NULL AND value_tid IS NOT NULL",
    ).all(offset);
    const set = connection.write("UPDATE tobj SET data_id = ? WHERE tid = ? AND oid = ?");
    let missing = 0;
    for (const row of rows) {
      const [ttid, oid] = [tidOf(row.tid), oidOf(row.oid)];
      const target = this.#dataId.get(offset, oid, tidOf(row.value_tid));
      if (target === undefined) missing++;
      const dataId = target === undefined ? null : dataIdOf(target);
      if (dataId === null) continue;
      set.run(dataId, ttid, oid);
      found({ ttid, oid, dataId });
    }
    return missing;
  }
}

function dataIdOf({ data_id: id }: SqlRow): DataId | null {
  return id === null ? null : integerOf(id);
}
