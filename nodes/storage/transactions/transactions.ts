/**
 * The transactions of an operational storage: what they store and check, their vote, and their
 * end. All of it is forgotten when operation stops; what has to outlive that is in the database.
 *
 * A vote and a lock are answered when they are on disk. What is unlocked is visible at once, and on
 * disk a little later: the final tid of a locked transaction is enough to finish it after a crash.
 */

import { hexId, type Nid, type Oid, type Tid } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import type { ClientHost } from "../../host/host.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Assignment } from "../assignment.ts";
import type { Backend, DataId, TransactionMetadata } from "../backend/backend.ts";
import { type Eventual, unawaited } from "../backend/eventual.ts";
import type { Turns } from "../background.ts";
import { CatchingUp } from "./catching_up.ts";
import { Finishing } from "./finishing.ts";
import { ReadLocks } from "./read_locks.ts";
import { Transaction } from "./transaction.ts";
import { type Attempt, type Waiting, WaitingQueue } from "./waiting_queue.ts";
import { WriteLocks } from "./write_locks.ts";

/** Who asks. */
export interface Requester {
  readonly nid: Nid;
  readonly connection: Waiting["connection"];
}

/** What the master is told of. */
export interface TransactionNews {
  /** A transaction that was given this locking tid may be in a deadlock. */
  deadlock(ttid: Tid, lockingTid: Tid): void;
  /** A cell is complete up to `tid`, and all that is pending on it is locked. */
  replicationDone(offset: number, tid: Tid): void;
}

export interface TransactionsOptions {
  readonly host: ClientHost;
  readonly backend: Backend;
  readonly assignment: Assignment;
  readonly news: TransactionNews;
  /** Begins work in slices. */
  task(): Turns;
  /** Told of an error in what nobody waits for: the node must stop. */
  fatal(error: unknown): void;
}

