/**
 * VERIFYING: finishes the transactions that were being committed when operation ended. One is
 * finished when any storage knows its final tid, for then its client may have been told so; all
 * others are dropped by the storages themselves when operation starts.
 *
 * That a storage only voted counts when it has readable cells: another one may remember what was
 * rightly dropped while it was away.
 */

import {
  type AnswerRecovery,
  AskFinalTID,
  AskLastIDs,
  AskLockedTransactions,
  AskRecovery,
  type Codecs,
  ValidateTransaction,
} from "../../gen/packets.ts";
import { type Nid, partitionOf, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { RequestType } from "../codec/packet.ts";
import { NeoError } from "../errors.ts";
import { PeerError } from "../wire/refusal.ts";
import { Backup } from "./backup/backup.ts";
import { StartingBackup } from "./backup/phases.ts";
import type { KnownNode } from "./nodes.ts";
import { Readiness } from "./readiness.ts";
import { backupTids, untoldTid } from "./recovery_reports.ts";
import { Running } from "./running.ts";
import { ServicePhase } from "./service_phase.ts";
import { Stopping } from "./stopping.ts";

interface Unfinished {
  readonly locked: Map<Tid, Tid>;
  /** Storages whose word counts, and that have each transaction on disk. */
  readonly voted: Map<Tid, Set<KnownNode>>;
}

export class Verifying extends ServicePhase {
  override readonly state = "VERIFYING";
  /** The last of the transactions that storages had voted for. */
  #lastTtid: Tid | null = null;

  override begin(): void {
    const { nodes, ids, turn, options } = this.primary;
    for (const storage of nodes.identified("STORAGE")) this.sendTable(storage);
    ids.reset();
    this.#verify().then(
      () => turn.runOwn(() => this.#done()),
      (error) => options.fatal(error),
    );
  }

  get #over(): boolean {
    return this.primary.phase !== this;
  }

  override storageLost(storage: KnownNode): void {
    const { primary } = this;
    const operational = primary.withoutStorage(storage);
    // All storages have to truncate: without one of them, this can't go on.
    if (operational && primary.truncateTid === null) return;
    primary.turn.after(() => {
      if (!this.#over) primary.standDown(null);
    });
  }

  override stop(): void {
    this.primary.enter(new Stopping(this.primary, null));
  }

  async #verify(): Promise<void> {
    const { nodes, ids, progress } = this.primary;
    const tids = progress === null ? new Map<Nid, Tid | null>() : await this.#backupTids();
    if (this.#over) return;
    // A storage that was told to be one of a backup had nothing left to finish.
    if (progress === null || [...tids.values()].includes(null)) await this.#finishLocked();
    if (this.#over) return;
    const lastTids = new Map<Nid, Tid>();
    // This is when storages truncate.
    await Promise.all([...nodes.identified("STORAGE")].map(async (storage) => {
      const last = await this.#ask(storage, AskLastIDs, {});
      if (last === null || this.#over) return;
      ids.learn({ oid: last.lastOid, tid: last.lastTid });
      if (storage.nid !== null) lastTids.set(storage.nid, last.lastTid ?? ZERO_TID);
    }));
    if (this.#over) return;
    const untold = untoldTid(tids, lastTids);
    progress?.begin(
      (nid) => tids.get(nid) ?? (tids.has(nid) ? untold : ZERO_TID),
      (nid) => tids.get(nid) !== null,
    );
  }

  /** What storages of a backup say now that they have the table, which may say more of them. */
  async #backupTids(): Promise<Map<Nid, Tid | null>> {
    const reports = new Map<KnownNode, AnswerRecovery>();
    await Promise.all([...this.primary.nodes.identified("STORAGE")].map(async (storage) => {
      const report = await this.#ask(storage, AskRecovery, {});
      if (report !== null) reports.set(storage, report);
    }));
    return backupTids(this.primary.table, reports);
  }

  #done(): void {
    const { primary } = this;
    if (this.#over) return;
    primary.ids.committed(primary.ids.lastTid);
    // Their clients may still ask what became of them: nobody else may get their ttids.
    primary.ids.learn({ tid: this.#lastTtid });
    primary.ids.passByForgotten();
    primary.truncateTid = null;
    const { progress, options: { upstream } } = primary;
    if (progress === null) return primary.enter(new Running(primary));
    // Without one, it would not have been started.
    if (upstream === null) throw new Error("a backup was started without an upstream cluster");
    const readiness = new Readiness();
    const backup = new Backup({ primary, readiness, progress, cluster: upstream });
    primary.enter(new StartingBackup(backup));
  }

  async #finishLocked(): Promise<void> {
    const { locked, voted } = await this.#collect();
    for (const [ttid, storages] of voted) {
      if (this.#over) return;
      if (locked.has(ttid)) continue;
      const tid = await this.#finalTid(ttid, storages);
      if (tid !== null) locked.set(ttid, tid);
    }
    if (this.#over) return;
    for (const [ttid, tid] of locked) {
      for (const { connection } of voted.get(ttid) ?? []) {
        connection?.notify(ValidateTransaction, { ttid, tid });
      }
    }
  }

  async #collect(): Promise<Unfinished> {
    const locked = new Map<Tid, Tid>();
    const voted = new Map<Tid, Set<KnownNode>>();
    await Promise.all([...this.primary.nodes.identified("STORAGE")].map(async (storage) => {
      const answer = await this.#ask(storage, AskLockedTransactions, {});
      if (answer === null) return;
      const { nid } = storage;
      const counts = nid !== null && this.primary.table.hasReadableCells(nid);
      for (const [ttid, tid] of answer.ttids) {
        if (this.#lastTtid === null || ttid > this.#lastTtid) this.#lastTtid = ttid;
        if (tid !== null) locked.set(ttid, tid);
        if (!counts) continue;
        const storages = voted.get(ttid);
        if (storages === undefined) voted.set(ttid, new Set([storage]));
        else storages.add(storage);
      }
    }));
    return { locked, voted };
  }

  /** Whether a transaction was unlocked before all others forgot its final tid. */
  async #finalTid(ttid: Tid, except: ReadonlySet<KnownNode>): Promise<Tid | null> {
    const { table, nodes } = this.primary;
    for (const { nid } of table.readableCells(partitionOf(ttid, table.partitions))) {
      const storage = nodes.get(nid);
      if (storage === undefined || storage.connection === null || except.has(storage)) continue;
      const answer = await this.#ask(storage, AskFinalTID, { ttid });
      if (this.#over) return null;
      if (answer !== null && answer.tid !== null) return answer.tid;
    }
    return null;
  }

  /** Asks a storage. Null when it is lost or refuses, in which case it is disconnected. */
  async #ask<T, A>(
    { connection }: KnownNode,
    type: RequestType<T, A, Codecs>,
    packet: T,
  ): Promise<A | null> {
    if (connection === null) return null;
    try {
      return await connection.ask(type, packet);
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      if (error instanceof PeerError) connection.abort();
      return null;
    }
  }
}
