/**
 * The way of a transaction from its vote to its end as a committed one. Of a big one, a part of the
 * objects is dealt with at a time, and others get their turn between two parts.
 *
 * Nothing of a vote counts before it is complete: after a crash, what there is of it is one of a
 * transaction that was not committed. The parts of an unlock get on disk together, and nobody reads
 * what it moves before the last one.
 */

import { hexId, type Oid, type Tid } from "../../codec/ids.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Assignment } from "../assignment.ts";
import type {
  Backend,
  DataId,
  PendingStore,
  TransactionMetadata,
  Unlock,
} from "../backend/backend.ts";
import { type Eventual, unawaited } from "../backend/eventual.ts";
import type { Turns } from "../background.ts";
import { COMMITTED_PARTS, PART_OBJECTS } from "./limits.ts";
import type { ReadLocks } from "./read_locks.ts";
import { requireRoom } from "./room.ts";
import type { Transaction } from "./transaction.ts";
import type { WriteLocks } from "./write_locks.ts";

export interface FinishingOptions {
  readonly backend: Backend;
  readonly assignment: Assignment;
  readonly readLocks: ReadLocks;
  /** Begins work in slices. */
  task(): Turns;
  /** A transaction is committed, and can be read. */
  unlocked(transaction: Transaction): void;
  /** Told of an error in what nobody waits for: the node must stop. */
  fatal(error: unknown): void;
}

export class Finishing {
  readonly #options: FinishingOptions;

  constructor(options: FinishingOptions) {
    this.#options = options;
  }

  /**
   * Makes all that a transaction stores durable, with its metadata where this node gets them.
   * Resolves when that is on disk.
   */
  vote(transaction: Transaction, metadata: TransactionMetadata | null): Eventual<void> {
    transaction.requireNotVoted();
    transaction.requireComplete();
    const { ttid, stores } = transaction;
    const { backend } = this.#options;
    if (metadata !== null) requireRoom(metadata, backend.limits);
    transaction.voted = true;
    if (transaction.isBig) return this.#voteInParts(transaction, metadata);
    const own = this.#own(transaction, metadata);
    if (own === null && stores.size === 0) return backend.committed();
    backend.pending.vote({ ttid, stores, metadata: own });
    return backend.commit();
  }

  /** The metadata that this node has to keep. A client may not know yet that its cell is gone. */
  #own(transaction: Transaction, metadata: TransactionMetadata | null): TransactionMetadata | null {
    const { assignment } = this.#options;
    const isHere = assignment.state(assignment.partition(transaction.ttid)) !== undefined;
    const own = isHere ? metadata : null;
    transaction.hasMetadata = own !== null;
    return own;
  }

  #voteInParts(transaction: Transaction, metadata: TransactionMetadata | null): Promise<void> {
    const written = this.#writeParts(transaction, metadata);
    // One that fails is never over: what is only written in part can't be locked.
    transaction.voting = written.then(() => {
      transaction.voting = null;
    });
    unawaited(transaction.voting);
    return written.then(() => this.#options.backend.commit());
  }

  async #writeParts(transaction: Transaction, metadata: TransactionMetadata | null): Promise<void> {
    const { backend, task } = this.#options;
    const { pending } = backend;
    const { ttid, stores } = transaction;
    const turns = task();
    let part = new Map<Oid, PendingStore>();
    let parts = 0;
    // What is taken out of the transaction meanwhile is not written.
    for (const [oid, store] of stores) {
      part.set(oid, store);
      if (part.size < PART_OBJECTS) continue;
      pending.vote({ ttid, stores, part, metadata: null });
      part = new Map();
      // Else the last commit would write everything, and keep others waiting for as long.
      if (++parts % COMMITTED_PARTS === 0) unawaited(backend.commit());
      if (!turns.isDue) continue;
      await turns.pause();
      if (transaction.ended) {
        throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(ttid)} ended while it voted`, false);
      }
    }
    pending.vote({ ttid, stores, part, metadata: this.#own(transaction, metadata) });
  }

  /** Gives a transaction its final tid. Resolves when that is on disk. */
  lock(transaction: Transaction, tid: Tid): Eventual<void> {
    const { ttid } = transaction;
    if (!transaction.voted || transaction.tid !== null || tid < ttid) {
      throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(ttid)} can't be locked as ${hexId(tid)}`);
    }
    const { backend, readLocks } = this.#options;
    transaction.tid = tid;
    readLocks.lock(transaction);
    // Vote made everything else durable, but what the master ordered before must be, too.
    if (!transaction.hasMetadata) return backend.committed();
    backend.pending.lock({ ttid, tid });
    return backend.commit();
  }

  /** Makes a locked transaction a committed one, at once or after a while. */
  unlock(transaction: Transaction): void {
    const { ttid, tid, hasMetadata, stores } = transaction;
    if (tid === null || transaction.unlocking !== null) {
      throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(ttid)} is not locked, or no more`);
    }
    const unlock = { ttid, tid, hasMetadata, hasObjects: stores.size > 0 };
    if (transaction.isBig) {
      // Half done, it keeps all commits back for ever.
      this.#unlockInParts(transaction, unlock).catch((error) => this.#options.fatal(error));
      return;
    }
    this.#options.backend.pending.unlock(unlock);
    this.#unlocked(transaction);
  }

  async #unlockInParts(transaction: Transaction, unlock: Unlock): Promise<void> {
    const { backend: { pending }, task } = this.#options;
    const turns = task();
    const unlocking = pending.unlockInParts(unlock);
    transaction.unlocking = unlocking;
    while (await unlocking.some()) {
      if (turns.isDue) await turns.pause();
    }
    if (!transaction.ended) this.#unlocked(transaction);
  }

  #unlocked(transaction: Transaction): void {
    this.#options.backend.commitLater();
    this.#options.unlocked(transaction);
  }

  /** A committed transaction has ended, so that its locks bind nobody: forgets what it holds. */
  free(transaction: Transaction, locks: WriteLocks): void {
    const { backend: { data } } = this.#options;
    if (transaction.isBig) return unawaited(this.#freeInParts(transaction, locks));
    data.release(transaction.held());
    locks.release(transaction);
  }

  async #freeInParts(transaction: Transaction, locks: WriteLocks): Promise<void> {
    const { backend: { data }, task } = this.#options;
    const turns = task();
    let count = 0;
    const isDue = () => ++count % PART_OBJECTS === 0 && turns.isDue;
    for (const { dataId } of transaction.stores.values()) {
      if (dataId !== null) data.release([dataId]);
      if (isDue()) await turns.pause();
    }
    for (const oid of transaction.serials.keys()) {
      locks.releaseOne(transaction, oid);
      if (isDue()) await turns.pause();
    }
  }

  /**
   * Operation is over: what is being unlocked is finished at once, and what has not voted is given
   * up. Returns the data that nobody needs any more.
   */
  stop(transaction: Transaction, locks: WriteLocks): DataId[] {
    const { pending } = this.#options.backend;
    const { ttid, voted, voting, unlocking } = transaction;
    transaction.ended = true;
    if (unlocking !== null) {
      unlocking.finish();
      this.free(transaction, locks);
      return [];
    }
    if (voting !== null) pending.abort(ttid);
    return voted && voting === null ? [] : transaction.held();
  }
}
