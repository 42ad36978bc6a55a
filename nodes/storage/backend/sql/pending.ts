/**
 * Transactions between vote and commit: `tobj` has what they store, under their ttid, and `ttrans`
 * their metadata, with the final tid once they are locked. They outlive a crash, so that the
 * master can find out what became of them.
 */

import { type Oid, partitionOf, type Tid } from "../../../codec/ids.ts";
import type { SqlValue } from "../../../host/host.ts";
import type {
  PendingStore,
  PendingTable,
  TransactionMetadata,
  Unlock,
  Unlocking,
} from "../backend.ts";
import { dataIds, integerOf, OBJECT_COLUMNS, packOids, tidOf, tidOrNullOf } from "./columns.ts";
import { type Eventual, eventually, got, type Steps, then, unawaited } from "../eventual.ts";
import type {
  InsertStatement,
  ReadStatement,
  SqlConnection,
  WriteStatement,
} from "./connection.ts";
import type { SqlData } from "./data.ts";
import { MovedInParts, PartStatements } from "./moved_in_parts.ts";
import type { SqlSettings } from "./settings.ts";

/** What is written at vote. */
type Vote = Parameters<PendingTable["vote"]>[0];

export class SqlPending implements PendingTable {
  readonly #settings: SqlSettings;
  readonly #data: SqlData;
  readonly #insertObjects: InsertStatement;
  readonly #insertTransaction: WriteStatement;
  readonly #lock: WriteStatement;
  readonly #moveTransaction: WriteStatement;
  readonly #moveObjects: WriteStatement;
  readonly #deleteTransaction: WriteStatement;
  readonly #deleteObjects: WriteStatement;
  readonly #undoTarget: ReadStatement;
  readonly #heldBy: ReadStatement;
  readonly #held: ReadStatement;
  readonly #locked: ReadStatement;
  readonly #voted: ReadStatement;
  readonly #deleteObjectsOf: WriteStatement;
  readonly #deleteTransactionsOf: WriteStatement;
  readonly #connection: SqlConnection;
  readonly #parts: PartStatements;
  /** Transactions of this life of the node that have voted. */
  readonly #unfinished = new Map<Tid, { readonly stores: Vote["stores"]; isAborted: boolean }>();

