/**
 * Running a function as a transaction: on a snapshot, with a commit at its end, and again when the
 * commit finds a conflict or the primary master is lost.
 */

import type { Oid, Tid } from "../codec/ids.ts";
import { delay } from "../cluster/delay.ts";
import { abortable, assertNotAborted } from "./abortable.ts";
import { beginTransaction, type TransactionMetadata } from "./begin.ts";
import { ConflictError, TransientError } from "./errors.ts";
import {
  DEFAULT_RETRIES,
  MAX_BACKOFF_MS,
  MAX_CONFLICT_BACKOFF_MS,
  MAX_STORE_GROUP,
  MIN_BACKOFF_MS,
  STORE_GROUP_BYTES,
} from "./limits.ts";
import type { CallOptions } from "./options.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import type { Session } from "./session.ts";
import { type Change, SnapshotTransaction } from "./snapshot.ts";
import type { Transaction } from "./transaction.ts";

/** How a function is run as a transaction. */
export interface TransactOptions extends TransactionMetadata, CallOptions {
  /** How often the function is run again at most; 10 where absent. */
  readonly retries?: number;
  /** Told of the transaction's id once it is committed; not at all when nothing was changed. */
  committed?(tid: Tid): void;
}

export type TransactFunction<T> = (tx: SnapshotTransaction) => T | Promise<T>;

export class Transactor {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Runs a function as a transaction; see `Client.transact`. */
  async run<T>(work: TransactFunction<T>, options: TransactOptions = {}): Promise<T> {
    const { host, master } = this.#parts;
    const { retries = DEFAULT_RETRIES, signal } = options;
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#attempt(work, options);
      } catch (error) {
        if (!(error instanceof TransientError) || attempt >= retries) throw error;
        host.log.log("DEBUG", "client", `attempt ${attempt + 1}: ${error.message}`);
        const most = error instanceof ConflictError ? MAX_CONFLICT_BACKOFF_MS : MAX_BACKOFF_MS;
        await abortable(delay(host, this.#backoffMs(attempt, most), signal), signal);
        // The next snapshot must show what this attempt was in conflict with.
        await master.barrier({ signal });
      }
    }
  }

  #backoffMs(attempt: number, mostMs: number): number {
    return Math.min(MIN_BACKOFF_MS * 2 ** attempt, mostMs) * this.#parts.host.random();
  }

  async #attempt<T>(work: TransactFunction<T>, options: TransactOptions): Promise<T> {
    const { master, view, loads, oids } = this.#parts;
    const { signal } = options;
    assertNotAborted(signal);
    const session = master.current ?? await master.session({ signal });
    const snapshot = view.lastTid;
    const tx = new SnapshotTransaction({ session, snapshot, loads, oids, signal });
    let result: T;
    try {
      result = await work(tx);
    } finally {
      tx.end();
    }
    assertNotAborted(signal);
    const changes = tx.changes();
    const checks = tx.checks();
    if (changes.length > 0 || checks.length > 0) {
      const tid = await this.#commit({ session, tx, changes, checks }, options);
      options.committed?.(tid);
    }
    return result;
  }

  async #commit({ session, tx, changes, checks }: {
    readonly session: Session;
    readonly tx: SnapshotTransaction;
    readonly changes: readonly [Oid, Change][];
    readonly checks: readonly [Oid, Tid][];
  }, options: TransactOptions): Promise<Tid> {
    const { signal } = options;
    const bases = await inParallel(changes, ([oid, change]) => tx.baseOf(oid, change));
    const transaction = await beginTransaction(this.#parts, session, options);
    try {
      await storeAll(transaction, { changes, bases, signal });
      for (const [oid, serial] of checks) {
        await transaction.checkCurrentSerial(oid, serial, { signal });
      }
      return await transaction.finish({ signal });
    } finally {
      transaction.abort();
    }
  }
}

/**
 * Stores changes, a group of them side by side: what is written in one turn leaves in one write,
 * and each store that is waited for would end the turn.
 */
async function storeAll(transaction: Transaction, { changes, bases, signal }: {
  readonly changes: readonly [Oid, Change][];
  readonly bases: readonly Tid[];
  readonly signal: AbortSignal | undefined;
}): Promise<void> {
  let group: Promise<void>[] = [];
  let bytes = 0;
  for (const [at, [oid, { data }]] of changes.entries()) {
    const serial = bases[at];
    if (serial === undefined) throw new RangeError("a change without a base");
    group.push(
      data === null
        ? transaction.delete(oid, serial, { signal })
        : transaction.store(oid, { data, serial, owned: true }, { signal }),
    );
    bytes += data?.length ?? 0;
    if (bytes < STORE_GROUP_BYTES && group.length < MAX_STORE_GROUP) continue;
    await Promise.all(group);
    group = [];
    bytes = 0;
  }
  await Promise.all(group);
}
