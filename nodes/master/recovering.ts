/**
 * RECOVERING: asks all storages what they have, takes the newest partition table, and waits until
 * enough of them are there. A database whose readable copies are not all there never starts by
 * itself: it takes an admin who knows that the rest is lost.
 *
 * The table is not in force yet: storages get it in the next phase, and only admins see it before.
 */

import {
  type AnswerPartitionTable,
  type AnswerRecovery,
  AskPartitionTable,
  AskRecovery,
  type CellChange,
  type Codecs,
  type NodeState,
  NotifyPartitionChanges,
  SendPartitionTable,
  Truncate,
} from "../../gen/packets.ts";
import { type Nid, ZERO_TID } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import { addressText } from "../cluster/addresses.ts";
import { nidText, nodeTypeOf } from "../cluster/node_ids.ts";
import type { Address } from "../host/host.ts";
import { Refusal } from "../wire/refusal.ts";
import { announce } from "./announcements.ts";
import { askNode } from "./ask.ts";
import { Progress } from "./backup/progress.ts";
import type { KnownNode } from "./nodes.ts";
import { Phase, refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";
import { quietStorage } from "./quiet_storage.ts";
import { backupTids, pendingTruncation } from "./recovery_reports.ts";
import { storagesToStart } from "./startup.ts";
import { Stopping } from "./stopping.ts";
import { Verifying } from "./verifying.ts";

/** The version of a table that does not exist: below all others. */
const NO_TABLE = 0;

export class Recovering extends Phase {
  override readonly state = "RECOVERING";
  readonly #primary: Primary;
  /** What each storage has said, as long as it is connected. */
  readonly #reports = new Map<KnownNode, AnswerRecovery>();
  /** How many answers each storage owes. */
  readonly #owing = new Map<KnownNode, number>();
  /** The newest version of the table that any storage has told of. */
  #newest = NO_TABLE;
  #loaded = false;
  /** Storages that have this version; the first is asked for it. */
  #sources: KnownNode[] = [];
  /** Where storages were that had to leave their ids to others. */
  readonly #wentAway = new Set<string>();
  #evaluating = false;
  #backupWarned = false;

  constructor(primary: Primary) {
    super();
    this.#primary = primary;
  }

  override begin(): void {
    const { table, nodes } = this.#primary;
    if (table.filled) this.#primary.hasSeenTable = true;
    table.clear();
    this.#primary.progress = null;
    this.#primary.truncateTid = null;
    for (const storage of nodes.identified("STORAGE")) this.storageJoined(storage);
  }

  override admitStorage(): NodeState {
    return "PENDING";
  }

  override storageReceiver(_storage: KnownNode): Receiver<Codecs> {
    return quietStorage();
  }

  override storageJoined(storage: KnownNode): void {
    this.#owes(storage, 1);
    askNode(this.#primary.turn, storage, AskRecovery, {}, (report) => {
      if (!this.#answered(storage)) return;
      this.#reports.set(storage, report);
      this.#consider(storage, report.ptid ?? NO_TABLE);
    });
  }

  /** Of two that are blank, the one that had to go already stays away from the other. */
  override givesWay(storage: KnownNode, address: Address | null): boolean {
    if (address === null || storage.address === null || !this.#isBlank(storage)) return false;
    if (this.#wentAway.has(addressText(address))) return false;
    this.#wentAway.add(addressText(storage.address));
    return true;
  }

  #isBlank(storage: KnownNode): boolean {
    const report = this.#reports.get(storage);
    return report !== undefined && (report.ptid ?? NO_TABLE) === NO_TABLE;
  }

  #owes(storage: KnownNode, change: number): void {
    this.#owing.set(storage, (this.#owing.get(storage) ?? 0) + change);
  }

  /** Takes note of an answer. Returns whether it still matters. */
  #answered(storage: KnownNode): boolean {
    this.#owes(storage, -1);
    this.#evaluate();
    return this.#primary.phase === this && storage.connection !== null;
  }

  #consider(storage: KnownNode, ptid: number): void {
    if (ptid < this.#newest || (ptid === this.#newest && this.#loaded)) return;
    if (ptid > this.#newest) {
      this.#newest = ptid;
      this.#loaded = false;
      this.#sources = [];
    }
    this.#sources.push(storage);
    if (this.#sources.length === 1) this.#askTable(storage);
  }

  #askTable(storage: KnownNode): void {
    this.#owes(storage, 1);
    askNode(this.#primary.turn, storage, AskPartitionTable, {}, (table) => {
      if (this.#answered(storage)) this.#load(table);
    });
  }

  #load({ ptid, rows }: AnswerPartitionTable): void {
    if ((ptid ?? NO_TABLE) !== this.#newest) return;
    const { table, nodes } = this.#primary;
    const offsets = new Set(rows.map(({ offset }) => offset));
    const nids = new Set(rows.flatMap(({ cells }) => cells.map(({ nid }) => nid)));
    if (rows.some(({ offset }) => offset >= table.partitions) || offsets.size < rows.length) {
      throw new Refusal("PROTOCOL_ERROR", "Invalid offset");
    }
    if ([...nids].some((nid) => nodeTypeOf(nid) !== "STORAGE")) {
      throw new Refusal("PROTOCOL_ERROR", "expected cells of storages only");
    }
    table.load(ptid, rows);
    this.#loaded = true;
    this.#sources = [];
    const created = [...nids].filter((nid) => nodes.get(nid) === undefined)
      .map((nid) => nodes.add("STORAGE", { nid, address: null }));
    announce(nodes, created);
    this.#tellAdmins();
  }

  #tellAdmins(): void {
    const { table, nodes } = this.#primary;
    for (const { connection } of nodes.identified("ADMIN")) {
      connection?.notify(SendPartitionTable, { ptid: table.ptid, rows: table.toRows() });
    }
  }

  override storageLost(storage: KnownNode): void {
    const { nodes } = this.#primary;
    this.#reports.delete(storage);
    this.#owing.delete(storage);
    const wasAsked = this.#sources[0] === storage;
    this.#sources = this.#sources.filter((source) => source !== storage);
    const [next] = this.#sources;
    if (wasAsked && next !== undefined) this.#askTable(next);
    if (storage.state === "PENDING") {
      storage.state = "DOWN";
      announce(nodes, [storage]);
    }
    this.#evaluate();
  }

  /** Storages with this very table hear of the change; those with another one get a whole one. */
  override tableChanged(changes: readonly CellChange[]): void {
    const { table, nodes } = this.#primary;
    const { ptid } = table;
    if (ptid === null) return;
    for (const storage of [...nodes.identified("STORAGE")]) {
      const report = this.#reports.get(storage);
      if (report?.ptid !== this.#newest) {
        this.#primary.disconnect(storage);
      } else {
        storage.connection?.notify(NotifyPartitionChanges, { ptid, changes });
        this.#reports.set(storage, { ...report, ptid });
      }
    }
    this.#newest = ptid;
    this.#primary.sendChanges(changes, ["ADMIN"]);
  }

  override outdateKilled(killed: Nid): CellChange[] {
    return this.#primary.table.outdate((nid) => nid !== killed);
  }

  override start(): void {
    const storages = this.#primary.nodes.identified("STORAGE");
    if (storages.size === 0) refuse("Cannot exit recovery without any storage node");
    for (const storage of storages) {
      if (!this.#owing.get(storage)) continue;
      refuse(`Cannot exit recovery now: node ${nidText(storage.nid)} is entering cluster`);
    }
    this.#primary.startupAllowed = true;
    this.#evaluate();
  }

  /** Looks whether to start, once what is being handled is over. */
  #evaluate(): void {
    if (this.#evaluating) return;
    this.#evaluating = true;
    this.#primary.turn.after(() => {
      this.#evaluating = false;
      if (this.#primary.phase === this) this.#startIfEnough();
    });
  }

  #startIfEnough(): void {
    const primary = this.#primary;
    if (primary.table.filled) {
      primary.truncateTid = pendingTruncation(primary.table, this.#reports);
      this.#estimateProgress();
    }
    const storages = storagesToStart(primary, (storage) => this.#isBlank(storage));
    if (storages === null || [...this.#owing.values()].some((owed) => owed > 0)) return;
    if (primary.table.filled && this.#truncates()) return;
    if (primary.progress !== null && primary.options.upstream === null) {
      return this.#warnOfBackup();
    }
    this.#leave(storages);
  }

  /** A cell of a backup is as far as its storage as a whole; unknown counts as nothing. */
  #estimateProgress(): void {
    const primary = this.#primary;
    const { table, truncateTid, options: { host } } = primary;
    const tids = backupTids(table, this.#reports);
    // Who is told to truncate is told to be no backup any more.
    if (truncateTid !== null || [...tids.values()].every((tid) => tid === null)) {
      primary.progress = null;
    } else {
      primary.progress ??= new Progress({ table, random: () => host.random() });
      primary.progress.begin((nid) => tids.get(nid) ?? ZERO_TID);
    }
  }

  /** Lets all storages of the table know how far to truncate. Returns whether some did not. */
  #truncates(): boolean {
    const { truncateTid, table } = this.#primary;
    if (truncateTid === null) return false;
    const nids = table.nodeIds();
    const late = [...this.#reports].filter(([{ nid }, report]) =>
      nid !== null && nids.has(nid) &&
      (report.truncateTid === null || report.truncateTid > truncateTid)
    );
    for (const [storage] of late) {
      storage.connection?.notify(Truncate, { tid: truncateTid });
      this.storageJoined(storage);
    }
    return late.length > 0;
  }

  #warnOfBackup(): void {
    if (this.#backupWarned) return;
    this.#backupWarned = true;
    this.#primary.log(
      "ERROR",
      "the database is a backup, and this master was not told of which cluster: it stays as it " +
        "is. Start the master with --upstream-cluster and --upstream-masters, also to end that",
    );
  }

  #leave(storages: readonly KnownNode[]): void {
    const primary = this.#primary;
    const { table, nodes } = primary;
    for (const storage of storages) storage.state = "RUNNING";
    announce(nodes, storages);
    if (table.ptid === null) {
      table.create(
        storages.flatMap(({ nid, devpath }) => nid === null ? [] : [{ nid, devpath }]),
      );
      if (table.warning !== null) primary.log("WARNING", table.warning);
      this.#tellAdmins();
    } else {
      const changes = table.outdate(nodes.isRunning);
      if (changes.length > 0) primary.sendChanges(changes, ["ADMIN"]);
      this.#estimateProgress();
    }
    primary.enter(new Verifying(primary));
  }

  override stop(): void {
    this.#primary.enter(new Stopping(this.#primary, null));
  }
}
