/**
 * How far the cells of a backup cluster are, and what that leaves to be ordered. Of each partition,
 * one storage at a time (its primary) fetches from the upstream cluster, and the others follow that
 * one, so that nothing crosses the way between the clusters twice.
 *
 * A cell is readable though it lags. Nothing here sends: each change returns the orders that follow
 * from it, and which storages are ready, and what upstream does, is told by the caller.
 *
 * Invariant: a cell has everything up to its backup tid, whatever fails when.
 */

import { laterTid, type Nid, type Tid, ZERO_TID } from "../../codec/ids.ts";
import type { MasterTable } from "../table/master_table.ts";
import type { Order } from "./order.ts";
import { least, PartitionProgress } from "./partition_progress.ts";

export interface ProgressOptions {
  readonly table: MasterTable;
  /** A number from 0 on, below 1. */
  random(): number;
}

/** A storage says that it has replicated a cell up to a tid. */
export interface ReplicatedCell {
  readonly nid: Nid;
  readonly offset: number;
  readonly tid: Tid;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #partitions: readonly PartitionProgress[];
  /** The last transaction of the upstream cluster; null while that is not followed. */
  #lastTid: Tid | null = null;

  constructor(options: ProgressOptions) {
    this.#options = options;
    const length = options.table.partitions;
    this.#partitions = Array.from({ length }, (_, offset) => new PartitionProgress(offset));
  }

  /** Whether the upstream cluster is followed. */
  get isFollowing(): boolean {
    return this.#lastTid !== null;
  }

  /**
   * Takes the table as it is: cells that can be read are as far as their storages say. What one
   * does not know of itself has to be {@link told} when it is ready.
   */
  begin(tidOf: (nid: Nid) => Tid, knows: (nid: Nid) => boolean = () => true): void {
    this.#lastTid = null;
    for (const partition of this.#partitions) {
      partition.clear();
      for (const { nid } of this.#options.table.readableCells(partition.offset)) {
        const tid = tidOf(nid);
        partition.add(nid, tid, knows(nid) ? tid : ZERO_TID);
      }
    }
  }

  /**
   * Lets all storages know up to where their cells have everything. By itself, one knows only of
   * the last transaction that it was part of, and the backup would be cut off there if it ended
   * after a restart and before it has followed anything.
   */
  tell(): Order[] {
    return this.#partitions.flatMap((partition) => partition.tell());
  }

  /** Lets a storage that has become ready know up to where it has everything, if it does not. */
  told(nid: Nid): Order[] {
    return this.#partitions.flatMap((partition) => partition.remind(nid));
  }