  constructor(connection: SqlConnection, settings: SqlSettings, data: SqlData) {
    this.#connection = connection;
    this.#settings = settings;
    this.#data = data;
    this.#parts = new PartStatements(connection);
    this.#insertObjects = connection.insert("tobj", OBJECT_COLUMNS);
    const columns = "partition, tid, packed, oids, user, description, ext, ttid";
    this.#insertTransaction = connection.write(
      `INSERT INTO ttrans (${columns}) VALUES (?, NULL, 0, ?, ?, ?, ?, ?)`,
    );
    this.#lock = connection.write("UPDATE ttrans SET tid = ? WHERE ttid = ?");
    this.#moveTransaction = connection.write(
      `REPLACE INTO trans (${columns}) SELECT ${columns} FROM ttrans WHERE ttid = ?`,
    );
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
    this.#held = connection.read("SELECT data_id FROM tobj WHERE data_id IS NOT NULL");
    this.#locked = connection.read("SELECT ttid, tid FROM ttrans");
    this.#voted = connection.read("SELECT DISTINCT tid FROM tobj");
    this.#deleteObjectsOf = connection.write("DELETE FROM tobj WHERE partition = ?");
    this.#deleteTransactionsOf = connection.write("DELETE FROM ttrans WHERE partition = ?");
  }

  vote(vote: Vote): void {
    const { ttid, stores, part = stores, metadata } = vote;
    this.#connection.trail?.tid(ttid);
    this.#unfinished.set(ttid, { stores, isAborted: false });
    unawaited(
      this.#connection.atomically(() =>
        then(eventually(this.#takeUndone(ttid, part)), () => {
          this.#insertStores(ttid, part);
          if (metadata !== null) this.#insertMetadata(ttid, metadata);
        })
      ),
    );
  }

  /** Fills in the data of undos; there are none where the cell is not complete yet. */
  *#takeUndone(ttid: Tid, stores: ReadonlyMap<Oid, PendingStore>): Steps<void> {
    for (const [oid, store] of stores) {
      if (store.valueTid === null) continue;
      const partition = partitionOf(oid, this.#settings.knownPartitions);
      const row = yield* got(this.#undoTarget.get(partition, oid, store.valueTid));
      if (row === undefined || row.data_id === null) continue;
      // Who aborts gives up what a store holds at that moment, and no more.
      if (this.#unfinished.get(ttid)?.isAborted !== false) return;
      store.dataId = integerOf(row.data_id);
      this.#data.hold(store.dataId);
    }
  }

  #insertStores(ttid: Tid, stores: ReadonlyMap<Oid, PendingStore>): void {
    const partitions = this.#settings.knownPartitions;
    const rows: SqlValue[][] = [];
    for (const [oid, { dataId, valueTid }] of stores) {
      rows.push([partitionOf(oid, partitions), oid, ttid, dataId, valueTid]);
    }
    this.#insertObjects.run(rows);
  }

  #insertMetadata(ttid: Tid, metadata: TransactionMetadata): void {
    const { oids, user, description, extension } = metadata;
    const partition = partitionOf(ttid, this.#settings.knownPartitions);
    this.#insertTransaction.run(partition, packOids(oids), user, description, extension, ttid);
  }

  lock({ ttid, tid }: { readonly ttid: Tid; readonly tid: Tid }): void {
    this.#connection.trail?.tid(tid);
    this.#connection.inOrder(() => this.#lock.run(tid, ttid));
  }

  unlock(unlock: Unlock): void {
    const { ttid, tid, hasObjects } = unlock;
    if (hasObjects) {
      const { stores } = this.#unfinished.get(ttid) ?? {};
      const oids = stores === undefined ? null : [...stores.keys()];
      this.#connection.changing(oids);
      if (oids !== null) this.#connection.lastTids?.set(oids, tid);
    }
    this.#unfinished.delete(ttid);
    this.#connection.inOrder(() => this.#move(unlock));
  }

  unlockInParts(unlock: Unlock): Unlocking {
    const { hold } = this.#connection;
    if (hold === null) return this.#unlockAtOnce(unlock);
    this.#connection.changing(null);
    this.#unfinished.delete(unlock.ttid);
    const moveRest = () => unawaited(this.#connection.inOrder(() => this.#moveAll(unlock)));
    return new MovedInParts({ unlock, statements: this.#parts, hold, moveRest });
  }

  #unlockAtOnce(unlock: Unlock): Unlocking {
    let isOver = false;
    const finish = () => {
      if (!isOver) this.unlock(unlock);
      isOver = true;
    };
    return {
      some: () => {
        finish();
        return false;
      },
      finish,
    };
  }

  /** The same, however many objects there are: SQLite keeps in memory what a statement changes. */
  #moveAll(unlock: Unlock): Eventual<void> {
    const parts = this.#connection.hold === null ? undefined : this.#parts.moveMost(unlock);
    return then(parts, () => this.#move(unlock));
  }

  #move({ ttid, tid, hasMetadata, hasObjects }: Unlock): void {
    if (hasMetadata) {
      this.#moveTransaction.run(ttid);
      this.#deleteTransaction.run(ttid);
    }
    if (hasObjects) {
      this.#moveObjects.run(tid, ttid);
      this.#deleteObjects.run(ttid);
    }
  }

  abort(ttid: Tid): void {
    const vote = this.#unfinished.get(ttid);
    if (vote !== undefined) vote.isAborted = true;
    this.#connection.inOrder(() => {
      this.#unfinished.delete(ttid);
      this.#deleteObjects.run(ttid);
      this.#deleteTransaction.run(ttid);
    });
  }

  dropPartitions(offsets: ReadonlySet<number>): void {
    this.#connection.inOrder(() => {
      for (const offset of offsets) {
        this.#deleteObjectsOf.run(offset);
        this.#deleteTransactionsOf.run(offset);
      }
    });
  }

  list(): Eventual<Map<Tid, Tid | null>> {
    return this.#connection.atomically(() =>
      then(this.#locked.all(), (locked) =>
        then(this.#voted.all(), (voted) => {
          const ttids = new Map<Tid, Tid | null>();
          for (const row of locked) ttids.set(tidOf(row.ttid), tidOrNullOf(row.tid));
          for (const row of voted) {
            const ttid = tidOf(row.tid);
            if (!ttids.has(ttid)) ttids.set(ttid, null);
          }
          return ttids;
        }))
    );
  }

  validate({ ttid, tid }: { readonly ttid: Tid; readonly tid: Tid }): void {
    this.#connection.changing(null);
    this.#connection.trail?.tid(tid);
    unawaited(this.#connection.atomically(() =>
      then(this.#heldBy.all(ttid), (held) => {
        this.#lock.run(tid, ttid);
        const unlock = { ttid, tid, hasMetadata: true, hasObjects: true };
        return then(this.#moveAll(unlock), () => this.#data.release(dataIds(held)));
      })
    ));
  }

  dropAll(): void {
    this.#unfinished.clear();
    unawaited(this.#connection.atomically(() =>
      then(this.#held.all(), (rows) => {
        this.#connection.execute("DELETE FROM tobj");
        this.#connection.execute("DELETE FROM ttrans");
        const held = dataIds(rows);
        this.#data.release(held);
        this.#data.prune(held);
      })
    ));
  }
}
