/** Committed revisions of objects: the table `obj`, with the data that its rows refer to. */

import type { UndoSerial } from "../../../../gen/packets.ts";
import { type Oid, partitionOf, type Tid, ZERO_TID } from "../../../codec/ids.ts";
import type { LogSink, SqlRow } from "../../../host/host.ts";
import type { ObjectRecord, ObjectTable, Revision, StoredData, Undo } from "../backend.ts";
import { integerOf, tidOf, tidOrNullOf } from "./columns.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import type { ReadStatement, SqlConnection } from "./connection.ts";
import { isInPieces, type SqlData, storedData } from "./data.ts";
import type { Dialect } from "./dialect.ts";
import type { SqlSettings } from "./settings.ts";

/** A revision without its data. */
interface Version {
  readonly tid: Tid;
  readonly valueTid: Tid | null;
}

export interface ObjectParts {
  readonly connection: SqlConnection;
  readonly settings: SqlSettings;
  readonly data: SqlData;
  readonly dialect: Dialect;
  readonly log: LogSink;
}

export class SqlObjects implements ObjectTable {
  readonly #parts: ObjectParts;
  readonly #last: ReadStatement;
  readonly #at: ReadStatement;
  readonly #before: ReadStatement;
  readonly #valueAt: ReadStatement;
  readonly #lastTid: ReadStatement;
  readonly #history: ReadStatement;
  readonly #versionAt: ReadStatement;
  readonly #versionBefore: ReadStatement;
  readonly #lastVersion: ReadStatement;

