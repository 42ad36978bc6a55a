/**
 * What is known of own cells that have to be replicated: from where on they lack rows, up to where
 * they are to be completed, and which transactions the master was waiting for when it told that.
 * It decides nothing by itself and does nothing: see replicator.ts.
 *
 * Invariant: what is below both positions of a cell is complete, so they never jump over a hole.
 */

import { MAX_TID, type Tid, tidBefore, ZERO_TID } from "../../codec/ids.ts";
import type { Address } from "../../host/host.ts";

/** Stands for transactions that the master has not named yet: greater than any ttid. */
const NOT_KNOWN = MAX_TID;

/** A storage that the master has told to replicate from. */
export interface OrderedSource {
  readonly address: Address;
  /** The name of the upstream cluster; empty for this node's own. */
  readonly cluster: string;
}

/** A cell that is, or was, being replicated. */
export interface Cell {
  /** From where on transactions may be missing. */
  nextTrans: Tid;
  /** From where on revisions may be missing. */
  nextObj: Tid;
  /** The last of the transactions that have to end first; null when all have. */
  lastUnfinished: Tid | null;
  /** The tid of the last of them that was committed; null for none. */
  committed: Tid | null;
}

export class Cells {
  readonly #cells = new Map<number, Cell>();
  /** Up to where cells are to be replicated next. */
  readonly #wanted = new Map<number, Tid>();
  readonly #sources = new Map<number, OrderedSource>();
  readonly #unfinished = new Set<Tid>();

  get(offset: number): Cell | undefined {
    return this.#cells.get(offset);
  }

  /** A cell lacks everything from a tid on. `isOutdated` ones wait for {@link answered}. */
  add(
    offset: number,
    { nextTrans, nextObj, isOutdated }: {
      readonly nextTrans: Tid;
      readonly nextObj: Tid;
      readonly isOutdated: boolean;
    },
  ): void {
    const lastUnfinished = isOutdated ? NOT_KNOWN : null;
    this.#cells.set(offset, { nextTrans, nextObj, lastUnfinished, committed: null });
    this.#wanted.delete(offset);
  }

  /** Forgets a cell: it is gone. */
  remove(offset: number): void {
    this.#cells.delete(offset);
    this.#wanted.delete(offset);
    this.#sources.delete(offset);
  }

  /**
   * The master says up to where outdated cells can be replicated, and what is pending. A cell that
   * was added anew since the master was asked waits for another answer.
   */
  answered(asked: ReadonlyMap<number, Cell>, maxTid: Tid, ttids: readonly Tid[]): void {
    for (const ttid of ttids) this.#unfinished.add(ttid);
    const last = ttids.reduce<Tid | null>((a, b) => a === null || b > a ? b : a, null);
    for (const [offset, cell] of asked) {
      if (this.#cells.get(offset) !== cell) continue;
      cell.lastUnfinished = last;
      this.#wanted.set(offset, maxTid);
    }
  }

  /**
   * A pending transaction has ended; `tid` is null when it was aborted. Returns the cells for which
   * it was the last: those whose pending transactions have left something are wanted again.
   */
  ended(ttid: Tid, tid: Tid | null): number[] {
    if (!this.#unfinished.delete(ttid)) return [];
    const first = [...this.#unfinished].reduce<Tid>((a, b) => b < a ? b : a, NOT_KNOWN);
    const done: number[] = [];
    for (const [offset, cell] of this.#cells) {
      const { lastUnfinished } = cell;
      if (lastUnfinished === null || lastUnfinished === NOT_KNOWN) continue;
      if (tid !== null) cell.committed = tid;
      if (lastUnfinished >= first) continue;
      cell.lastUnfinished = null;
      if (cell.committed !== null) this.want(offset, cell.committed);
      cell.committed = null;
      done.push(offset);
    }
    return done;
  }

  /** A cell is to be replicated up to a tid, unless it is to be so further already. */
  want(offset: number, maxTid: Tid): void {
    const wanted = this.#wanted.get(offset);
    if (this.#cells.has(offset) && (wanted === undefined || wanted < maxTid)) {
      this.#wanted.set(offset, maxTid);
    }
  }

  /** The master orders to replicate a cell up to a tid, from a storage that it names. */
  order(offset: number, maxTid: Tid, source: OrderedSource): void {
    this.#sources.set(offset, source);
    this.#wanted.set(offset, maxTid);
  }

  source(offset: number): OrderedSource | undefined {
    return this.#sources.get(offset);
  }

  isWanted(offset: number): boolean {
    return this.#wanted.has(offset);
  }

  /** Takes an order: returns up to where a cell is to be replicated. Undefined if it is not. */
  take(offset: number): Tid | undefined {
    const maxTid = this.#wanted.get(offset);
    this.#wanted.delete(offset);
    return maxTid;
  }

  /** Whether a cell still lacks rows, or may come to lack some. */
  isIncomplete(offset: number): boolean {
    const cell = this.#cells.get(offset);
    if (cell === undefined || cell.lastUnfinished !== null) return true;
    // A cell with a source follows it for ever, and tells of each step.
    return this.#wanted.has(offset) && !this.#sources.has(offset);
  }

  /** Cells that are to be replicated, in the order in which to do that. */
  wanted(): number[] {
    const place = (offset: number) => this.#cells.get(offset)?.nextObj ?? ZERO_TID;
    const isWaiting = (offset: number) => this.#cells.get(offset)?.lastUnfinished !== null;
    return [...this.#wanted.keys()].sort((a, b) => {
      // Those furthest behind come first, then those that can be completed.
      if (place(a) !== place(b)) return place(a) < place(b) ? -1 : 1;
      return Number(isWaiting(a)) - Number(isWaiting(b));
    });
  }

  /** Drops what is ordered from other clusters. */
  dropForeign(): void {
    for (const [offset, { cluster }] of [...this.#sources]) {
      if (cluster === "") continue;
      this.#sources.delete(offset);
      this.#wanted.delete(offset);
    }
  }

  /** Up to where all cells for which `counts` holds are complete. */
  completeUpTo(counts: (offset: number) => boolean): Tid {
    let first: Tid | null = null;
    for (const [offset, { nextTrans, nextObj }] of this.#cells) {
      if (!counts(offset)) continue;
      const next = nextTrans < nextObj ? nextTrans : nextObj;
      if (first === null || next < first) first = next;
    }
    return first === null ? ZERO_TID : tidBefore(first);
  }
}
