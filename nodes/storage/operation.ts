/** A storage that operates: what the master may order while clients are served. */

import type { MasterToStorageOperation } from "../../gen/flows.ts";
import {
  type AbortTransaction,
  type AnswerFinalTID,
  type AnswerInformationLocked,
  type AnswerPack,
  type AskFinalTID,
  type AskLockInformation,
  type AskPack,
  type CheckPartition,
  type NotifyClusterInformation,
  NotifyDeadlock,
  type NotifyNodeInformation,
  type NotifyPartitionChanges,
  NotifyReady,
  type NotifyRepair,
  NotifyReplicationDone,
  type NotifyTransactionFinished,
  type NotifyUnlockInformation,
  type Replicate,
  type StartOperation,
} from "../../gen/packets.ts";
import type { Tid } from "../codec/ids.ts";
import type { Reply } from "../codec/packet.ts";
import { Refusal } from "../wire/refusal.ts";
import type { Backend, Slices } from "./backend/backend.ts";
import { then, unawaited } from "./backend/eventual.ts";
import { Background } from "./background.ts";
import { Checker } from "./checking/checker.ts";
import { type DamagedCellError, reportDamage } from "./checking/damage.ts";
import { Reads } from "./clients/reads.ts";
import { Links } from "./links/links.ts";
import { StorageService } from "./links/storage_service.ts";
import { Replicator } from "./replication/replicator.ts";
import type { Session } from "./session.ts";
import { type TransactionContext, Transactions } from "./transactions/transactions.ts";