  /** Up to where the cluster as a whole has everything: each partition, on one cell at least. */
  get backupTid(): Tid {
    return least(this.#partitions, ({ greatestTid }) => greatestTid);
  }

  /** Up to where all readable cells of these partitions, or of all, have everything. */
  completeTid(offsets?: Iterable<number>): Tid {
    const partitions = offsets === undefined
      ? this.#partitions
      : [...offsets].flatMap((offset) => this.#partitions[offset] ?? []);
    return least(partitions, ({ leastTid }) => leastTid);
  }

  /** Up to where all storages know by themselves that their readable cells have everything. */
  get knownTid(): Tid {
    return least(this.#partitions, ({ knownTid }) => knownTid);
  }

  /**
   * The upstream cluster was reached, and its last transaction is `tid`. What was committed since
   * it was last seen may be in any partition.
   */
  connected(tid: Tid, isReady: (nid: Nid) => boolean): Order[] {
    this.#lastTid = tid;
    const orders: Order[] = [];
    for (const partition of this.#partitions) {
      const ready = this.#lasting(partition, partition.nids.filter(isReady));
      const complete = ready.filter((nid) => partition.tidOf(nid) >= tid);
      partition.primary = this.#choose(complete.length > 0 ? complete : ready);
      partition.touch(tid);
      if (complete.length > 0) orders.push(...partition.orderSecondaries(tid));
      else orders.push(...partition.orderPrimary(tid));
    }
    return orders;
  }

  /** The next transaction of the upstream cluster was committed, in these partitions. */
  committed(tid: Tid, touched: ReadonlySet<number>, isReady: (nid: Nid) => boolean): Order[] {
    this.#lastTid = tid;
    const orders: Order[] = [];
    for (const partition of this.#partitions) {
      if (!touched.has(partition.offset)) {
        orders.push(...partition.untouched(tid, isReady));
        continue;
      }
      partition.touch(tid);
      partition.primary ??= this.#choose(
        this.#lasting(partition, partition.nids.filter(isReady)),
      );
      orders.push(...partition.orderPrimary(tid));
    }
    return orders;
  }

  /**
   * Of the storages of a partition, those that are to keep it; all if there is none. One that is to
   * lose it does so once another has as much, and would always be ahead if it were the primary.
   */
  #lasting({ offset }: PartitionProgress, nids: readonly Nid[]): readonly Nid[] {
    const { table } = this.#options;
    const lasting = nids.filter((nid) => table.cell(offset, nid)?.state === "UP_TO_DATE");
    return lasting.length > 0 ? lasting : nids;
  }

  #choose(nids: readonly Nid[]): Nid | null {
    return nids[Math.floor(this.#options.random() * nids.length)] ?? null;
  }

  /** A storage has replicated a readable cell. */
  replicated({ nid, offset, tid }: ReplicatedCell): Order[] {
    const partition = this.#partitions[offset];
    if (partition === undefined || !partition.has(nid)) return [];
    const orders = partition.replicated(nid, { tid, lastTid: this.#lastTid });
    if (partition.primary === nid) {
      orders.push(...partition.orderSecondaries(partition.tidOf(nid)));
    }
    if (this.#lastTid !== null) orders.push(...partition.orderPrimary(this.#lastTid));
    return orders;
  }

  /**
   * A storage has replicated a cell that can't be read yet. Clients may know of all up to
   * `visibleTid`: while the cell lacks some of that, returns the order to go on. When that is null,
   * the cell is good enough, and {@link add} may follow. While upstream is not followed, nothing
   * less is enough than what the cluster has as a whole: nobody would complete the cell later.
   */
  joins({ nid, offset, tid }: ReplicatedCell, visibleTid: Tid): Order | null {
    const partition = this.#partitions[offset];
    const neededTid = this.#lastTid === null ? laterTid(visibleTid, this.backupTid) : visibleTid;
    if (partition === undefined || tid >= neededTid) return null;
    return partition.orderJoining(nid, neededTid);
  }

  /**
   * A cell that has everything up to `tid` is readable from now on. The table may lose others by
   * the same change, even all that there were, so this comes before {@link tableChanged}: what
   * remains has a primary then, and the partition is never taken for one that has nothing.
   */
  add({ nid, offset, tid }: ReplicatedCell): void {
    this.#partitions[offset]?.join(nid, { tid, lastTid: this.#lastTid });
  }

  /** All know that a cell is readable that was added: it follows the others from now on. */
  joined({ nid, offset, tid }: ReplicatedCell): Order[] {
    const partition = this.#partitions[offset];
    if (partition === undefined) return [];
    const orders = tid < partition.tidOf(nid) ? partition.tell([nid]) : [];
    const { primary } = partition;
    if (primary !== null) orders.push(...partition.orderSecondaries(partition.tidOf(primary)));
    return orders;
  }

  /**
   * Whether a cell has something up to `endTid` that none of the others has that stay: upstream may
   * be gone before it could be fetched again.
   */
  isNeeded(
    { offset, nid }: { readonly offset: number; readonly nid: Nid },
    { staying, endTid }: { readonly staying: readonly Nid[]; readonly endTid: Tid | null },
  ): boolean {
    const partition = this.#partitions[offset];
    if (partition === undefined) return false;
    const tid = partition.tidOf(nid);
    const needed = endTid !== null && endTid < tid ? endTid : tid;
    return staying.every((other) => partition.tidOf(other) < needed);
  }

  /** A storage is gone: what it was doing will not be done. */
  storageLost(nid: Nid): void {
    for (const partition of this.#partitions) partition.lost(nid);
  }

  /**
   * The table has changed: cells that can't be read any more don't count, and partitions whose
   * primary had one of them, or is about to lose it, get another.
   */
  tableChanged(): Order[] {
    const { table } = this.#options;
    const orders: Order[] = [];
    for (const partition of this.#partitions) {
      partition.retain((nid) => table.cell(partition.offset, nid)?.state);
      orders.push(...partition.reorderJoining());
      const { primary } = partition;
      if (primary === null) continue;
      const lasting = this.#lasting(partition, partition.nids);
      if (lasting.includes(primary)) continue;
      partition.primary = partition.best(lasting);
      if (!partition.has(primary)) orders.push(...partition.reorder());
      if (this.#lastTid !== null) orders.push(...partition.orderPrimary(this.#lastTid));
    }
    return orders;
  }

  /** The upstream cluster is gone: there are no primaries, and nothing is known to be late. */
  disconnected(): void {
    this.#lastTid = null;
    for (const partition of this.#partitions) partition.disconnected();
  }

  /** The storages may carry out nothing any more that they were ordered. */
  cancelled(): void {
    for (const partition of this.#partitions) partition.cancelled();
  }

  /** Lets all readable cells that lack something up to `tid` get it from the best one. */
  level(tid: Tid): Order[] {
    return this.#partitions.flatMap((partition) => partition.level(tid));
  }

  /** Whether an order to fetch from upstream was not carried out yet. */
  isFetching({ nid, offset, tid }: Order): boolean {
    const partition = this.#partitions[offset];
    return partition?.primary === nid && partition.isOrdered(nid, tid);
  }
}