  constructor(parts: ObjectParts) {
    this.#parts = parts;
    const { connection, dialect: { objByOid: obj, laterByOid: later, dataSize } } = parts;
    const withData = `FROM ${obj} LEFT JOIN data ON data.id = obj.data_id ` +
      "WHERE partition = ? AND oid = ?";
    const columns = "tid, value_tid, data_id, hash, compression, value";
    const next = `(SELECT later.tid FROM ${later} WHERE later.partition = obj.partition ` +
      "AND later.oid = obj.oid AND later.tid > obj.tid ORDER BY later.tid LIMIT 1) AS next_tid";
    const record = `SELECT ${columns}, ${next} ${withData}`;
    const version = `SELECT tid, value_tid FROM ${obj} WHERE partition = ? AND oid = ?`;
    const newest = "ORDER BY tid DESC LIMIT 1";
    // Nothing follows the last revision.
    this.#last = connection.lookup(`SELECT ${columns}, NULL AS next_tid ${withData} ${newest}`);
    this.#at = connection.lookup(`${record} AND tid = ?`);
    this.#before = connection.lookup(`${record} AND tid < ? ${newest}`);
    this.#valueAt = connection.read(`${record} AND tid = ?`);
    this.#lastTid = connection.lookup(
      `SELECT tid FROM ${obj} WHERE partition = ? AND oid = ? ${newest}`,
    );
    this.#history = connection.lookup(
      `SELECT tid, ${dataSize} AS size ${withData} AND tid >= ? ORDER BY tid DESC LIMIT ? OFFSET ?`,
    );
    this.#versionAt = connection.lookup(`${version} AND tid = ?`);
    this.#versionBefore = connection.lookup(`${version} AND tid < ? ${newest}`);
    this.#lastVersion = connection.lookup(`${version} ${newest}`);
  }

  #partition(oid: Oid): number {
    return partitionOf(oid, this.#parts.settings.knownPartitions);
  }

  load(oid: Oid, revision: Revision): Eventual<ObjectRecord | null> {
    const { at, before } = revision;
    const partition = this.#partition(oid);
    const row = at !== null
      ? this.#at.get(partition, oid, at)
      : before !== null
      ? this.#before.get(partition, oid, before)
      : this.#last.get(partition, oid);
    return then(row, (row) => {
      if (row === undefined) return null;
      if (!isInPieces(row)) return this.#record(oid, row, storedData(row));
      return this.#parts.connection.atomically(() =>
        this.#loadPieces(partition, oid, tidOf(row.tid))
      );
    });
  }

  /** The row is read again, in order, lest a pack deletes the pieces in between. */
  #loadPieces(partition: number, oid: Oid, tid: Tid): Eventual<ObjectRecord | null> {
    return then(this.#valueAt.get(partition, oid, tid), (row) => {
      if (row === undefined) return null;
      return then(this.#parts.data.read(row), (value) => this.#record(oid, row, value));
    });
  }

  #record(oid: Oid, row: SqlRow, value: StoredData | null): ObjectRecord | null {
    const tid = tidOf(row.tid);
    if (value === null && row.data_id !== null) {
      const problem = `the data of the object ${oid} at ${tid} are missing`;
      this.#parts.log.log("ERROR", "storage", problem);
      return null;
    }
    const nextTid = tidOrNullOf(row.next_tid);
    return { tid, nextTid, value, valueTid: tidOrNullOf(row.value_tid) };
  }

  exists(oid: Oid): Eventual<boolean> {
    return then(this.#lastTid.get(this.#partition(oid), oid), (row) => row !== undefined);
  }

  lastTid(oid: Oid): Eventual<Tid | null> {
    const { lastTids } = this.#parts.connection;
    return lastTids === null
      ? this.#findLastTid(oid)
      : lastTids.get(oid, () => this.#findLastTid(oid));
  }

  #findLastTid(oid: Oid): Eventual<Tid | null> {
    return then(
      this.#lastTid.get(this.#partition(oid), oid),
      (row) => row === undefined ? null : tidOf(row.tid),
    );
  }

  has(oid: Oid, tid: Tid): Eventual<boolean> {
    return then(
      this.#versionAt.get(this.#partition(oid), oid, tid),
      (row) => row !== undefined,
    );
  }

  history(
    oid: Oid,
    { first, count }: { readonly first: number; readonly count: number },
  ): Eventual<{ serial: Tid; size: number }[]> {
    const since = this.#parts.settings.packTid ?? ZERO_TID;
    const [limit, offset] = [BigInt(count), BigInt(first)];
    return then(
      this.#history.all(this.#partition(oid), oid, since, limit, offset),
      (rows) =>
        rows.map(({ tid, size }) => ({
          serial: tidOf(tid),
          size: size === null ? 0 : Number(integerOf(size)),
        })),
    );
  }

  undoSerial(oid: Oid, undo: Undo): Eventual<UndoSerial | null> {
    return eventually(this.#undoSerial(oid, undo));
  }

  *#undoSerial(oid: Oid, { ttid, ltid, undoneTid, pending }: Undo): Steps<UndoSerial | null> {
    const partition = this.#partition(oid);
    const undone = versionOf(yield* got(this.#versionAt.get(partition, oid, undoneTid)));
    if (undone === null) return null;
    let currentSerial: Tid;
    let currentData: Tid;
    if (pending !== undefined) {
      currentSerial = currentData = pending.valueTid ?? ttid;
    } else {
      const current = versionOf(
        yield* got(
          ltid === null
            ? this.#lastVersion.get(partition, oid)
            : this.#versionBefore.get(partition, oid, ltid),
        ),
      );
      if (current === null) return null;
      currentSerial = current.tid;
      currentData = yield* this.#resolve(oid, current);
    }
    const undoneData = yield* this.#resolve(oid, undone);
    const previous = versionOf(yield* got(this.#versionBefore.get(partition, oid, undoneTid)));
    return {
      currentSerial,
      undoSerial: previous === null ? null : yield* this.#resolve(oid, previous),
      isCurrent: undoneData === currentData || undoneData === ttid,
    };
  }

  /** The revision that a version's data were first written by. */
  *#resolve(oid: Oid, start: Version): Steps<Tid> {
    const partition = this.#partition(oid);
    let { tid, valueTid } = start;
    while (valueTid !== null) {
      const target: Version | null = valueTid < tid
        ? versionOf(yield* got(this.#versionAt.get(partition, oid, valueTid)))
        : null;
      if (target === null) {
        const problem = `the object ${oid} at ${tid} takes its data from ${valueTid}, which ` +
          "is no earlier revision of it";
        this.#parts.log.log("ERROR", "storage", problem);
        return start.tid;
      }
      ({ tid, valueTid } = target);
    }
    return tid;
  }
}

function versionOf(row: SqlRow | undefined): Version | null {
  if (row === undefined) return null;
  return { tid: tidOf(row.tid), valueTid: tidOrNullOf(row.value_tid) };
}
