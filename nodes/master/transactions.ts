/**
 * The transactions of all clients, from their beginning to their end. Commits are serialized: a
 * transaction that all its storages have locked still waits for those with smaller tids, so that
 * everyone sees commits in the order of their tids.
 */

import {
  AbortTransaction,
  type AnswerTransactionFinished,
  AskLockInformation,
  InvalidateObjects,
  NotifyDeadlock,
  NotifyTransactionFinished,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import type { AnswerFinalTID, AskFinishTransaction } from "../../gen/packets.ts";
import { hexId, MAX_TID, type Nid, type Tid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import { tidFromTime } from "../cluster/tid_time.ts";
import { Refusal } from "../wire/refusal.ts";
import { askNode } from "./ask.ts";
import type { Ids } from "./ids.ts";
import type { KnownNode } from "./nodes.ts";
import {
  disconnectFailed,
  type Participants,
  participants,
  type ParticipantsOptions,
  touchedPartitions,
} from "./participants.ts";
import { awaitSaved } from "./saved_tables.ts";
import { type Preparation, type Saving, Transaction } from "./transaction.ts";
import type { Turn } from "./turn.ts";

/** Imported tids end here, since all later tids have to be greater. */
const MAX_IMPORTED_TID = tidFromTime(Date.UTC(5000, 0, 1));

export interface TransactionsOptions extends ParticipantsOptions {
  readonly ids: Ids;
  readonly turn: Turn;
  /** Called after each transaction's end. */
  ended(): void;
}

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #pending = new Map<Tid, Transaction>();
  /** Prepared transactions by growing tid, which is the order of their preparation. */
  readonly #queue = new Map<Tid, Transaction>();
  /** The greatest final tid that was given to a transaction. */
  #lastPrepared: Tid;
  #over = false;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#lastPrepared = options.ids.lastTransaction ?? options.ids.lastTid;
  }

  /** The transactions that have not ended, in lines for people. */
  describe(): string[] {
    const lines = [...this.#pending.values()].map((transaction) => transaction.describe());
    return [`transactions: ${lines.length}`, ...lines];
  }

  /** Whether there is a transaction that has not ended. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  get pending(): Iterable<Transaction> {
    return this.#pending.values();
  }

  /**
   * A client's transaction. Throws a Refusal for what is none, such as one that began at another
   * master; the client's other transactions are not to blame.
   */
  get(ttid: Tid, client: KnownNode): Transaction {
    const transaction = this.#find(ttid, client);
    if (transaction !== undefined) return transaction;
    throw new Refusal("PROTOCOL_ERROR", `unknown ttid ${hexId(ttid)}`, false);
  }

  #find(ttid: Tid, client: KnownNode): Transaction | undefined {
    const transaction = this.#pending.get(ttid);
    return transaction?.client === client ? transaction : undefined;
  }

  /**
   * Begins a transaction and returns its ttid. `imported` is a final tid that the client wants it
   * to have; throws a Refusal when commits in the order of tids would not allow for it.
   */
  begin(client: KnownNode, imported: Tid | null): Tid {
    const { ids, readiness } = this.#options;
    if (imported !== null) this.#checkImported(imported);
    const ttid = imported ?? ids.newTid();
    ids.learn({ tid: ttid });
    this.#pending.set(
      ttid,
      new Transaction(ttid, client, readiness.moment, imported !== null),
    );
    return ttid;
  }

  #checkImported(tid: Tid): void {
    if (tid > this.#lastPrepared && tid <= MAX_IMPORTED_TID && !this.#pending.has(tid)) return;
    throw new Refusal(
      "PROTOCOL_ERROR",
      `expected a tid after ${hexId(this.#lastPrepared)} that is not in use, found ${hexId(tid)}`,
      false,
    );
  }

  /**
   * A client asks to commit. What was stored and what was only checked are both locked, but only
   * the former is told to the other clients.
   */
  finish(client: KnownNode, packet: AskFinishTransaction): Reply<AnswerTransactionFinished> {
    const { ttid, oids } = packet;
    const transaction = this.get(ttid, client);
    if (transaction.prepared !== null) throw alreadyFinishing(ttid);
    const found = this.#participants(transaction, packet);
    if (found === null) return this.#giveUp(transaction);
    const { involved, late } = found;
    const { ids, turn } = this.#options;
    ids.learnStored(oids);
    const tid = transaction.imported ? ttid : ids.newFinalTid(ttid);
    this.#lastPrepared = tid;
    const answer = new LaterAnswer<AnswerTransactionFinished>();
    const waiting = new Set(involved);
    const prepared = { tid, oids, involved, late, waiting, saving: new Set<Saving>(), answer };
    transaction.prepared = prepared;
    this.#queue.set(ttid, transaction);
    for (const storage of involved) {
      askNode(turn, storage, AskLockInformation, { ttid, tid }, () => {
        this.#storageLocked(prepared, storage);
      });
    }
    return answer;
  }

  /** The storages that take part; null when it can't be committed. */
  #participants(transaction: Transaction, packet: AskFinishTransaction): Participants | null {
    if (transaction.imported && transaction.ttid <= this.#lastPrepared) return null;
    const partitions = touchedPartitions(packet, this.#options.table.partitions);
    if (!disconnectFailed(this.#options, transaction, partitions)) return null;
    return participants(this.#options, transaction, partitions);
  }

  /** Ends a transaction that can't be committed; its client need not abort it. */
  #giveUp(transaction: Transaction): never {
    this.#abort(transaction, this.#options.readiness.ready());
    throw new Refusal(
      "INCOMPLETE_TRANSACTION",
      `transaction ${hexId(transaction.ttid)} is not complete on enough storages to be committed`,
    );
  }

  #storageLocked(prepared: Preparation, storage: KnownNode): void {
    if (prepared.waiting.delete(storage)) this.#changed();
  }

  /** Something that a commit waits for has happened. */
  #changed(): void {
    if (!this.#over) this.#commitLocked();
  }

  /** Commits from the head of the queue on, as far as all is locked. */
  #commitLocked(): void {
    let committed = false;
    for (const transaction of this.#queue.values()) {
      const { prepared } = transaction;
      if (prepared === null || !transaction.locked) break;
      this.#queue.delete(transaction.ttid);
      this.#pending.delete(transaction.ttid);
      this.#commit(transaction, prepared);
      committed = true;
    }
    if (committed) this.#options.ended();
  }

  #commit(transaction: Transaction, prepared: Preparation): void {
    const { nodes, ids } = this.#options;
    const { ttid, client } = transaction;
    const { tid, oids, involved, late, answer } = prepared;
    ids.committed(tid);
    const news = { tid, oids };
    for (const node of nodes.identified("CLIENT")) {
      if (node === client) answer.give({ ttid, tid });
      else node.connection?.notify(InvalidateObjects, news);
    }
    const unlock = { ttid };
    for (const storage of involved) storage.connection?.notify(NotifyUnlockInformation, unlock);
    for (const storage of transaction.replicating) {
      storage.connection?.notify(NotifyTransactionFinished, { ttid, maxTid: tid });
    }
    // Those that wait for its end were told; the others have not asked yet what is committed.
    for (const storage of late) {
      if (transaction.isReplicatedBy(storage)) continue;
      storage.connection?.notify(AbortTransaction, { ttid, nids: [] });
    }
    transaction.answerFinalTid(tid);
  }

  /**
   * A client gives up. `nids` are the storages that it may have written to. What it has not begun
   * is gone already; what is being committed can't be stopped, and a client that tries is refused.
   */
  abort(client: KnownNode, ttid: Tid, nids: readonly Nid[]): void {
    const transaction = this.#find(ttid, client);
    if (transaction === undefined) return;
    if (transaction.prepared !== null) throw alreadyFinishing(ttid);
    this.#abort(transaction, nids);
  }

  #abort(transaction: Transaction, nids: Iterable<Nid>): void {
    const { nodes, readiness, ended } = this.#options;
    const { ttid } = transaction;
    this.#pending.delete(ttid);
    const told = new Set(transaction.replicating);
    for (const nid of nids) {
      const node = nodes.get(nid);
      if (node !== undefined) told.add(node);
    }
    for (const { nid, connection } of told) {
      if (nid === null || !readiness.isReady(nid)) continue;
      connection?.notify(AbortTransaction, { ttid, nids: [] });
    }
    transaction.answerFinalTid(null);
    ended();
  }

  /**
   * What became of a transaction that its client asked to finish before it was cut off: null when
   * there is no such transaction; MAX_TID says that the storages know.
   */
  finalTid(ttid: Tid): Reply<AnswerFinalTID> {
    if (ttid > this.#options.ids.lastTid) return { tid: null };
    return this.#pending.get(ttid)?.finalTid() ?? { tid: MAX_TID };
  }

  /** A storage that replicates will be told of the end of all these transactions. */
  watch(storage: KnownNode): Tid[] {
    for (const transaction of this.#pending.values()) transaction.tellReplicating(storage);
    return [...this.#pending.keys()];
  }

  /** A storage found two transactions waiting for each other: the older gets a new place. */
  deadlock(ttid: Tid, lockingTid: Tid): void {
    const transaction = this.#pending.get(ttid);
    if (transaction === undefined || transaction.client === null) return;
    if (transaction.prepared !== null || transaction.lockingTid > lockingTid) return;
    transaction.lockingTid = this.#options.ids.newTid();
    transaction.client.connection?.notify(NotifyDeadlock, {
      ttid,
      lockingTid: transaction.lockingTid,
    });
  }

  /** A client is gone: what it has not asked to finish is dropped. */
  clientLost(client: KnownNode): void {
    for (const transaction of [...this.#pending.values()]) {
      if (transaction.client !== client) continue;
      if (transaction.prepared === null) this.#abort(transaction, []);
      else transaction.client = null;
    }
  }

  /** A storage is gone, and the cluster is still operational: nothing waits for it any more. */
  storageLost(storage: KnownNode): void {
    for (const transaction of this.#pending.values()) {
      const mayLack = transaction.storageLost(storage);
      if (mayLack) awaitSaved(this.#options.turn, transaction, () => this.#changed());
    }
    this.#commitLocked();
  }

  /** Operation is over: the storages forget everything, and verification decides. */
  drop(): void {
    this.#over = true;
    this.#pending.clear();
    this.#queue.clear();
  }
}

function alreadyFinishing(ttid: Tid): Refusal {
  return new Refusal("PROTOCOL_ERROR", `commit already requested for ttid ${hexId(ttid)}`);
}
