/**
 * What a storage needs of a database, whichever it is. The tables are those of NEO 1.11, so that
 * its nodes can open them.
 *
 * Operations take effect in the order of their calls, and each is atomic. Reads see all that was
 * written before them, committed or not. What is written becomes durable by the next commit only;
 * all logical transactions share one transaction of the database. A write that fails makes the
 * backend unusable: it throws, or calls `failed`, and nothing is committed any more.
 */

import type { CellChange, Row, UndoSerial } from "../../../gen/packets.ts";
import type { Nid, Oid, Tid } from "../../codec/ids.ts";
import type { Eventual } from "./eventual.ts";

/** The id of a row of object data. */
export type DataId = bigint;

/** Object data, as they are stored and sent. */
export interface StoredData {
  readonly compression: boolean;
  /** SHA-1 of `data`. */
  readonly checksum: Uint8Array;
  readonly data: Uint8Array;
}

/** A revision of an object; no data where its creation was undone. */
export interface ObjectRecord {
  readonly tid: Tid;
  /** The next revision of the object. */
  readonly nextTid: Tid | null;
  readonly value: StoredData | null;
  /** For an undo: the revision whose data it has. */
  readonly valueTid: Tid | null;
}

/** Which revision of an object: that of a tid, the last one before a tid, or the last one. */
export interface Revision {
  readonly at: Tid | null;
  readonly before: Tid | null;
}

/** What a transaction that is not finished stores for one object. */
export interface PendingStore {
  /** Its data, which it holds; null for an undo that was not voted, and where there are none. */
  dataId: DataId | null;
  /** For an undo: the revision whose data it takes. */
  valueTid: Tid | null;
}

/** What a transaction says of itself. */
export interface TransactionMetadata {
  readonly user: Uint8Array;
  readonly description: Uint8Array;
  readonly extension: Uint8Array;
  readonly oids: readonly Oid[];
}

/** A committed transaction. */
export interface TransactionRecord extends TransactionMetadata {
  readonly packed: boolean;
}

/** The values of the table `config`; null where there is none. They are read from memory. */
export interface Settings {
  readonly name: string | null;
  nid: Nid | null;
  partitions: number | null;
  replicas: number | null;
  readonly ptid: number | null;
  /** For a backup cluster: up to where readable cells are complete. */
  backupTid: Tid | null;
  truncateTid: Tid | null;
  readonly packTid: Tid | null;
  /** Whether rows may be what nobody else has, so that none are deleted; see keeping.ts. */
  keepsRows: boolean;
  /** How the ZODBs of an import become one; see importer/mapping.ts. */
  zodb: string | null;
}

/** The partition table on disk: all cells of all nodes. */
export interface StoredTable {
  /** All rows, those without a cell included. */
  load(): Eventual<Row[]>;
  /**
   * Replaces everything, and lowers `settings.backupTid` to what own cells have that have become
   * readable by that.
   */
  replace(ptid: number, rows: readonly Row[]): void;
  change(ptid: number, changes: readonly CellChange[]): void;
  /** Up to where each of this node's OUT_OF_DATE cells is complete. */
  progress(): Eventual<Map<number, Tid>>;
  /** This node's OUT_OF_DATE cell is complete up to `tid`. Does nothing for another cell. */
  setProgress(offset: number, tid: Tid): void;
}

/** Committed revisions of objects. */
export interface ObjectTable {
  load(oid: Oid, revision: Revision): Eventual<ObjectRecord | null>;
  /** Whether there is any revision of an object. */
  exists(oid: Oid): Eventual<boolean>;
  /** The tid of the last revision. */
  lastTid(oid: Oid): Eventual<Tid | null>;
  /** Whether there is this very revision. */
  has(oid: Oid, tid: Tid): Eventual<boolean>;
  /** Revisions since the last pack, the newest first, with the sizes of their data in bytes. */
  history(
    oid: Oid,
    range: { readonly first: number; readonly count: number },
  ): Eventual<{ serial: Tid; size: number }[]>;
  /** What to store so as to undo a transaction; null where there is nothing to be found. */
  undoSerial(oid: Oid, undo: Undo): Eventual<UndoSerial | null>;
}

/** An undo of one object that is asked for. */
export interface Undo {
  readonly ttid: Tid;
  /** The undoing transaction sees what is before it; null for everything. */
  readonly ltid: Tid | null;
  readonly undoneTid: Tid;
  /** What the undoing transaction already stores for the object. */
  readonly pending: PendingStore | undefined;
}

/** Metadata of committed transactions. */
export interface TransactionTable {
  load(tid: Tid): Eventual<TransactionRecord | null>;
  /** Tids of some partitions, the newest first. */
  newest(options: {
    readonly offsets: readonly number[];
    readonly first: number;
    readonly count: number;
  }): Eventual<Tid[]>;
  /** Tids of a partition from `min` to `max`, ascending. */
  range(options: {
    readonly offset: number;
    readonly min: Tid;
    readonly max: Tid;
    readonly count: number;
  }): Eventual<Tid[]>;
  finalTid(ttid: Tid): Eventual<Tid | null>;
}

