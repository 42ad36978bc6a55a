/**
 * The client of a cluster: loads, transactions and what else an application does with a database.
 * Everything takes its time, sockets and randomness from the host, so that a client also runs
 * under a simulated one.
 */

import { AskPack } from "../../gen/packets.ts";
import { type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { ClientHost } from "../host/host.ts";
import { assertWritable, type BeginOptions, beginTransaction } from "./begin.ts";
import type { CacheStatistics, Revision } from "./cache.ts";
import {
  closedError,
  CreationUndoneError,
  DoesNotExistError,
  NotFoundError,
  StorageError,
} from "./errors.ts";
import {
  History,
  type HistoryEntry,
  type Page,
  type TransactionInformation,
  type TransactionRange,
  type TransactionRecord,
} from "./history.ts";
import type { Invalidation, InvalidationListener } from "./invalidations.ts";
import { Follower } from "./follow.ts";
import { after } from "./loads.ts";
import type { CallOptions, ClusterOptions } from "./options.ts";
import { checkOptions, resolveMasters } from "./opening.ts";
import { assemble, type Parts } from "./parts.ts";
import { PastView } from "./past_view.ts";
import { type TransactFunction, type TransactOptions, Transactor } from "./transact.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Connects to a cluster. Rejects with a ConfigurationError for impossible options, a DeadlineError
 * when no primary master is found in time, a StorageError when it refuses this client, or the
 * signal's reason.
 */
export async function openClient(host: ClientHost, options: ClusterOptions): Promise<Client> {
  checkOptions(options);
  const { signal } = options;
  const masters = await resolveMasters(host, options.masters);
  const parts = assemble(host, masters, options);
  try {
    await parts.master.session({ signal });
  } catch (error) {
    parts.master.close();
    throw error;
  }
  return new Client(parts);
}

/** A connection to a cluster, to be shared by all of a program. Made by `connect`. */
export class Client implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #transactor: Transactor;
  readonly #history: History;

  /** @ignore */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#transactor = new Transactor(parts);
    this.#history = new History(parts);
  }

  /** The last transaction that this client knows of; 0 for an empty database. */
  get lastTid(): Tid {
    return this.#parts.view.lastTid;
  }

  /** How well the cache does. */
  get cacheStatistics(): CacheStatistics {
    return this.#parts.view.cache.statistics;
  }

  /**
   * Loads the newest revision of an object that this client knows of. Rejects with a NotFoundError
   * (DoesNotExistError, CreationUndoneError), a StorageError when no storage can serve it, or the
   * signal's reason.
   */
  load(oid: Oid, options?: CallOptions): Promise<Revision> {
    return this.#loadBefore(oid, after(this.lastTid), options);
  }

  /**
   * Loads the newest revision of an object that is older than `tid`; null when it did not exist
   * yet. Rejects with a DoesNotExistError when there has never been such an object, with a
   * CreationUndoneError when it was deleted, otherwise as `load` does.
   */
  async loadBefore(oid: Oid, tid: Tid, options?: CallOptions): Promise<Revision | null> {
    try {
      return await this.#loadBefore(oid, tid, options);
    } catch (error) {
      const isThere = error instanceof DoesNotExistError || error instanceof CreationUndoneError;
      if (error instanceof NotFoundError && !isThere) return null;
      throw error;
    }
  }

  async #loadBefore(oid: Oid, tid: Tid, options?: CallOptions): Promise<Revision> {
    this.#assertOpen();
    return await this.#parts.loads.loadBefore(oid, tid, options);
  }

  /** Loads exactly the revision `serial` of an object. Rejects as `load` does. */
  async loadSerial(oid: Oid, serial: Tid, options?: CallOptions): Promise<Revision> {
    this.#assertOpen();
    return await this.#parts.loads.loadSerial(oid, serial, options);
  }

  /**
   * The whole store as it was when a transaction had been committed, or at a time; for reading.
   * Throws a FutureError for a tid that is newer than `lastTid`, and for a time that is to come. A
   * time that is newer than `lastTid` means `lastTid`: see `sync`.
   */
  at(moment: Tid | Date): PastView {
    this.#assertOpen();
    return new PastView(this.#parts, this.#history, moment);
  }

  /** An oid for a new object. Rejects with a ReadOnlyError, or as `sync` does. */
  async newOid(options?: CallOptions): Promise<Oid> {
    assertWritable(this.#parts);
    return await this.#parts.oids.next(options);
  }

  /**
   * Waits until this client knows of everything that was committed before the call. Rejects with a
   * DeadlineError when no primary master is found in time, or with the signal's reason.
   */
  async sync(options?: CallOptions): Promise<void> {
    await this.#parts.master.barrier(options);
  }

  /**
   * Runs a function on a consistent snapshot, and commits what it has stored once it has ended.
   * It is run again, on a newer snapshot, when another transaction was in the way or nodes were
   * lost on the way. Resolves with what it returns. Rejects with what it throws, with a
   * TransientError (ConflictError, MasterLostError, StorageLostError) when all attempts failed,
   * with an UnknownOutcomeError, or with the signal's reason.
   */
  async transact<T>(work: TransactFunction<T>, options?: TransactOptions): Promise<T> {
    return await this.#transactor.run(work, options);
  }

  /**
   * Begins a transaction whose phases the caller goes through one by one. Rejects with a
   * ReadOnlyError, a MasterLostError, a DeadlineError or the signal's reason.
   */
  async begin(options: BeginOptions = {}): Promise<Transaction> {
    assertWritable(this.#parts);
    const { signal } = options;
    const session = await this.#parts.master.session({ signal });
    return await beginTransaction(this.#parts, session, options);
  }

  /**
   * Undoes a committed transaction by a new one. Resolves with the new transaction's id. Rejects
   * with an UndoError when it can't be undone, with a NotFoundError when there is no such
   * transaction, otherwise as `begin` and `Transaction.finish` do.
   */
  async undo(undone: Tid, options: BeginOptions = {}): Promise<Tid> {
    await using transaction = await this.begin(options);
    await transaction.undo(undone, options);
    return await transaction.finish(options);
  }

  /**
   * Tells of the revisions of an object, the newest first: those from number `first` up to but
   * without `last`, or only the newest. Rejects with a NotFoundError when there are none.
   */
  async history(oid: Oid, page?: Page): Promise<HistoryEntry[]> {
    this.#assertOpen();
    return await this.#history.object(oid, page);
  }

  /** Tells of the latest transactions, the newest first: the last 20, or those of a page. */
  async undoLog(page?: Page): Promise<TransactionInformation[]> {
    this.#assertOpen();
    return await this.#history.latest(page);
  }

  /** Tells of a transaction. Rejects with a NotFoundError. */
  async transaction(tid: Tid, options?: CallOptions): Promise<TransactionInformation> {
    this.#assertOpen();
    return await this.#history.transaction(tid, options);
  }

  /** Goes through all transactions that are committed now, or those of a range, in order. */
  transactions(range?: TransactionRange): AsyncIterableIterator<TransactionInformation> {
    this.#assertOpen();
    return this.#history.transactions(range);
  }

  /**
   * Tells of each transaction from `start` on, or from now on, once and in order: first of those
   * that are committed, then of each that is, by this client or another, whatever nodes are lost
   * and come back. Ends when the signal is aborted or the client is closed. Rejects with a
   * StorageError when the database is truncated to before what was told of.
   */
  follow(
    start: Tid = after(this.lastTid),
    options: CallOptions = {},
  ): AsyncIterableIterator<TransactionInformation> {
    this.#assertOpen();
    return new Follower(this.#parts, this.#history, { ...options, start }).run();
  }

  /** Goes through what a transaction stored; what was packed since is left out. */
  records(
    transaction: Pick<TransactionInformation, "tid" | "oids">,
    options?: CallOptions,
  ): AsyncIterableIterator<TransactionRecord> {
    this.#assertOpen();
    return this.#history.records(transaction, options);
  }

  /**
   * Removes the revisions that nobody sees any more who looks at `tid` or later. Resolves when all
   * storages have done so. Rejects with a StorageError when they are packing already.
   */
  async pack(tid: Tid, options?: CallOptions): Promise<void> {
    assertWritable(this.#parts);
    if (tid === ZERO_TID) throw new StorageError("expected a time after 1900, found none");
    const { status } = await this.#parts.master.ask(AskPack, { tid }, options);
    if (!status) {
      throw new StorageError("the storages are packing already: wait until they are done");
    }
    this.#parts.view.cache.clear();
  }

  /**
   * Tells what became of a transaction after an UnknownOutcomeError: the tid as which it was
   * committed, or null when it was not and never will be. Waits while that is undecided.
   */
  async outcome(ttid: Tid, options: CallOptions = {}): Promise<Tid | null> {
    return await this.#parts.finisher.outcome(ttid, options);
  }

  /**
   * Calls back for each transaction that is committed, by this client or another, in order and
   * before anything newer can be loaded. Returns a function that ends this.
   */
  onInvalidate(listener: InvalidationListener): () => void {
    return this.#parts.invalidations.listen(listener);
  }

  /**
   * What to forget from now on, until the signal is aborted or the client is closed. It may leave
   * transactions out where it says so; `follow` does not.
   */
  invalidations({ signal }: CallOptions = {}): AsyncIterableIterator<Invalidation> {
    return this.#parts.invalidations.iterate(signal);
  }

  /** Ends all connections; operations that are under way reject with a ClosedError. */
  close(): Promise<void> {
    this.#parts.master.close();
    this.#parts.invalidations.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(): void {
    if (this.#parts.master.closed) throw closedError();
  }
}
