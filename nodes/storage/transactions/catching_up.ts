/**
 * Own cells that are on their way to being readable. While a cell is being replicated, writes to
 * it take no locks: readable cells elsewhere check for conflicts. Before it may be called
 * up-to-date, each pending write on it must be protected by a lock here.
 */

import type { Oid, Tid } from "../../codec/ids.ts";
import type { Assignment } from "../assignment.ts";
import type { Eventual } from "../backend/eventual.ts";
import type { Transaction } from "./transaction.ts";

/** What is needed of the write locks. */
export interface GivenLocks {
  /** Gives a lock to a transaction, whoever has it. Returns whether nobody else had it. */
  give(oid: Oid, transaction: Transaction): boolean;
  /** Checks locks that were given: what is in conflict is dropped. */
  recheck(isConcerned: (oid: Oid) => boolean): Eventual<void>;
}

export interface CatchingUpOptions {
  readonly assignment: Assignment;
  /** Tells the master that a cell is complete up to `tid`. */
  replicationDone(offset: number, tid: Tid): void;
}

export class CatchingUp {
  readonly #options: CatchingUpOptions;
  readonly #replicating = new Set<number>();
  /** Up to where a cell is complete; null once the master was told. */
  readonly #replicated = new Map<number, Tid | null>();

  constructor(options: CatchingUpOptions) {
    this.#options = options;
  }

  /** Whether a cell is being replicated: writes to it take no locks. */
  isReplicating(offset: number): boolean {
    return this.#replicating.has(offset);
  }

  /** Whether a cell is complete, although the master has not said yet that it is up-to-date. */
  isReplicated(offset: number): boolean {
    return this.#replicated.has(offset);
  }

  /** From now on, cells are being replicated. Comes before the master is asked what is pending. */
  begin(offsets: readonly number[]): void {
    for (const offset of offsets) {
      this.#replicating.add(offset);
      this.#replicated.delete(offset);
    }
  }

  /** A cell is complete up to `tid`, but for what is pending. {@link settle} must follow. */
  complete(offset: number, tid: Tid): void {
    this.#replicating.delete(offset);
    this.#replicated.set(offset, tid);
  }

  /** A cell was announced to be readable, or is gone. */
  forget(offset: number): void {
    this.#replicating.delete(offset);
    this.#replicated.delete(offset);
  }

  /**
   * Turns accepted writes into locked ones, and tells the master of cells all of whose pending
   * writes are locked. Called after each change that may bring that about. It may free locks.
   */
  settle(locks: GivenLocks, transactions: Iterable<Transaction>): Eventual<void> {
    const ready = new Set<number>();
    for (const [offset, tid] of this.#replicated) if (tid !== null) ready.add(offset);
    if (ready.size === 0) return;
    const { assignment } = this.#options;
    const pending = new Set(ready);
    for (const transaction of [...transactions].sort(byAge)) {
      for (const oid of transaction.lockless) {
        const offset = assignment.partition(oid);
        if (!pending.has(offset)) continue;
        // Of several that were accepted, the youngest gets the lock, so as to delay newcomers.
        if (!locks.give(oid, transaction)) ready.delete(offset);
      }
    }
    for (const offset of ready) {
      const tid = this.#replicated.get(offset);
      if (tid !== undefined && tid !== null) this.#options.replicationDone(offset, tid);
      this.#replicated.set(offset, null);
    }
    if (ready.size === 0) return;
    return locks.recheck((oid) => ready.has(assignment.partition(oid)));
  }
}

function byAge(a: Transaction, b: Transaction): number {
  if (a.lockingTid !== b.lockingTid) return a.lockingTid < b.lockingTid ? -1 : 1;
  return a.ttid < b.ttid ? -1 : 1;
}