/**
 * Object data, and who needs them besides committed revisions: `hold` and `release` count.
 */
export interface DataTable {
  /** Stores data for an object, and holds them. */
  store(oid: Oid, data: StoredData): Eventual<DataId>;
  hold(id: DataId): void;
  load(id: DataId): Eventual<StoredData>;
  /** Holds no more; the revisions that have been committed need the data from now on. */
  release(ids: Iterable<DataId>): void;
  /** Holds no more, and deletes what nobody needs. */
  discard(ids: readonly DataId[]): void;
}

/** A transaction that is to be a committed one. */
export interface Unlock {
  readonly ttid: Tid;
  readonly tid: Tid;
  readonly hasMetadata: boolean;
  readonly hasObjects: boolean;
}

/** A transaction's way from locked to committed, a part of its objects at a time. */
export interface Unlocking {
  /** Moves some of the objects that are left. Returns whether there may be more. */
  some(): Eventual<boolean>;
  /** Does at once what is left. */
  finish(): void;
}

/** Transactions between vote and commit. */
export interface PendingTable {
  /**
   * Writes what a transaction stores, at once or in parts, and its metadata where this node has
   * them. Undos get the data of the revision they go back to, and hold them.
   */
  vote(options: {
    readonly ttid: Tid;
    /** All that it stores. */
    readonly stores: ReadonlyMap<Oid, PendingStore>;
    /** What of it is written now; all where absent. */
    readonly part?: ReadonlyMap<Oid, PendingStore>;
    readonly metadata: TransactionMetadata | null;
  }): void;
  /** Gives a voted transaction its final tid. */
  lock(transaction: { readonly ttid: Tid; readonly tid: Tid }): void;
  /** Makes a transaction that was locked a committed one. The data stay held. */
  unlock(unlock: Unlock): void;
  /**
   * The same in parts, where one piece would keep others waiting. Whatever others do meanwhile, all
   * parts get on disk together: commits wait for the last one, and it for those before. Until then
   * some of the objects have their new revisions already, which nobody may read.
   */
  unlockInParts(unlock: Unlock): Unlocking;
  /** Deletes what was written at vote. The data stay held. */
  abort(ttid: Tid): void;
  /** Deletes what transactions store in some partitions. The data stay held. */
  dropPartitions(offsets: ReadonlySet<number>): void;
  /** Transactions that voted, with the final tids of those that were locked. */
  list(): Eventual<Map<Tid, Tid | null>>;
  /** Commits a transaction that a former life of the node left, and frees what it held. */
  validate(transaction: { readonly ttid: Tid; readonly tid: Tid }): void;
  /** Deletes all that former lives of the node left. No transaction may be pending. */
  dropAll(): void;
}

/** A committed transaction, as replicas exchange it. */
export interface ReplicaTransaction extends TransactionRecord {
  readonly tid: Tid;
  readonly ttid: Tid;
}

/** Which revision of which object. */
export interface RevisionKey {
  readonly tid: Tid;
  readonly oid: Oid;
}

/** A committed revision, as replicas exchange it: an undo comes with its data as well. */
export interface ReplicaObject extends RevisionKey, Pick<ObjectRecord, "value" | "valueTid"> {}

/** A revision that is to be added. */
export interface AddedObject extends ReplicaObject {
  /** It is known not to be there: nobody looks whether it is. */
  readonly isNew?: boolean;
}

/** Revisions of a partition from (`minTid`, `minOid`) to `maxTid`, in the order of (tid, oid). */
export interface RevisionRange {
  readonly offset: number;
  readonly minTid: Tid;
  readonly minOid: Oid;
  readonly maxTid: Tid;
  readonly count: number;
}

/** What replicas compare and exchange. What is added may be there already, and then stays. */
export interface ReplicaTable {
  revisions(range: RevisionRange): Eventual<RevisionKey[]>;
  transaction(tid: Tid): Eventual<ReplicaTransaction | null>;
  object(key: RevisionKey): Eventual<ReplicaObject | null>;
  /**
   * Reads several revisions of a partition at once, which are in order; undefined in place of those
   * that have to be asked for one by one: they are big, or not there.
   */
  objects(keys: readonly RevisionKey[]): Eventual<(ReplicaObject | undefined)[]>;
  addTransaction(transaction: ReplicaTransaction): void;
  /** Adds revisions in their order: an undo comes after what it goes back to. */
  addObjects(objects: readonly AddedObject[]): Eventual<void>;
  deleteTransactions(tids: readonly Tid[]): void;
  deleteObjects(keys: readonly RevisionKey[]): Eventual<void>;
  /** The greatest tids of a partition's transactions and revisions. */
  lastTids(offset: number): Eventual<{ trans: Tid | null; obj: Tid | null }>;
  /** Gives undos the data that were not there when they were voted; counts those without target. */
  completeUndos(completion: UndoCompletion): Promise<number>;
}

