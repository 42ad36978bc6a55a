/**
 * A storage between its identification by a primary master and the loss of that master: what it
 * has been told, and what the phases have in common. Each session starts afresh from the database.
 */

import type {
  NodeInformation,
  NotifyNodeInformation,
  NotifyPartitionChanges,
} from "../../gen/packets.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import type { MasterList } from "../cluster/master_list.ts";
import { NodeTable } from "../cluster/node_table.ts";
import { nidText } from "../cluster/node_ids.ts";
import { hexId, type Nid, type Tid } from "../codec/ids.ts";
import type { Address, LogLevel, NodeHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { Refusal } from "../wire/refusal.ts";
import type { Assignment } from "./assignment.ts";
import type { Backend } from "./backend/backend.ts";
import { Keeping } from "./keeping.ts";
import type { Peers } from "./peers.ts";

export interface SessionOptions {
  readonly host: NodeHost;
  readonly backend: Backend;
  readonly masters: MasterList;
  readonly peers: Peers;
  readonly endpoint: Endpoint;
  /** The cluster's name. */
  readonly cluster: string;
  /** Where this node listens. */
  readonly address: Address;
  /** The connection to the primary master. */
  readonly master: Connection;
  readonly assignment: Assignment;
  /** Whether the rows of partitions that are not assigned are deleted. */
  readonly dropPartitions: boolean;
  /** The master wants this node to serve clients, or to serve them no more. */
  startOperation(options: { readonly backup: boolean }): void;
  stopOperation(): void;
  /** The cluster knows a client no more: its transactions are over, unless they are locked. */
  clientGone(nid: Nid): void;
  /** The cluster wants this node to end, and perhaps to forget everything. */
  shutDown(options: { readonly erase: boolean }): void;
  /** Told of an error that is this node's own; the node must stop. */
  fatal(error: unknown): void;
}

export class Session {
  readonly nodes = new NodeTable();
  #timestamp = -Infinity;
  #waiting: (() => void)[] = [];
  #isRepairing = false;
  #truncating: Promise<void> | null = null;
  #isOver = false;

  /** Sees to it that nothing is deleted that nobody else has. */
  readonly keeping: Keeping;

  constructor(readonly options: SessionOptions) {
    const { backend, assignment } = options;
    const log = this.log.bind(this);
    this.keeping = new Keeping({ backend, assignment, log });
  }

  get assignment(): Assignment {
    return this.options.assignment;
  }

  /** When the master last told of nodes: Unix time in seconds, on its clock. */
  get timestamp(): number {
    return this.#timestamp;
  }

  log(level: LogLevel, message: string): void {
    this.options.host.log.log(level, "storage", message);
  }

  /** Operation has stopped, or the master is lost: nobody is served any more. */
  closePeers(): void {
    this.#waiting = [];
    this.options.peers.closeAll();
  }

  /** The master is lost: what goes on in the background ends. */
  end(): void {
    this.#isOver = true;
  }

  /** Calls back once, when the master has told of nodes again. */
  onNews(listener: () => void): void {
    this.#waiting.push(listener);
  }

  /** Takes the master's news of nodes. */
  nodeInformation({ timestamp, nodes }: NotifyNodeInformation): void {
    this.#timestamp = Math.max(this.#timestamp, timestamp);
    for (const information of nodes) this.#update(information);
    for (const listener of this.#waiting.splice(0)) listener();
  }

  #update(information: NodeInformation): void {
    const { nid, type, address, state } = information;
    const { masters, peers } = this.options;
    if (type === "MASTER" && address !== null) {
      if (state === "UNKNOWN") masters.remove(address);
      else masters.add(address);
    }
    this.nodes.update(information);
    if (nid === null) return;
    if (nid === this.assignment.nid) this.#obey(state);
    else if (type === "CLIENT" && state !== "RUNNING") this.options.clientGone(nid);
    if (state === "UNKNOWN") peers.close(nid);
  }

  #obey(state: NodeInformation["state"]): void {
    if (state === "DOWN") {
      this.log("WARNING", "the cluster has stopped this node");
      this.options.shutDown({ erase: false });
    } else if (state === "UNKNOWN") {
      const erase = this.keeping.mayErase;
      this.log(
        "WARNING",
        "this node was removed from the cluster: " +
          (erase ? "its database is erased" : "its database is kept, since it may hold other data"),
      );
      this.options.shutDown({ erase });
    }
  }

  /** Takes changes of the partition table, and stores them. A commit must follow. */
  partitionChanges({ ptid, changes }: NotifyPartitionChanges): void {
    const { table } = this.assignment;
    if (ptid !== (table.ptid ?? 0) + 1) {
      throw new Refusal("PROTOCOL_ERROR", "wrong partition table id");
    }
    for (const { offset, nid } of changes) {
      this.assignment.requirePartition(offset);
      this.requireStorage(nid);
    }
    this.assignment.update(ptid, changes);
    this.options.backend.table.change(ptid, changes);
  }

  /**
   * Deletes what is later than the tid in the settings that says so, if there is one. Resolves when
   * there is none any more, or when the master is lost. A commit must follow. Rejects with a
   * DatabaseError, and forgets the order, where that may be what nobody else has.
   */
  truncate(): Promise<void> {
    this.#truncating ??= this.#truncate().finally(() => this.#truncating = null);
    return this.#truncating;
  }

  async #truncate(): Promise<void> {
    const { settings } = this.options.backend;
    while (settings.truncateTid !== null && !this.#isOver) {
      await this.#truncateTo(settings.truncateTid);
    }
  }

  async #truncateTo(tid: Tid): Promise<void> {
    const { maintenance, settings } = this.options.backend;
    const offsets = this.#truncatable();
    const hindrance = await this.keeping.hindersTruncation(offsets, tid);
    if (hindrance !== null) {
      // The database's own cluster must not obey that when it goes back there.
      settings.truncateTid = null;
      await this.options.backend.commit();
      throw hindrance;
    }
    const { tid: last } = await maintenance.lastIds(offsets);
    if (last !== null && last > tid) {
      this.log(
        "WARNING",
        `deletes all that is later than ${hexId(tid)}, up to ${hexId(last)}, in ` +
          `${offsets.length} partitions: the cluster was truncated`,
      );
    }
    await maintenance.truncate(offsets, () => this.pause(() => this.#isOver));
  }

  /**
   * The partitions that a truncation is about: also those whose rows are yet to be dropped, since a
   * cell that comes back before is only compared up to the last transaction.
   */
  #truncatable(): number[] {
    const { assignment, keeping, options: { dropPartitions } } = this;
    if (keeping.isOn || !dropPartitions) return assignment.offsets(() => true);
    return Array.from({ length: assignment.table.partitions }, (_, offset) => offset);
  }

  /** Deletes the rows of partitions for as long as this node has no cell of them. */
  async drop(offsets: readonly number[]): Promise<void> {
    const { backend } = this.options;
    await backend.maintenance.dropPartitions({
      offsets,
      pause: () => this.pause(() => this.#isOver),
      isGone: (offset) => this.assignment.state(offset) === undefined && !this.keeping.isOn,
    });
    if (!this.#isOver) await backend.commit();
  }

  /** Refuses a partition table that names what the master has not told of. */
  requireStorage(nid: Nid): void {
    if (this.nodes.get(nid)?.type === "STORAGE") return;
    throw new Refusal("PROTOCOL_ERROR", `${nidText(nid)} is no storage that is known here`);
  }

  /** Looks for data that nobody needs, and deletes them unless it is a dry run. */
  repair({ dryRun }: { readonly dryRun: boolean }): void {
    if (this.#isRepairing) return this.log("WARNING", "already repairing");
    this.#isRepairing = true;
    this.#repair(dryRun)
      .catch((error) => this.options.fatal(error))
      .finally(() => this.#isRepairing = false);
  }

  async #repair(dryRun: boolean): Promise<void> {
    const { backend } = this.options;
    const pause = () => this.pause(() => this.#isOver);
    const count = await backend.maintenance.repair({ dryRun, pause });
    if (!dryRun) await backend.commit();
    this.log("INFO", `${count} orphan data ${dryRun ? "found" : "deleted"}`);
  }

  /** Lets others work; resolves to false when the work must not go on. */
  pause(isOver: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      this.options.host.setTimer(0, () => resolve(!isOver()));
    });
  }
}
