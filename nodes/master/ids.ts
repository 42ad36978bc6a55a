/**
 * The ids that only the primary master gives: oids and tids, each greater than all before it. A
 * transaction's final tid lies in the partition of its temporary one, so that what was stored under
 * the latter is where readers look for the former.
 */

import { MAX_ID, type Oid, oid, partitionOf, type Tid, ZERO_OID, ZERO_TID } from "../codec/ids.ts";
import { addTid, tidFromTime } from "../cluster/tid_time.ts";
import type { ClientHost } from "../host/host.ts";
import { Refusal } from "../wire/refusal.ts";
import { MAX_NEW_OIDS } from "./limits.ts";

/** How many ids are left out at most: half a minute's. */
const MAX_GAP = 2 ** 31;

export class Ids {
  readonly #host: ClientHost;
  readonly #partitions: number;
  #lastOid: Oid = ZERO_OID;
  #lastTid: Tid = ZERO_TID;
  #lastTransaction: Tid | null = null;

  constructor(host: ClientHost, partitions: number) {
    this.#host = host;
    this.#partitions = partitions;
  }

  /** Forgets what was given and learnt, but not which transaction was the last. */
  reset(): void {
    this.#lastOid = ZERO_OID;
    this.#lastTid = ZERO_TID;
  }

  /** The greatest oid that was given or learnt. */
  get lastOid(): Oid {
    return this.#lastOid;
  }

  /** The greatest tid that was given or learnt, for whatever purpose. */
  get lastTid(): Tid {
    return this.#lastTid;
  }

  /** The last committed transaction; null before the database was verified. */
  get lastTransaction(): Tid | null {
    return this.#lastTransaction;
  }

  /** Takes note of ids that are in use. */
  learn({ oid, tid }: { oid?: Oid | null; tid?: Tid | null }): void {
    if (oid !== undefined && oid !== null && oid > this.#lastOid) this.#lastOid = oid;
    if (tid !== undefined && tid !== null && tid > this.#lastTid) this.#lastTid = tid;
  }

  /** Takes note of oids that were stored, wherever their client got them from. */
  learnStored(oids: readonly Oid[]): void {
    for (const oid of oids) {
      if (oid > this.#lastOid) this.#lastOid = oid;
    }
  }

  /** From now on, the last transaction is this one. */
  committed(tid: Tid): void {
    this.#lastTransaction = tid;
  }

  /**
   * Where the clock is behind what is known, goes on some way after that. Masters before this one
   * may have given the ids that come next to transactions of which no storage knows any more, and
   * whose clients may still ask what became of them: nobody else must get the same.
   */
  passByForgotten(): void {
    if (tidFromTime(this.#host.now()) > this.#lastTid) return;
    this.#lastTid = addTid(this.#lastTid, 1 + Math.floor(this.#host.random() * MAX_GAP));
  }

  /** The next `count` oids. Throws a Refusal when there can't be so many. */
  newOids(count: number): Oid[] {
    if (count < 1 || count > MAX_NEW_OIDS || this.#lastOid > MAX_ID - BigInt(count)) {
      throw new Refusal(
        "PROTOCOL_ERROR",
        `expected to give from 1 to ${MAX_NEW_OIDS} oids, found a demand for ${count}`,
        false,
      );
    }
    const first: bigint = this.#lastOid + 1n;
    const oids = Array.from({ length: count }, (_, at) => oid(first + BigInt(at)));
    this.#lastOid = oid(first + BigInt(count - 1));
    return oids;
  }

  /** A tid for the beginning of a transaction, or for its place among those that want a lock. */
  newTid(): Tid {
    return this.#lastTid = this.#next();
  }

  /** The final tid of the transaction that began as `ttid`. */
  newFinalTid(ttid: Tid): Tid {
    const next = this.#next();
    const shift = partitionOf(ttid, this.#partitions) - partitionOf(next, this.#partitions);
    let tid = shift === 0 ? next : addTid(next, shift);
    if (tid <= this.#lastTid) tid = addTid(tid, this.#partitions);
    // From minute to minute, a step is not one in the partition's count.
    while (partitionOf(tid, this.#partitions) !== partitionOf(ttid, this.#partitions)) {
      tid = addTid(tid, 1);
    }
    return this.#lastTid = tid;
  }

  #next(): Tid {
    const now = tidFromTime(this.#host.now());
    return now > this.#lastTid ? now : addTid(this.#lastTid, 1);
  }
}
