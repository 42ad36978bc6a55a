/**
 * Write locks, one per object, held by transactions until they end. Which of two transactions
 * waits for the other is decided by their locking tids, in the same way on all storages; where a
 * deadlock is possible, the older one lets go of everything and gets a new locking tid.
 */

import type { VoteConflict } from "../../cluster/vote_conflict.ts";
import { hexId, MAX_TID, type Oid, type Tid } from "../../codec/ids.ts";
import type { LogSink } from "../../host/host.ts";
import type { Assignment } from "../assignment.ts";
import type { ObjectTable } from "../backend/backend.ts";
import { type Eventual, inTurn, then } from "../backend/eventual.ts";
import type { CatchingUp, GivenLocks } from "./catching_up.ts";
import type { Transaction } from "./transaction.ts";

/**
 * What became of a wish for a lock; a tid is that of a newer revision, with which it conflicts.
 * Both `locked` and `lockless` are a success.
 */
export type LockOutcome = "locked" | "lockless" | "wait" | "unreadable" | Tid;

export interface WriteLocksOptions {
  readonly log: LogSink;
  readonly assignment: Assignment;
  readonly objects: ObjectTable;
  readonly catchingUp: CatchingUp;
  /** A transaction that was given this locking tid may be in a deadlock. */
  deadlock(ttid: Tid, lockingTid: Tid): void;
  /** A transaction has another locking tid and no locks any more: requests must be tried again. */
  reordered(hadLockless: boolean): void;
  /** What a transaction stores for an object turned out to be in conflict. */
  dropped(transaction: Transaction, conflict: VoteConflict): void;
}

export class WriteLocks implements GivenLocks {
  readonly #options: WriteLocksOptions;
  readonly #holders = new Map<Oid, Transaction>();
  #commits = 0;

  constructor(options: WriteLocksOptions) {
    this.#options = options;
  }

  /** Whether somebody holds the lock of an object. */
  isHeld(oid: Oid): boolean {
    return this.#holder(oid) !== undefined;
  }

  /** A transaction that has ended holds nothing, even where its locks are yet to be forgotten. */
  #holder(oid: Oid): Transaction | undefined {
    const holder = this.#holders.get(oid);
    return holder?.ended === true ? undefined : holder;
  }

  /** A transaction is committed: the last revisions of objects are others now. */
  committed(): void {
    this.#commits++;
  }

  /** Takes the lock of an object for a transaction that is based on the revision `serial`. */
  lock(transaction: Transaction, oid: Oid, serial: Tid): Eventual<LockOutcome> {
    const decided = this.#decide(transaction, oid, serial);
    if (decided !== "free") return decided;
    const current = this.#options.objects.lastTid(oid);
    if (!(current instanceof Promise)) return this.#take(transaction, oid, { serial, current });
    const commits = this.#commits;
    return current.then((current): Eventual<LockOutcome> => {
      // The answer took its time, and may have been overtaken.
      if (transaction.ended) return "unreadable";
      if (commits !== this.#commits) return this.lock(transaction, oid, serial);
      const decided = this.#decide(transaction, oid, serial);
      return decided === "free" ? this.#take(transaction, oid, { serial, current }) : decided;
    });
  }

  /** The first rule that applies; `free` when only the last revision is left to be looked at. */
  #decide(transaction: Transaction, oid: Oid, serial: Tid): LockOutcome | "free" {
    const { assignment, catchingUp } = this.#options;
    const offset = assignment.partition(oid);
    const isRebasing = transaction.lockingTid === MAX_TID;
    if (catchingUp.isReplicating(offset)) {
      if (isRebasing) return "wait";
      transaction.lockless.add(oid);
      transaction.base(oid, serial);
      return "lockless";
    }
    const holder = this.#holder(oid);
    if (holder === undefined) {
      if (isRebasing) return "wait";
      const isKnown = assignment.isReadable(offset) || catchingUp.isReplicated(offset);
      return isKnown ? "free" : "unreadable";
    }
    const isOther = holder !== transaction;
    // A client may be so fast that its next transaction comes before the end of the one before.
    if (isOther && (holder.lockingTid < transaction.lockingTid || holder.voted)) return "wait";
    if (transaction.lockless.has(oid)) {
      // The lock's holder only delays newcomers; readable cells check for conflicts.
      transaction.base(oid, serial);
      return "lockless";
    }
    if (isOther) {
      this.#avoidDeadlock(transaction, oid, holder);
      return "wait";
    }
    const current = transaction.stores.get(oid)?.valueTid ?? null;
    // What follows an undo within a transaction is based on what the undo goes back to.
    return this.#take(transaction, oid, { serial, current });
  }

  #take(transaction: Transaction, oid: Oid, { serial, current }: {
    readonly serial: Tid;
    readonly current: Tid | null;
  }): LockOutcome {
    if (current !== null && current !== serial) return current;
    this.#holders.set(oid, transaction);
    transaction.base(oid, serial);
    return "locked";
  }

  #avoidDeadlock(transaction: Transaction, oid: Oid, holder: Transaction): void {
    const { log, deadlock, reordered } = this.#options;
    const [ttid, other] = [hexId(transaction.ttid), hexId(holder.ttid)];
    log.log("INFO", "storage", `deadlock of ${ttid} with ${other} on ${hexId(oid)}`);
    deadlock(transaction.ttid, transaction.lockingTid);
    transaction.lockingTid = MAX_TID;
    this.release(transaction);
    const hadLockless = transaction.lockless.size > 0;
    // Later we may give locks to them that normally conflict: readable cells take care of that.
    transaction.lockless.clear();
    reordered(hadLockless);
  }

  /** Frees all locks of a transaction. */
  release(transaction: Transaction): void {
    for (const oid of transaction.serials.keys()) this.releaseOne(transaction, oid);
  }

  /** Frees the lock of an object if that transaction holds it. */
  releaseOne(transaction: Transaction, oid: Oid): void {
    if (this.#holders.get(oid) === transaction) this.#holders.delete(oid);
  }

  /** Gives a lock to a transaction, whoever has it. Returns whether nobody else had it. */
  give(oid: Oid, transaction: Transaction): boolean {
    const holder = this.#holder(oid);
    this.#holders.set(oid, transaction);
    return holder === undefined || holder === transaction;
  }

  /**
   * Checks locks that were given to transactions whose writes had been accepted without a check.
   * What is in conflict is dropped: readable cells tell the client.
   */
  recheck(isConcerned: (oid: Oid) => boolean): Eventual<void> {
    const { objects, dropped } = this.#options;
    const given = [...this.#holders].filter(([oid, { ended }]) => !ended && isConcerned(oid));
    return inTurn(given, ([oid, transaction]) => {
      transaction.lockless.delete(oid);
      return then(objects.lastTid(oid), (current) => {
        if (current === null || current === transaction.newestBase(oid)) return;
        if (this.#holders.get(oid) !== transaction) return;
        this.#holders.delete(oid);
        dropped(transaction, { oid, committed: current });
      });
    });
  }

  /** Takes locks away: nobody stores to these objects here any more. */
  forget(isConcerned: (oid: Oid) => boolean): void {
    for (const oid of [...this.#holders.keys()]) {
      if (isConcerned(oid)) this.#holders.delete(oid);
    }
  }

  /** Takes locks away from their holders, whose writes are accepted without them from now on. */
  relax(isConcerned: (oid: Oid) => boolean): void {
    for (const [oid, holder] of [...this.#holders]) {
      if (!isConcerned(oid)) continue;
      this.#holders.delete(oid);
      if (!holder.ended) holder.lockless.add(oid);
    }
  }
}
