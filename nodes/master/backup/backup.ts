/**
 * What there is while the cluster is a backup: how far its cells are, the upstream cluster, and
 * what clients are told. It lives through the phases of a backup, until the storages are asked
 * anew what they have.
 */

import { StartOperation } from "../../../gen/packets.ts";
import { hexId, type Nid, type Oid, partitionOf, type Tid, ZERO_TID } from "../../codec/ids.ts";
import { tidTimeText } from "../../cluster/tid_time.ts";
import type { Timer } from "../../host/host.ts";
import type { KnownNode } from "../nodes.ts";
import { refuse } from "../phase.ts";
import type { Primary } from "../primary.ts";
import type { Readiness } from "../readiness.ts";
import type { IsNeeded } from "../table/losses.ts";
import { PROGRESS_LOG_MS } from "./limits.ts";
import { News } from "./news.ts";
import { Orders } from "./orders.ts";
import type { Order } from "./order.ts";
import type { Progress, ReplicatedCell } from "./progress.ts";
import { Upstream, type UpstreamCluster, type UpstreamEvents } from "./upstream.ts";

export interface BackupOptions {
  readonly primary: Primary;
  readonly readiness: Readiness;
  readonly progress: Progress;
  readonly cluster: UpstreamCluster;
}

/** What a phase minds of what happens upstream. */
export type Followed = Pick<UpstreamEvents, "diverged" | "lost"> & {
  connected(): void;
  /** What is later is cut off in the end; null for nothing. */
  readonly endTid: Tid | null;
};

export class Backup {
  readonly primary: Primary;
  readonly readiness: Readiness;
  readonly progress: Progress;
  readonly upstream: Upstream;
  readonly news: News;
  readonly #orders: Orders;
  /** The phase that is told of what happens upstream. */
  #phase: Followed | null = null;
  /** Whether what upstream was heard of last may be more than the storages have. */
  #hasFollowed = false;
  /** Up to where the cells have to come before the backup has caught up; null once it has. */
  #goal: Tid | null = null;
  /** Whether the log says that it has not. */
  #isBehind = false;
  #timer: Timer | null = null;

  constructor({ primary, readiness, progress, cluster }: BackupOptions) {
    const { options: { host, fatal }, nodes, table, turn } = primary;
    this.primary = primary;
    this.readiness = readiness;
    this.progress = progress;
    this.upstream = new Upstream({
      ...cluster,
      ...{ host, turn, fatal, partitions: table.partitions },
      events: {
        connected: (lastTid) => this.#connected(lastTid),
        committed: (tid, oids) => this.#committed(tid, oids),
        changed: () => this.#orders.upstreamChanged(),
        diverged: () => this.#phase?.diverged(),
        lost: () => this.#lost(),
      },
    });
    this.news = new News(primary, progress);
    this.#orders = new Orders({ host, nodes, progress, upstream: this.upstream });
  }

  get hasFollowed(): boolean {
    return this.#hasFollowed;
  }

  /** The last transaction that is known of: what upstream told, or what the storages have. */
  get lastTid(): Tid {
    return this.primary.ids.lastTransaction ?? ZERO_TID;
  }

  /** From now on, a phase is told of what happens upstream. */
  enter(phase: Followed): void {
    this.#phase = phase;
    this.#discardNeedless();
  }

  /** Tells a storage to start. */
  start({ connection, nid }: KnownNode): void {
    connection?.notify(StartOperation, { backup: true });
    if (nid !== null) this.readiness.started(nid);
  }

  /** Whether all storages with something readable are ready. */
  get isReady(): boolean {
    const { table } = this.primary;
    for (let offset = 0; offset < table.partitions; offset++) {
      if (table.readableCells(offset).some(({ nid }) => !this.#isReady(nid))) return false;
    }
    return true;
  }

  readonly #isReady = (nid: Nid): boolean => this.readiness.isReady(nid);

  /** Looks for the upstream cluster, until it is followed. */
  connect(): void {
    this.upstream.connect(this.lastTid);
  }

  #connected(lastTid: Tid): void {
    const { primary, progress, upstream } = this;
    primary.ids.committed(lastTid);
    this.#hasFollowed = true;
    this.#phase?.connected();
    primary.log(
      "INFO",
      `follows ${upstream.text} from ${momentText(progress.backupTid)} on; its last transaction ` +
        `is ${momentText(lastTid)}`,
    );
    this.#goal = lastTid;
    this.#isBehind = true;
    this.#watch();
    this.#orders.send(progress.connected(lastTid, this.#isReady));
    this.news.connected(lastTid);
    this.#progressed();
  }

  #committed(tid: Tid, oids: readonly Oid[]): void {
    const { primary, progress, news } = this;
    if (tid <= this.lastTid) return;
    const { partitions } = primary.table;
    const touched = new Set(oids.map((oid) => partitionOf(oid, partitions)));
    touched.add(partitionOf(tid, partitions));
    primary.ids.committed(tid);
    news.committed(tid, oids);
    this.#orders.send(progress.committed(tid, touched, this.#isReady));
    this.#progressed();
  }

