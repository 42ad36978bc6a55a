/**
 * Rows of `trans` and `obj` as replicas compare and exchange them: by partition, in the order of
 * tids, which is that of the index by (partition, tid, oid).
 */

import { type Oid, partitionOf, type Tid, ZERO_OID, ZERO_TID } from "../../../codec/ids.ts";
import type { SqlRow } from "../../../host/host.ts";
import type {
  AddedObject,
  DataId,
  ReplicaObject,
  ReplicaTable,
  ReplicaTransaction,
  RevisionKey,
  RevisionRange,
  StoredData,
  UndoCompletion,
} from "../backend.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import { Additions, keyOf, matches } from "./additions.ts";
import {
  bytesOf,
  dataIdOf,
  integerOf,
  oidOf,
  packOids,
  tidOf,
  tidOrNullOf,
  unpackOids,
} from "./columns.ts";
import type { ReadStatement, SqlConnection, WriteStatement } from "./connection.ts";
import { isInPieces, storedData } from "./data.ts";
import type { Parts } from "./parts.ts";

/** Revisions without data that are looked at in one slice of work. */
const SLICE_ROWS = 256;

/** Data of up to so many bytes are read together with others. */
const SMALL_BYTES = 1 << 16;

/** How many undos of a slice lack what they go back to, and where the next slice begins. */
interface CompletedSlice {
  readonly missing: number;
  readonly next: RevisionKey | null;
}

export class SqlReplica implements ReplicaTable {
  readonly #parts: Parts;
  readonly #connection: SqlConnection;
  readonly #revisions: ReadStatement;
  readonly #transaction: ReadStatement;
  readonly #object: ReadStatement;
  readonly #objectInOrder: ReadStatement;
  readonly #objects: ReadStatement;
  readonly #dataId: ReadStatement;
  readonly #insertTransaction: WriteStatement;
  readonly #additions: Additions;
  readonly #deleteTransaction: WriteStatement;
  readonly #deleteObject: WriteStatement;
  readonly #withoutData: ReadStatement;
  readonly #setData: WriteStatement;
  readonly #pendingWithoutData: ReadStatement;
  readonly #setPendingData: WriteStatement;

