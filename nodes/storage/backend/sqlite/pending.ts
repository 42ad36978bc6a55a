/**
 * Transactions between vote and commit: `tobj` has what they store, under their ttid, and `ttrans`
 * their metadata, with the final tid once they are locked. They outlive a crash, so that the
 * master can find out what became of them.
 */

import { type Oid, partitionOf, type Tid } from "../../../codec/ids.ts";
import type { SqlStatement, SqlValue } from "../../../host/host.ts";
import type { DataId, PendingStore, PendingTable, TransactionMetadata } from "../backend.ts";
import { integerOf, packOids, tidOf, tidOrNullOf } from "./columns.ts";
import type { Connection, WriteStatement } from "./connection.ts";
import type { SqliteData } from "./data.ts";
import type { SqliteSettings } from "./settings.ts";

/** Rows that one statement inserts where there are many: four times as fast as one by one. */
const BATCH_ROWS = 64;

const ROW = "(?, ?, ?, ?, ?)";

export class SqlitePending implements PendingTable {
  readonly #settings: SqliteSettings;
  readonly #data: SqliteData;
  readonly #insertObject: WriteStatement;
  readonly #insertObjects: WriteStatement;
  readonly #insertTransaction: WriteStatement;
  readonly #lock: WriteStatement;
  readonly #moveTransaction: WriteStatement;
  readonly #deleteLocked: WriteStatement;
  readonly #moveObjects: WriteStatement;
  readonly #deleteTransaction: WriteStatement;
  readonly #deleteObjects: WriteStatement;
  readonly #undoTarget: SqlStatement;
  readonly #heldBy: SqlStatement;
  readonly #connection: Connection;

  constructor(connection: Connection, settings: SqliteSettings, data: SqliteData) {
    this.#connection = connection;
    this.#settings = settings;
    this.#data = data;
    const insert = "INSERT INTO tobj (partition, oid, tid, data_id, value_tid) VALUES";
    this.#insertObject = connection.write(`${insert} ${ROW}`);
    this.#insertObjects = connection.write(
      `${insert} ${Array.from({ length: BATCH_ROWS }, () => ROW).join(", ")}`,
    );
    const columns = "partition, tid, packed, oids, user, description, ext, ttid";
    this.#insertTransaction = connection.write(
      `INSERT INTO ttrans (${columns}) VALUES (?, NULL, 0, ?, ?, ?, ?, ?)`,
    );
    this.#lock = connection.write("UPDATE ttrans SET tid = ? WHERE ttid = ?");
    this.#moveTransaction = connection.write(
      `REPLACE INTO trans (${columns}) SELECT ${columns} FROM ttrans WHERE tid = ?`,
    );
    this.#deleteLocked = connection.write("DELETE FROM ttrans WHERE tid = ?");
    this.#moveObjects = connection.write(
      "REPLACE INTO obj (partition, oid, tid, data_id, value_tid) " +
        "SELECT partition, oid, ?, data_id, value_tid FROM tobj WHERE tid = ?",
    );
    this.#deleteTransaction = connection.write("DELETE FROM ttrans WHERE ttid = ?");
    this.#deleteObjects = connection.write("DELETE FROM tobj WHERE tid = ?");
    this.#undoTarget = connection.read(
      "SELECT data_id FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#heldBy = connection.read(
      "SELECT data_id FROM tobj WHERE tid = ? AND data_id IS NOT NULL",
    );
  }

  vote({ ttid, stores, metadata }: {
    readonly ttid: Tid;
    readonly stores: ReadonlyMap<Oid, PendingStore>;
    readonly metadata: TransactionMetadata | null;
  }): void {
    const partitions = this.#settings.knownPartitions;
    let left = stores.size;
    let batch: SqlValue[] = [];
    for (const [oid, store] of stores) {
      const partition = partitionOf(oid, partitions);
      if (store.valueTid !== null) this.#takeUndone(partition, oid, store);
      if (batch.length === 0 && left < BATCH_ROWS) {
        this.#insertObject.run(partition, oid, ttid, store.dataId, store.valueTid);
        continue;
      }
      left--;
      batch.push(partition, oid, ttid, store.dataId, store.valueTid);
      if (batch.length < 5 * BATCH_ROWS) continue;
      this.#insertObjects.run(...batch);
      batch = [];
    }
    if (metadata === null) return;
    const { oids, user, description, extension } = metadata;
    const partition = partitionOf(ttid, partitions);
    this.#insertTransaction.run(partition, packOids(oids), user, description, extension, ttid);
  }

  /** Fills in an undo's data; there are none where the cell is not complete yet. */
  #takeUndone(partition: number, oid: Oid, store: PendingStore): void {
    const row = this.#undoTarget.get(partition, oid, store.valueTid);
    if (row === undefined || row.data_id === null) return;
    store.dataId = integerOf(row.data_id);
    this.#data.hold(store.dataId);
  }

  lock({ ttid, tid }: { readonly ttid: Tid; readonly tid: Tid }): void {
    this.#lock.run(tid, ttid);
  }

  unlock({ ttid, tid, hasMetadata, hasObjects }: {
    readonly ttid: Tid;
    readonly tid: Tid;
    readonly hasMetadata: boolean;
    readonly hasObjects: boolean;
  }): void {
    if (hasMetadata) {
      this.#moveTransaction.run(tid);
      this.#deleteLocked.run(tid);
    }
    if (hasObjects) {
      this.#moveObjects.run(tid, ttid);
      this.#deleteObjects.run(ttid);
    }
  }

  abort(ttid: Tid): void {
    this.#deleteObjects.run(ttid);
    this.#deleteTransaction.run(ttid);
  }

  dropPartitions(offsets: ReadonlySet<number>): void {
    const objects = this.#connection.write("DELETE FROM tobj WHERE partition = ?");
    const transactions = this.#connection.write("DELETE FROM ttrans WHERE partition = ?");
    for (const offset of offsets) {
      objects.run(offset);
      transactions.run(offset);
    }
  }

  list(): Map<Tid, Tid | null> {
    const ttids = new Map<Tid, Tid | null>();
    for (const row of this.#connection.read("SELECT ttid, tid FROM ttrans").all()) {
      ttids.set(tidOf(row.ttid), tidOrNullOf(row.tid));
    }
    for (const row of this.#connection.read("SELECT DISTINCT tid FROM tobj").all()) {
      const ttid = tidOf(row.tid);
      if (!ttids.has(ttid)) ttids.set(ttid, null);
    }
    return ttids;
  }

  validate({ ttid, tid }: { readonly ttid: Tid; readonly tid: Tid }): void {
    const held = dataIds(this.#heldBy.all(ttid));
    this.#lock.run(tid, ttid);
    this.unlock({ ttid, tid, hasMetadata: true, hasObjects: true });
    this.#data.release(held);
  }

  dropAll(): void {
    const held = dataIds(
      this.#connection.read("SELECT data_id FROM tobj WHERE data_id IS NOT NULL").all(),
    );
    this.#connection.execute("DELETE FROM tobj; DELETE FROM ttrans;");
    this.#data.discard(held);
  }
}

function dataIds(rows: readonly { readonly data_id?: SqlValue }[]): DataId[] {
  return rows.map((row) => integerOf(row.data_id));
}