/** An order to complete the undos of a partition. */
export interface UndoCompletion {
  readonly offset: number;
  readonly pause: Pause;
  /** A transaction that has voted gets these data for one of its undos; it has to hold them. */
  found(undo: { readonly ttid: Tid; readonly oid: Oid; readonly dataId: DataId }): void;
}

/** Orders that concern much of the database. */
export interface Maintenance {
  /** The greatest ids of some partitions. */
  lastIds(offsets: readonly number[]): Eventual<{ oid: Oid | null; tid: Tid | null }>;
  /**
   * Deletes what is newer than `settings.truncateTid` in some partitions, and clears it in the end:
   * as long as it is there, the work has to be done (again). A commit must follow.
   */
  truncate(offsets: readonly number[], pause: Pause): Promise<void>;
  /** Deletes everything of partitions, as {@link Drop} says. A commit must follow. */
  dropPartitions(drop: Drop): Promise<void>;
  /** Forgets old revisions, as {@link Pack} says. */
  pack(pack: Pack): Promise<void>;
  /** Counts the data that nobody needs, and deletes them unless it is a dry run. */
  repair(options: { readonly dryRun: boolean; readonly pause: Pause }): Promise<number>;
}

/** Lets others work; resolves to false when the work must not go on. */
export type Pause = () => Promise<boolean>;

/** An order to delete partitions that this node has no cell of any more. */
export interface Drop {
  readonly offsets: readonly number[];
  readonly pause: Pause;
  /** Whether a partition may be deleted still: it may have come back meanwhile. */
  isGone(offset: number): boolean;
}

/** An order to forget revisions that are not needed to see the objects at `tid` and later. */
export interface Pack {
  readonly tid: Tid;
  readonly offsets: readonly number[];
  readonly pause: Pause;
  /**
   * Whether an object of a partition that was deleted keeps that it was. A replica that has it and
   * missed its deletion would otherwise never hear of that.
   */
  keepsDeletions(offset: number): boolean;
  /**
   * A revision is about to go: pending stores that take its data from it take them from `owner`
   * instead, or where there is none, own `dataId` from now on. Returns whether there are any.
   */
  moved(
    oid: Oid,
    from: Tid,
    to: { readonly owner: Tid | null; readonly dataId: DataId | null },
  ): boolean;
}

/** What has room in a database. */
export interface BackendLimits {
  readonly partitions: number;
  /** Bytes of a transaction's user, description and extension, each. */
  readonly textBytes: number;
  /** Oids that one transaction can list. */
  readonly oids: number;
}

/** Work in slices, between which others get their turn. */
export interface Slices {
  /** Whether it is time to pause. */
  readonly isDue: boolean;
  /** Lets others work; resolves to false when the work must end. */
  pause(): Promise<boolean>;
}

/** Work of a backend's own, such as an import. */
export interface BackgroundWork {
  /** Goes on with the work until it is done or must end. Rejects when the node can't go on. */
  run(slices: Slices): Promise<void>;
}

export interface Backend {
  readonly limits: BackendLimits;
  readonly settings: Settings;
  readonly table: StoredTable;
  readonly objects: ObjectTable;
  readonly transactions: TransactionTable;
  readonly data: DataTable;
  readonly pending: PendingTable;
  readonly maintenance: Maintenance;
  readonly replica: ReplicaTable;
  /** What is to be done while the storage operates. */
  readonly work?: BackgroundWork;
  /** Which host and disk the data are on: what the master spreads replicas over. */
  readonly devpath: readonly string[];
  /**
   * Commits at the end of the turn, together with all who ask for it. Resolves when everything
   * that was written before is on disk.
   */
  commit(): Promise<void>;
  /** Commits by itself in a while, unless somebody does earlier. */
  commitLater(): void;
  /** Resolves when no commit that was asked for is under way any more: at once if there is none. */
  committed(): Eventual<void>;
  /** Deletes everything. Only closing may follow. */
  erase(): Eventual<void>;
  /** Frees the database. What was not committed is committed, or lost as in a crash. */
  close(options: { readonly commit: boolean }): Eventual<void>;
}

/** What a backend is opened with. */
export interface BackendOptions {
  /** The cluster's name: a database that belongs to another one is refused, and left as it is. */
  readonly cluster: string;
  readonly dedup: boolean;
  /** Erases the database first. */
  readonly reset: boolean;
  /** Told once that the database can't be used any more. */
  failed(error: unknown): void;
}