  constructor(parts: Parts) {
    const { connection, dialect } = parts;
    this.#parts = parts;
    this.#connection = connection;
    this.#revisions = connection.read(
      `SELECT tid, oid FROM ${dialect.objByTid} WHERE partition = ?1 AND tid >= ?2 ` +
        "AND tid <= ?3 " +
        "AND (tid > ?2 OR oid >= ?4) ORDER BY tid, oid LIMIT ?5",
    );
    const columns = "partition, tid, packed, oids, user, description, ext, ttid";
    this.#transaction = connection.read(
      `SELECT ${columns} FROM trans WHERE partition = ? AND tid = ?`,
    );
    const object = `SELECT value_tid, data_id, hash, compression, value FROM ${dialect.objByOid} ` +
      "LEFT JOIN data ON data.id = obj.data_id WHERE partition = ? AND oid = ? AND tid = ?";
    this.#object = connection.lookup(object);
    this.#objectInOrder = connection.read(object);
    this.#objects = connection.read(
      "SELECT tid, oid, value_tid, data_id, hash, compression, " +
        "CASE WHEN LENGTH(value) <= ?6 THEN value END AS value " +
        `FROM ${dialect.objByTid} LEFT JOIN data ON data.id = obj.data_id ` +
        "WHERE partition = ?1 AND tid >= ?2 AND tid <= ?3 AND (tid > ?2 OR oid >= ?4) " +
        "ORDER BY tid, oid LIMIT ?5",
    );
    this.#dataId = connection.read(
      "SELECT data_id FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#insertTransaction = connection.write(
      `INSERT INTO trans (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ${dialect.unlessThere}`,
    );
    this.#additions = new Additions(parts, { dataId: this.#dataId, revisions: this.#revisions });
    this.#deleteTransaction = connection.write(
      "DELETE FROM trans WHERE partition = ? AND tid = ?",
    );
    this.#deleteObject = connection.write(
      "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#withoutData = connection.read(
      `SELECT oid, tid, value_tid FROM ${dialect.objByOid} WHERE data_id IS NULL ` +
        "AND partition = ?1 AND oid >= ?2 AND (oid > ?2 OR tid > ?3) ORDER BY oid, tid LIMIT ?4",
    );
    this.#setData = connection.write(
      "UPDATE obj SET data_id = ? WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#pendingWithoutData = connection.read(
      "SELECT tid, oid, value_tid FROM tobj " +
        "WHERE partition = ? AND data_id IS NULL AND value_tid IS NOT NULL",
    );
    this.#setPendingData = connection.write(
      "UPDATE tobj SET data_id = ? WHERE tid = ? AND oid = ?",
    );
  }

  #partition(id: Oid | Tid): number {
    return partitionOf(id, this.#parts.settings.knownPartitions);
  }

  revisions({ offset, minTid, minOid, maxTid, count }: RevisionRange): Eventual<RevisionKey[]> {
    const find = () => this.#revisions.all(offset, minTid, maxTid, minOid, count);
    return then(
      this.#connection.inOrder(find),
      (rows) => rows.map(keyOf),
    );
  }

  transaction(tid: Tid): Eventual<ReplicaTransaction | null> {
    const find = () => this.#transaction.get(this.#partition(tid), tid);
    return then(this.#connection.inOrder(find), (row) => {
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
    });
  }

  object(key: RevisionKey): Eventual<ReplicaObject | null> {
    const { oid, tid } = key;
    return then(this.#object.get(this.#partition(oid), oid, tid), (row) => {
      if (row === undefined) return null;
      if (!isInPieces(row)) return replicaObject(key, row, storedData(row));
      return this.#connection.atomically(() => eventually(this.#loadPieces(key)));
    });
  }

  objects(keys: readonly RevisionKey[]): Eventual<(ReplicaObject | undefined)[]> {
    const [first, last] = [keys[0], keys.at(-1)];
    if (first === undefined || last === undefined) return [];
    const offset = this.#partition(first.oid);
    const read = () =>
      this.#objects.all(offset, first.tid, last.tid, first.oid, keys.length, SMALL_BYTES);
    return then(this.#connection.inOrder(read), (rows) => {
      const found = matches(keys, rows);
      return keys.map((key) => {
        const row = found.get(key);
        // What is not small, or altered, or lies behind strangers, is read by itself.
        const isHere = row !== undefined && (row.value !== null || row.data_id === null);
        return isHere && !isInPieces(row)
          ? replicaObject(key, row, storedData(row)) ?? undefined
          : undefined;
      });
    });
  }

  /** The row is read again, in order, lest a pack deletes the pieces in between. */
  *#loadPieces(key: RevisionKey): Steps<ReplicaObject | null> {
    const { oid, tid } = key;
    const row = yield* got(this.#objectInOrder.get(this.#partition(oid), oid, tid));
    if (row === undefined) return null;
    return replicaObject(key, row, yield* got(this.#parts.data.read(row)));
  }

  addTransaction(transaction: ReplicaTransaction): void {
    const { tid, packed, oids, user, description, extension, ttid } = transaction;
    const flag = packed ? 1 : 0;
    this.#connection.trail?.tid(tid);
    const rest = [packOids(oids), user, description, extension, ttid];
    this.#connection.inOrder(() => {
      this.#insertTransaction.run(this.#partition(tid), tid, flag, ...rest);
    });
  }

  addObjects(objects: readonly AddedObject[]): Eventual<void> {
    const { trail } = this.#connection;
    this.#connection.changing(objects.map(({ oid }) => oid));
    for (const { tid } of objects) trail?.tid(tid);
    return this.#connection.atomically(() => eventually(this.#additions.add(objects)));
  }

  /** The data of a revision; null when there is none, or when it has none. */
  *#dataOf(partition: number, oid: Oid, tid: Tid): Steps<DataId | null> {
    const row = yield* got(this.#dataId.get(partition, oid, tid));
    return row === undefined ? null : dataIdOf(row);
  }

  deleteTransactions(tids: readonly Tid[]): void {
    this.#connection.inOrder(() => {
      for (const tid of tids) this.#deleteTransaction.run(this.#partition(tid), tid);
    });
  }

  deleteObjects(keys: readonly RevisionKey[]): Eventual<void> {
    this.#connection.changing(keys.map(({ oid }) => oid));
    return this.#connection.atomically(() => eventually(this.#delete(keys)));
  }

  *#delete(keys: readonly RevisionKey[]): Steps<void> {
    const ids: DataId[] = [];
    for (const { oid, tid } of keys) {
      const partition = this.#partition(oid);
      const dataId = yield* this.#dataOf(partition, oid, tid);
      if (dataId !== null) ids.push(dataId);
      this.#deleteObject.run(partition, oid, tid);
    }
    this.#parts.data.prune(ids);
  }

  lastTids(offset: number): Eventual<{ trans: Tid | null; obj: Tid | null }> {
    return this.#connection.atomically(() => this.#parts.lastIds.tids(offset));
  }

  async completeUndos({ offset, pause, found }: UndoCompletion): Promise<number> {
    // Those that are pending come first: whatever is committed meanwhile is complete already.
    let missing = await this.#connection.atomically(() =>
      eventually(this.#completePending(offset, found))
    );
    for (let from: RevisionKey = { oid: ZERO_OID, tid: ZERO_TID };;) {
      const slice = await this.#completeSlice(offset, from);
      missing += slice.missing;
      if (slice.next === null || !await pause()) return missing;
      from = slice.next;
    }
  }

  #completeSlice(offset: number, from: RevisionKey): Eventual<CompletedSlice> {
    this.#connection.changing(null);
    return this.#connection.atomically(() => eventually(this.#completeFrom(offset, from)));
  }

  *#completeFrom(offset: number, from: RevisionKey): Steps<CompletedSlice> {
    const rows = yield* got(this.#withoutData.all(offset, from.oid, from.tid, SLICE_ROWS));
    let last = from;
    let missing = 0;
    for (const row of rows) {
      last = { oid: oidOf(row.oid), tid: tidOf(row.tid) };
      if (row.value_tid === null) continue;
      const target = yield* got(this.#dataId.get(offset, last.oid, tidOf(row.value_tid)));
      if (target === undefined) missing++;
      else this.#setData.run(dataIdOf(target), offset, last.oid, last.tid);
    }
    return { missing, next: rows.length < SLICE_ROWS ? null : last };
  }

  *#completePending(offset: number, found: UndoCompletion["found"]): Steps<number> {
    let missing = 0;
    for (const row of yield* got(this.#pendingWithoutData.all(offset))) {
      const [ttid, oid] = [tidOf(row.tid), oidOf(row.oid)];
      const target = yield* got(this.#dataId.get(offset, oid, tidOf(row.value_tid)));
      if (target === undefined) missing++;
      const dataId = target === undefined ? null : dataIdOf(target);
      if (dataId === null) continue;
      this.#setPendingData.run(dataId, ttid, oid);
      found({ ttid, oid, dataId });
    }
    return missing;
  }
}

function replicaObject(
  { oid, tid }: RevisionKey,
  row: SqlRow,
  value: StoredData | null,
): ReplicaObject | null {
  // Without its data it must not look like the undo of a creation elsewhere.
  if (value === null && row.data_id !== null) return null;
  return { oid, tid, value, valueTid: tidOrNullOf(row.value_tid) };
}