/** What requests about transactions work on. */
export interface TransactionContext {
  readonly transactions: Transactions;
  readonly backend: Backend;
  readonly assignment: Assignment;
}

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #byTtid = new Map<Tid, Transaction>();
  readonly #writes: WaitingQueue;
  readonly #finishing: Finishing;
  readonly locks: WriteLocks;
  readonly readLocks: ReadLocks;
  readonly catchingUp: CatchingUp;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    const { host, backend, assignment, news } = options;
    this.readLocks = new ReadLocks(host);
    this.#writes = new WaitingQueue(host);
    this.catchingUp = new CatchingUp({
      assignment,
      replicationDone: (offset, tid) => news.replicationDone(offset, tid),
    });
    this.#finishing = new Finishing({
      ...{ backend, assignment, readLocks: this.readLocks },
      task: () => options.task(),
      unlocked: (transaction) => this.#unlocked(transaction),
      fatal: (error) => options.fatal(error),
    });
    this.locks = new WriteLocks({
      log: host.log,
      assignment,
      objects: backend.objects,
      catchingUp: this.catchingUp,
      deadlock: (ttid, lockingTid) => news.deadlock(ttid, lockingTid),
      reordered: (hadLockless) => this.reordered(hadLockless),
      dropped: (transaction, conflict) => backend.data.discard(transaction.lose(conflict)),
    });
  }

  /** Transactions, and requests that wait for their locks, in lines for people. */
  describe(): string[] {
    const transactions = [...this.#byTtid.values()].map((transaction) => transaction.describe());
    const writes = this.#writes.describe().map((line) => `write waits: ${line}`);
    const reads = this.readLocks.describe().map((line) => `read waits: ${line}`);
    return [`transactions: ${transactions.length}`, ...transactions, ...writes, ...reads];
  }

  /** The transaction of a ttid; undefined for one that is unknown here, or over. */
  get(ttid: Tid): Transaction | undefined {
    return this.#byTtid.get(ttid);
  }

  /** The transaction of a ttid, which is known from now on. */
  register(ttid: Tid, { nid }: Requester): Transaction {
    const known = this.#byTtid.get(ttid);
    if (known !== undefined) return known;
    const transaction = new Transaction(ttid, nid);
    this.#byTtid.set(ttid, transaction);
    return transaction;
  }

  #known(ttid: Tid): Transaction {
    const transaction = this.#byTtid.get(ttid);
    if (transaction !== undefined) return transaction;
    throw new Refusal("PROTOCOL_ERROR", `unknown ttid ${hexId(ttid)}`);
  }

  /** Serves a request as soon as it need not wait for a write lock. */
  whenUnlocked<A>(
    transaction: Transaction,
    waiting: Omit<Waiting, "priority">,
    attempt: Attempt<A>,
  ): Reply<A> {
    return this.#writes.serve({ ...waiting, priority: () => transaction.lockingTid }, attempt);
  }

  /** See {@link Finishing.vote}. */
  vote(transaction: Transaction, metadata: TransactionMetadata | null): Eventual<void> {
    return this.#finishing.vote(transaction, metadata);
  }

  /** Votes for a transaction without metadata, which must be known. */
  voteKnown(ttid: Tid): Eventual<void> {
    return this.vote(this.#known(ttid), null);
  }

  /** Gives a transaction its final tid. Resolves when that is on disk. */
  lock({ ttid, tid }: { readonly ttid: Tid; readonly tid: Tid }): Eventual<void> {
    const transaction = this.#known(ttid);
    // The master may not know that this node is still writing what the client votes for.
    if (transaction.voting !== null) return transaction.voting.then(() => this.lock({ ttid, tid }));
    return this.#finishing.lock(transaction, tid);
  }

  /** Makes a locked transaction visible. */
  unlock(ttid: Tid): void {
    this.#finishing.unlock(this.#known(ttid));
  }

  #unlocked(transaction: Transaction): void {
    this.readLocks.unlock(transaction);
    this.locks.committed();
    this.#end(transaction);
    this.#finishing.free(transaction, this.locks);
  }

  /** Aborts a transaction unless it is unknown or locked. */
  abort(ttid: Tid): void {
    const transaction = this.#byTtid.get(ttid);
    if (transaction === undefined || transaction.tid !== null) return;
    const { backend } = this.#options;
    const held = transaction.held();
    if (transaction.voted) backend.pending.abort(ttid);
    if (held.length > 0) backend.data.discard(held);
    if (transaction.voted || held.length > 0) void backend.commit();
    this.locks.release(transaction);
    this.#end(transaction);
  }

  /** A client is gone: for good, or only from this node, which then keeps what was voted. */
  abortOf(client: Nid, { evenVoted }: { readonly evenVoted: boolean }): void {
    for (const transaction of [...this.#byTtid.values()]) {
      if (transaction.client !== client || (transaction.voted && !evenVoted)) continue;
      this.abort(transaction.ttid);
    }
  }

  #end(transaction: Transaction): void {
    transaction.ended = true;
    this.#byTtid.delete(transaction.ttid);
    this.settle();
    this.readLocks.run();
    this.#writes.run();
  }

  /** Looks for cells that have become fit to be up-to-date. */
  settle(): void {
    const settled = this.catchingUp.settle(this.locks, this.#byTtid.values());
    if (settled instanceof Promise) unawaited(settled.then(() => this.#writes.run()));
  }

  /** A transaction's locking tid has changed. */
  reordered(hadLockless: boolean): void {
    if (hadLockless) this.settle();
    this.#writes.sort();
    this.#writes.run();
  }

  /** The transactions up to `tid` that are locked: what they store is about to be visible. */
  lockedUpTo(tid: Tid): Transaction[] {
    const locked: Transaction[] = [];
    for (const transaction of this.#byTtid.values()) {
      if (transaction.tid !== null && transaction.tid <= tid) locked.push(transaction);
    }
    return locked;
  }

  /** Whether a transaction up to `tid` is locked. */
  isLockedUpTo(tid: Tid): boolean {
    return this.lockedUpTo(tid).length > 0;
  }

  /** A pack lets a revision go: see {@link Pack.moved}. */
  moved(
    oid: Oid,
    from: Tid,
    { owner, dataId }: { readonly owner: Tid | null; readonly dataId: DataId | null },
  ): boolean {
    let found = false;
    for (const { stores } of this.#byTtid.values()) {
      const store = stores.get(oid);
      if (store?.valueTid !== from) continue;
      found = true;
      store.valueTid = owner;
      // An undo that has voted holds the data already.
      if (owner !== null || dataId === null || store.dataId !== null) continue;
      store.dataId = dataId;
      this.#options.backend.data.hold(dataId);
    }
    return found;
  }

  /** Replication brought what an undo that has voted goes back to: it holds the data. */
  undoTargetFound(
    { ttid, oid, dataId }: { readonly ttid: Tid; readonly oid: Oid; readonly dataId: DataId },
  ): void {
    const store = this.#byTtid.get(ttid)?.stores.get(oid);
    if (store === undefined || store.dataId !== null) return;
    store.dataId = dataId;
    this.#options.backend.data.hold(dataId);
  }

  /** Cells are gone: nobody stores to them here any more. */
  discard(offsets: ReadonlySet<number>): void {
    const { assignment, backend } = this.#options;
    const isConcerned = (oid: Oid) => offsets.has(assignment.partition(oid));
    for (const offset of offsets) this.catchingUp.forget(offset);
    this.locks.forget(isConcerned);
    this.readLocks.forget(isConcerned);
    backend.pending.dropPartitions(offsets);
    for (const transaction of this.#byTtid.values()) {
      for (const oid of [...transaction.serials.keys()]) {
        if (isConcerned(oid)) backend.data.discard(transaction.drop(oid));
      }
    }
    this.#writes.run();
    this.readLocks.run();
  }

  /** Cells are not complete: writes to them are accepted without locks. */
  outdated(offsets: readonly number[]): void {
    const { assignment } = this.#options;
    this.catchingUp.begin(offsets);
    this.locks.relax((oid) => this.catchingUp.isReplicating(assignment.partition(oid)));
    this.#writes.run();
  }

  /** A cell has been completed up to `tid`; the master is told as soon as it can be readable. */
  replicated(offset: number, tid: Tid): void {
    this.catchingUp.complete(offset, tid);
    this.settle();
    this.#writes.run();
  }

  /** Operation is over. What was not voted is worthless; the rest waits for verification. */
  stop(): void {
    const worthless = [...this.#byTtid.values()].flatMap((transaction) =>
      this.#finishing.stop(transaction, this.locks)
    );
    this.#byTtid.clear();
    this.readLocks.clear();
    this.#writes.clear();
    if (worthless.length === 0) return;
    this.#options.backend.data.discard(worthless);
    void this.#options.backend.commit();
  }
}
