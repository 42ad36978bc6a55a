/**
 * The transactions of the upstream cluster that touched a partition and that some cell of it lacks,
 * in order. Of many, only the first are known one by one, so nothing is concluded from the last of
 * those: others may follow it.
 */

import type { Tid } from "../../codec/ids.ts";
import { MAX_LATE_TIDS } from "./limits.ts";

export class LateTids {
  /** The last transaction that may have touched the partition; null if not followed. */
  #last: Tid | null = null;
  #tids: Tid[] = [];
  #hasMore = false;

  /** Nothing is known any more. */
  clear(): void {
    this.#last = null;
    this.#tids = [];
    this.#hasMore = false;
  }

  /** A transaction touches the partition, later than all before. */
  push(tid: Tid): void {
    if (this.#tids.length >= MAX_LATE_TIDS) this.#hasMore = true;
    else if (!this.#hasMore) this.#tids.push(tid);
    this.#last = tid;
  }

  /** Whether a cell that has everything up to `tid` lacks nothing that is known of. */
  areIn(tid: Tid): boolean {
    return this.#last !== null && tid >= this.#last;
  }

  /**
   * The first transaction that a cell lacks that has everything up to `tid`; null where it is not
   * known. Nothing is known of those before the first: it may only be when upstream was reached.
   */
  after(tid: Tid): Tid | null {
    const next = this.#tids.findIndex((late) => late > tid);
    return next > 0 ? this.#tids[next] ?? null : null;
  }

  /** All cells have everything up to `tid`. */
  forget(tid: Tid): void {
    const kept = this.#tids.findIndex((late) => late > tid);
    this.#tids.splice(0, kept < 0 ? this.#tids.length : kept);
    if (this.#last === null || tid >= this.#last) this.#hasMore = false;
  }
}