  #lost(): void {
    this.primary.log("WARNING", `lost the upstream cluster, ${this.upstream.cluster}`);
    this.disconnect();
    this.#phase?.lost();
  }

  /** Follows the upstream cluster no more. What the storages fetch goes on. */
  disconnect(): void {
    this.upstream.close();
    this.#timer?.cancel();
    this.progress.disconnected();
    this.#orders.clear();
  }

  /** A storage has replicated a cell that was readable before, or is so now. */
  replicated(cell: ReplicatedCell, { isNew }: { readonly isNew: boolean }): void {
    const { progress } = this;
    this.#orders.send(isNew ? progress.joined(cell) : progress.replicated(cell));
    this.#progressed();
    this.#discardNeedless([cell.offset]);
  }

  /** Whether a cell that was replicated may be readable; if not, its storage is to go on. */
  mayJoin(cell: ReplicatedCell): boolean {
    const order = this.progress.joins(cell, this.news.visibleTid ?? ZERO_TID);
    if (order !== null) this.#orders.send([order]);
    return order === null;
  }

  /** The partition table has changed, and was told. */
  tableChanged(): void {
    this.#orders.send(this.progress.tableChanged());
    this.#progressed();
    this.#discardNeedless();
  }

  /** Whether a cell has something, which is not to be cut off, that none of those that stay has. */
  readonly isNeeded: IsNeeded = (cell, staying) =>
    this.progress.isNeeded(cell, { staying, endTid: this.#phase?.endTid ?? null });

  /** Refuses to take out a storage that has what no other has, and upstream can't give now. */
  checkLoss(nid: Nid): void {
    const { progress, primary: { table } } = this;
    if (progress.isFollowing) return;
    for (let offset = 0; offset < table.partitions; offset++) {
      const nids = table.readableCells(offset).map((cell) => cell.nid);
      const staying = nids.filter((other) => other !== nid);
      if (!nids.includes(nid) || !this.isNeeded({ offset, nid }, staying)) continue;
      refuse(
        `Refuse to drop nodes that contain the only copies of what partition ${offset} has last, ` +
          "while upstream is not followed",
      );
    }
  }

  #discardNeedless(offsets?: Iterable<number>): void {
    const { primary, isNeeded } = this;
    primary.tellChanges(primary.table.discardNeedless(isNeeded, offsets));
  }

  /** Gives orders that a phase has thought of. */
  order(orders: readonly Order[]): void {
    this.#orders.send(orders);
  }

  storageLost({ nid }: KnownNode): void {
    if (nid === null) return;
    this.readiness.lost(nid);
    this.progress.storageLost(nid);
    // Readers may have waited for it.
    this.#progressed();
  }

  #progressed(): void {
    this.news.advance();
    if (this.#goal === null || this.progress.backupTid < this.#goal) return;
    if (this.#isBehind) this.primary.log("INFO", `has all up to ${momentText(this.#goal)}`);
    this.#goal = null;
    this.#isBehind = false;
  }

  /** From time to time, sees whether what was committed by then is there the next time. */
  #watch(): void {
    const { host } = this.primary.options;
    this.#timer = host.setTimer(PROGRESS_LOG_MS, () => {
      this.#isBehind ||= this.#goal !== null;
      if (this.#isBehind) {
        const { backupTid } = this.progress;
        this.primary.log(
          "INFO",
          `has all up to ${momentText(backupTid)}, of ${momentText(this.lastTid)}`,
        );
      }
      this.#goal = this.lastTid;
      this.#progressed();
      this.#watch();
    });
  }
}

/** A tid as the log has it. */
export function momentText(tid: Tid): string {
  return tid === ZERO_TID ? "nothing" : `${hexId(tid)} (${tidTimeText(tid)})`;
}
