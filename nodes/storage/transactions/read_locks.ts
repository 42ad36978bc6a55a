/**
 * Read locks: from the lock to the unlock of a transaction, what it stores is not read. Whoever
 * knows of the new revision already would take the one before it for the last.
 */

import type { Oid } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import type { ClientHost } from "../../host/host.ts";
import type { Eventual } from "../backend/eventual.ts";
import type { Transaction } from "./transaction.ts";
import { WAIT, type Waiting, WaitingQueue } from "./waiting_queue.ts";

export class ReadLocks {
  readonly #holders = new Map<Oid, Transaction>();
  /** Locked transactions of so many objects that these are looked up there. */
  readonly #big = new Set<Transaction>();
  readonly #waiting: WaitingQueue;

  constructor(host: ClientHost) {
    this.#waiting = new WaitingQueue(host);
  }

  isLocked(oid: Oid): boolean {
    if (this.#holders.has(oid)) return true;
    for (const { stores } of this.#big) if (stores.has(oid)) return true;
    return false;
  }

  lock(transaction: Transaction): void {
    if (transaction.isBig) {
      this.#big.add(transaction);
      return;
    }
    for (const oid of transaction.stores.keys()) this.#holders.set(oid, transaction);
  }

  /** Frees what a transaction locked. {@link run} must follow. */
  unlock(transaction: Transaction): void {
    if (this.#big.delete(transaction)) return;
    for (const oid of transaction.stores.keys()) {
      if (this.#holders.get(oid) === transaction) this.#holders.delete(oid);
    }
  }

  /** Frees objects of cells that are gone, which nobody stores any more. {@link run} must follow. */
  forget(isConcerned: (oid: Oid) => boolean): void {
    for (const oid of [...this.#holders.keys()]) {
      if (isConcerned(oid)) this.#holders.delete(oid);
    }
  }

  /** Serves a request as soon as `mustWait` does not hold any more, in the order of arrival. */
  serve<A>(
    waiting: Omit<Waiting, "priority">,
    mustWait: () => boolean,
    read: () => Eventual<A>,
  ): Reply<A> {
    return this.#waiting.serve(
      { ...waiting, priority: () => 0n },
      () => mustWait() ? WAIT : read(),
    );
  }

  /** The requests that wait, in lines for people. */
  describe(): string[] {
    return this.#waiting.describe();
  }

  /** Tries the requests that wait again. */
  run(): void {
    this.#waiting.run();
  }

  /** Forgets all locks and requests. */
  clear(): void {
    this.#holders.clear();
    this.#big.clear();
    this.#waiting.clear();
  }
}