export class Operation implements MasterToStorageOperation {
  readonly #session: Session;
  readonly #backend: Backend;
  readonly #background: Background;
  readonly #reads: Reads;
  readonly #replicator: Replicator;
  readonly #checker: Checker;
  readonly transactions: Transactions;
  /** The connections with other storages. */
  readonly links: Links;
  /** What those who serve clients need. */
  readonly context: TransactionContext;
  #packing: Promise<unknown> = Promise.resolve();
  /** Settled when nothing is deleted any more that would have to be replicated again. */
  #truncated: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(session: Session) {
    this.#session = session;
    const { options: { backend, host, master }, assignment } = session;
    this.#backend = backend;
    this.#background = new Background(host);
    this.transactions = new Transactions({
      host,
      backend,
      assignment,
      task: () => this.#background.urgentTask(),
      fatal: (error) => session.options.fatal(error),
      news: {
        deadlock: (ttid, lockingTid) => master.notify(NotifyDeadlock, { ttid, lockingTid }),
        replicationDone: (offset, tid) => master.notify(NotifyReplicationDone, { offset, tid }),
      },
    });
    this.context = { backend, assignment, transactions: this.transactions };
    this.#reads = new Reads(this.context);
    const background = this.#background;
    this.links = this.#links(background);
    const parts = { session, transactions: this.transactions, background, links: this.links };
    this.#replicator = new Replicator(parts);
    this.#checker = new Checker(parts);
  }

  #links(background: Background): Links {
    const { assignment, nodes, options: { host, endpoint, peers, address } } = this.#session;
    const damaged = (error: DamagedCellError) => reportDamage(this.#session, error);
    const context = { ...this.context, background, damaged };
    return new Links({
      ...{ host, endpoint, peers, assignment, address },
      idTimestamp: () => nodes.get(assignment.nid)?.idTimestamp ?? null,
      receiver: (link) => new StorageService(context, link).receive,
    });
  }

  /** To be called for each request of a client. */
  clientAsked(): void {
    this.#background.clientAsked();
  }

  /** Whether this node is that of a backup cluster, whose clients only read. */
  get isBackup(): boolean {
    return this.#backend.settings.backupTid !== null;
  }

  /** Makes the database ready for operation, and tells the master when it is. */
  async start({ backup }: { readonly backup: boolean }): Promise<void> {
    const { assignment, options: { master } } = this.#session;
    if (this.#backend.settings.truncateTid !== null) {
      // All others did so while this node was away: what it has beyond that is of a history that
      // was given up. Its cells are out of date, and get what came since.
      this.#truncated = this.#session.truncate();
      await this.#truncated;
      if (this.#isOver) return;
    }
    const outdated = assignment.offsets((state) => state === "OUT_OF_DATE");
    this.#replicator.mark(outdated);
    // What verification did not finish is worthless from now on.
    this.#backend.pending.dropAll();
    if (backup) await this.#replicator.startBackup();
    else this.#backend.settings.backupTid = null;
    if (this.#isOver) return;
    await this.#session.keeping.begin(() => this.#isOver);
    await this.#backend.commit();
    if (this.#isOver) return;
    master.notify(NotifyReady, {});
    this.#replicator.ask(outdated);
    this.#backend.work?.run(this.#slices()).catch((error) => this.#session.options.fatal(error));
  }

  /** The slices in which the backend works while this operation lasts. */
  #slices(): Slices {
    const task = this.#background.task();
    const isOver = () => this.#isOver;
    return {
      get isDue() {
        return task.isDue || isOver();
      },
      pause: async () => {
        await task.pause();
        return !isOver();
      },
    };
  }

  /** Ends operation: nothing is remembered of it but what is on disk. */
  stop(): void {
    this.#isOver = true;
    this.#replicator.stop();
    this.#checker.stop();
    this.links.stop();
    this.transactions.stop();
  }

  startOperation({ backup }: StartOperation): void {
    if (!backup) throw new Refusal("PROTOCOL_ERROR", "unexpected packet: StartOperation");
    this.#replicator.startBackup()
      .then(() => this.#backend.commit())
      .catch((error) => this.#session.options.fatal(error));
  }

  stopOperation(): void {
    this.#session.options.stopOperation();
  }

  notifyNodeInformation(packet: NotifyNodeInformation): void {
    this.#session.nodeInformation(packet);
    this.#replicator.wake();
  }

  notifyPartitionChanges(packet: NotifyPartitionChanges): void {
    const { assignment } = this.#session;
    const known = new Set(assignment.offsets((state) => state === "OUT_OF_DATE"));
    this.#session.partitionChanges(packet);
    const lost = new Set<number>();
    const outdated: number[] = [];
    const readable: number[] = [];
    for (const { nid, offset, state } of packet.changes) {
      if (nid !== assignment.nid) continue;
      if (state === "OUT_OF_DATE") {
        if (!known.has(offset)) outdated.push(offset);
      } else if (state === "UP_TO_DATE" || state === "FEEDING") {
        readable.push(offset);
      } else {
        lost.add(offset);
      }
    }
    if (lost.size > 0) {
      this.#replicator.forget(lost);
      this.transactions.discard(lost);
    }
    for (const offset of readable) this.transactions.catchingUp.forget(offset);
    if (readable.length > 0) this.#replicator.readable();
    if (outdated.length > 0) this.#replicator.mark(outdated);
    this.#replicator.wake();
    // Whatever is answered from now on is answered when this is on disk.
    unawaited(this.#backend.commit());
    // The master is asked when nothing can make this node forget that it has to catch up: not
    // before a truncation that goes on, and may lower how far that is, is on disk as well.
    unawaited(
      this.#truncated.then(() => this.#backend.commit()).then(() => {
        if (!this.#isOver) this.#replicator.ask(outdated);
      }),
    );
  }

  askFinalTID({ ttid }: AskFinalTID): Reply<AnswerFinalTID> {
    return then(this.#reads.finalTid(ttid), (tid) => ({ tid }));
  }

  askLockInformation(packet: AskLockInformation): Reply<AnswerInformationLocked> {
    return then(this.transactions.lock(packet), () => ({ ttid: packet.ttid }));
  }

  notifyUnlockInformation({ ttid }: NotifyUnlockInformation): void {
    this.transactions.unlock(ttid);
  }

  abortTransaction({ ttid }: AbortTransaction): void {
    if (ttid === null) return;
    this.transactions.abort(ttid);
    this.#replicator.aborted(ttid);
  }

  notifyTransactionFinished(packet: NotifyTransactionFinished): void {
    // A node that took no part in the end of a transaction has nothing to keep of it.
    this.transactions.abort(packet.ttid);
    this.#replicator.finished(packet);
  }

  askPack({ tid }: AskPack): Reply<AnswerPack> {
    const packed = this.#packing.then(() => this.#pack(tid));
    this.#packing = packed.catch(() => {});
    return packed;
  }

  async #pack(tid: Tid): Promise<AnswerPack> {
    const { assignment } = this.#session;
    await this.#backend.maintenance.pack({
      tid,
      offsets: assignment.readable(),
      keepsDeletions: (offset) => !assignment.isCompleteEverywhere(offset),
      pause: () => this.#session.pause(() => this.#isOver),
      moved: (oid, from, to) => this.transactions.moved(oid, from, to),
    });
    await this.#backend.commit();
    return { status: !this.#isOver };
  }

  notifyRepair(packet: NotifyRepair): void {
    this.#session.repair(packet);
  }

  notifyClusterInformation({ state }: NotifyClusterInformation): void {
    this.#session.log("INFO", `the cluster is ${state}`);
    if (state === "STOPPING_BACKUP") this.#replicator.stopBackup();
  }

  replicate(packet: Replicate): void {
    this.#replicator.order(packet);
  }

  checkPartition(packet: CheckPartition): void {
    this.#checker.order(packet);
  }

  flushLog(): void {
    this.#session.options.host.log.flush?.();
  }
}
