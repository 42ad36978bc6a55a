/** Committed revisions of objects: the table `obj`, with the data that its rows refer to. */

import type { UndoSerial } from "../../../../gen/packets.ts";
import { type Oid, partitionOf, type Tid, ZERO_TID } from "../../../codec/ids.ts";
import type { LogSink, SqlRow, SqlStatement } from "../../../host/host.ts";
import type { ObjectRecord, ObjectTable, Revision, Undo } from "../backend.ts";
import { integerOf, tidOf, tidOrNullOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { storedData } from "./data.ts";
import type { SqliteSettings } from "./settings.ts";

/** A revision without its data. */
interface Version {
  readonly tid: Tid;
  readonly valueTid: Tid | null;
}

export class SqliteObjects implements ObjectTable {
  readonly #settings: SqliteSettings;
  readonly #log: LogSink;
  readonly #last: SqlStatement;
  readonly #at: SqlStatement;
  readonly #before: SqlStatement;
  readonly #next: SqlStatement;
  readonly #lastTid: SqlStatement;
  readonly #history: SqlStatement;
  readonly #versionAt: SqlStatement;
  readonly #versionBefore: SqlStatement;
  readonly #lastVersion: SqlStatement;

  constructor(connection: Connection, settings: SqliteSettings, log: LogSink) {
    this.#settings = settings;
    this.#log = log;
    const record = "SELECT tid, value_tid, data_id, hash, compression, value FROM obj " +
      "LEFT JOIN data ON data.id = obj.data_id WHERE partition = ? AND oid = ?";
    const version = "SELECT tid, value_tid FROM obj WHERE partition = ? AND oid = ?";
    const newest = "ORDER BY tid DESC LIMIT 1";
    this.#last = connection.read(`${record} ${newest}`);
    this.#at = connection.read(`${record} AND tid = ?`);
    this.#before = connection.read(`${record} AND tid < ? ${newest}`);
    this.#next = connection.read(
      "SELECT tid FROM obj WHERE partition = ? AND oid = ? AND tid > ? ORDER BY tid LIMIT 1",
    );
    this.#lastTid = connection.read(
      `SELECT tid FROM obj WHERE partition = ? AND oid = ? ${newest}`,
    );
    this.#history = connection.read(
      "SELECT tid, LENGTH(value) AS size FROM obj LEFT JOIN data ON data.id = obj.data_id " +
        "WHERE partition = ? AND oid = ? AND tid >= ? ORDER BY tid DESC LIMIT ? OFFSET ?",
    );
    this.#versionAt = connection.read(`${version} AND tid = ?`);
    this.#versionBefore = connection.read(`${version} AND tid < ? ${newest}`);
    this.#lastVersion = connection.read(`${version} ${newest}`);
  }

  #partition(oid: Oid): number {
    return partitionOf(oid, this.#settings.knownPartitions);
  }

  load(oid: Oid, { at, before }: Revision): ObjectRecord | null {
    const partition = this.#partition(oid);
    const row = at !== null
      ? this.#at.get(partition, oid, at)
      : before !== null
      ? this.#before.get(partition, oid, before)
      : this.#last.get(partition, oid);
    if (row === undefined) return null;
    const tid = tidOf(row.tid);
    // Nothing follows the last revision.
    const next = at === null && before === null ? undefined : this.#next.get(partition, oid, tid);
    const value = storedData(row);
    if (value === null && row.data_id !== null) {
      this.#log.log("ERROR", "storage", `the data of the object ${oid} at ${tid} are missing`);
      return null;
    }
    return {
      tid,
      nextTid: next === undefined ? null : tidOf(next.tid),
      value,
      valueTid: tidOrNullOf(row.value_tid),
    };
  }

  exists(oid: Oid): boolean {
    return this.#lastTid.get(this.#partition(oid), oid) !== undefined;
  }

  lastTid(oid: Oid): Tid | null {
    const row = this.#lastTid.get(this.#partition(oid), oid);
    return row === undefined ? null : tidOf(row.tid);
  }

  has(oid: Oid, tid: Tid): boolean {
    return this.#versionAt.get(this.#partition(oid), oid, tid) !== undefined;
  }

  history(
    oid: Oid,
    { first, count }: { readonly first: number; readonly count: number },
  ): { serial: Tid; size: number }[] {
    const since = this.#settings.packTid ?? ZERO_TID;
    return this.#history.all(this.#partition(oid), oid, since, BigInt(count), BigInt(first))
      .map(({ tid, size }) => ({
        serial: tidOf(tid),
        size: size === null ? 0 : Number(integerOf(size)),
      }));
  }

  undoSerial(oid: Oid, { ttid, ltid, undoneTid, pending }: Undo): UndoSerial | null {
    const partition = this.#partition(oid);
    const undone = versionOf(this.#versionAt.get(partition, oid, undoneTid));
    if (undone === null) return null;
    let currentSerial: Tid;
    let currentData: Tid;
    if (pending !== undefined) {
      currentSerial = currentData = pending.valueTid ?? ttid;
    } else {
      const current = versionOf(
        ltid === null
          ? this.#lastVersion.get(partition, oid)
          : this.#versionBefore.get(partition, oid, ltid),
      );
      if (current === null) return null;
      currentSerial = current.tid;
      currentData = this.#resolve(oid, current);
    }
    const undoneData = this.#resolve(oid, undone);
    const previous = versionOf(this.#versionBefore.get(partition, oid, undoneTid));
    return {
      currentSerial,
      undoSerial: previous === null ? null : this.#resolve(oid, previous),
      isCurrent: undoneData === currentData || undoneData === ttid,
    };
  }

  /** The revision that a version's data were first written by. */
  #resolve(oid: Oid, start: Version): Tid {
    const partition = this.#partition(oid);
    let { tid, valueTid } = start;
    while (valueTid !== null) {
      const target: Version | null = valueTid < tid
        ? versionOf(this.#versionAt.get(partition, oid, valueTid))
        : null;
      if (target === null) {
        const problem = `the object ${oid} at ${tid} takes its data from ${valueTid}, which ` +
          "is no earlier revision of it";
        this.#log.log("ERROR", "storage", problem);
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
