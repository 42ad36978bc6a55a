/**
 * One partition of a backup cluster: how far each of its readable cells is, and which transactions
 * of the upstream cluster touched it that not all cells have yet.
 *
 * Three tids of a cell differ. It *has* everything up to its backup tid, by what its storage did
 * and by what was committed upstream elsewhere meanwhile. Its storage *knows* of less, for it is
 * told of other partitions' transactions only while it has nothing else to do with the cell; what
 * clients see ends there. And it was *ordered* to replicate more.
 */

import type { CellState } from "../../../gen/packets.ts";
import { laterTid, type Nid, type Tid, tidBefore, ZERO_TID } from "../../codec/ids.ts";
import { isReadable } from "../../cluster/partition_table.ts";
import { MAX_LATE_TIDS } from "./limits.ts";

/** From where to replicate: the upstream cluster, a storage of this one, or that nothing is new. */
export type OrderSource = "UPSTREAM" | "NOTHING" | Nid;

/** What one storage is to do about one partition. */
export interface Order {
  readonly nid: Nid;
  readonly offset: number;
  readonly tid: Tid;
  readonly source: OrderSource;
}

interface Copy {
  /** Up to where it has everything. */
  tid: Tid;
  /** Up to where its storage knows that. */
  known: Tid;
  /** Up to where its storage need not be told to replicate. */
  ordered: Tid;
  /** Up to where it was told to, last. */
  sent: Tid;
}

export class PartitionProgress {
  /** The storage that fetches from upstream; null while nobody does. */
  primary: Nid | null = null;
  readonly #copies = new Map<Nid, Copy>();
  /** Cells that will soon be readable: up to where they are completed before, and from where. */
  readonly #joining = new Map<Nid, { readonly tid: Tid; readonly source: Nid }>();
  /** The last transaction upstream that may have touched the partition; null if not followed. */
  #lastTouch: Tid | null = null;
  /** All of them that some cell lacks, in order; or only the first of many. */
  #late: Tid[] = [];
  #hasMore = false;

  constructor(readonly offset: number) {}

  clear(): void {
    this.#copies.clear();
    this.#joining.clear();
    this.disconnected();
  }

  disconnected(): void {
    this.primary = null;
    this.#lastTouch = null;
    this.#late = [];
    this.#hasMore = false;
    for (const copy of this.#copies.values()) copy.ordered = ZERO_TID;
  }

  /** A cell is readable, and has everything up to `tid`. */
  add(nid: Nid, tid: Tid): void {
    this.#joining.delete(nid);
    this.#copies.set(nid, { tid, known: tid, ordered: ZERO_TID, sent: ZERO_TID });
  }

  /** The storages may carry out nothing any more that was ordered. */
  cancelled(): void {
    for (const copy of this.#copies.values()) {
      copy.ordered = ZERO_TID;
      copy.sent = copy.known;
    }
  }

  /** Keeps what is still readable, or waits to be. */
  retain(stateOf: (nid: Nid) => CellState | undefined): void {
    for (const nid of [...this.#copies.keys()]) {
      const state = stateOf(nid);
      if (state === undefined || !isReadable(state)) this.#copies.delete(nid);
    }
    for (const nid of [...this.#joining.keys()]) {
      if (stateOf(nid) !== "OUT_OF_DATE") this.#joining.delete(nid);
    }
    this.#forgetWhatAllHave();
  }

  /** A storage is gone, and does not complete the cell that it was completing. */
  lost(nid: Nid): void {
    this.#joining.delete(nid);
  }

  has(nid: Nid): boolean {
    return this.#copies.has(nid);
  }

  /** The storages that have a readable cell. */
  get nids(): Nid[] {
    return [...this.#copies.keys()];
  }

  /** Up to where a cell has everything. */
  tidOf(nid: Nid): Tid {
    return this.#copies.get(nid)?.tid ?? ZERO_TID;
  }

  /** Up to where some cell has everything. */
  get greatestTid(): Tid {
    let found = ZERO_TID;
    for (const { tid } of this.#copies.values()) if (tid > found) found = tid;
    return found;
  }

  /** Up to where all cells have everything. */
  get leastTid(): Tid {
    return least(this.#copies.values(), ({ tid }) => tid);
  }

  /** Up to where all storages know of their cells, or soon will, that they have everything. */
  get knownTid(): Tid {
    const known = least(this.#copies.values(), ({ known }) => known);
    if (this.#joining.size === 0) return known;
    const joining = least(this.#joining.values(), ({ tid }) => tid);
    return joining < known ? joining : known;
  }

  /** The cell that has most; null when there is none. */
  best(): Nid | null {
    let found: Nid | null = null;
    for (const [nid, { tid }] of this.#copies) {
      if (found === null || tid > this.tidOf(found)) found = nid;
    }
    return found;
  }

  /** A transaction touches the partition: what was complete lacks nothing before it. */
  touch(tid: Tid): void {
    for (const copy of this.#copies.values()) {
      if (this.#isComplete(copy) && copy.tid < tid) copy.tid = tidBefore(tid);
    }
    if (this.#late.length >= MAX_LATE_TIDS) this.#hasMore = true;
    else if (!this.#hasMore) this.#late.push(tid);
    this.#lastTouch = tid;
    this.#forgetWhatAllHave();
  }

  #isComplete({ tid }: Copy): boolean {
    return this.#lastTouch !== null && tid >= this.#lastTouch;
  }

  /** A transaction touches other partitions only. */
  untouched(tid: Tid, isReady: (nid: Nid) => boolean): Order[] {
    const orders: Order[] = [];
    for (const [nid, copy] of this.#copies) {
      if (this.#isComplete(copy)) {
        copy.tid = tid;
        if (isReady(nid)) orders.push(this.#nothing(nid, copy));
      } else if (this.#isOrdered(copy)) copy.ordered = tid;
    }
    return orders;
  }

  #isOrdered({ ordered }: Copy): boolean {
    return this.#lastTouch !== null && ordered >= this.#lastTouch;
  }

  /** Lets a storage know up to where its cell lacks nothing; it minds if it is idle with it. */
  #nothing(nid: Nid, copy: Copy): Order {
    if (copy.known >= copy.sent) copy.known = copy.tid;
    return { nid, offset: this.offset, tid: copy.tid, source: "NOTHING" };
  }

  /** Lets all storages know up to where their cells lack nothing. */
  tell(): Order[] {
    return [...this.#copies].map(([nid, copy]) => this.#nothing(nid, copy));
  }

  /** A storage has replicated its cell up to `tid`; `lastTid` is upstream's last one, if known. */
  replicated(
    nid: Nid,
    { tid, lastTid }: { readonly tid: Tid; readonly lastTid: Tid | null },
  ): Order[] {
    const copy = this.#copies.get(nid);
    if (copy === undefined) return [];
    if (tid > copy.known) copy.known = tid;
    if (tid > copy.tid) copy.tid = tid;
    const orders: Order[] = [];
    if (lastTid !== null) {
      const next = this.#late.findIndex((late) => late > tid);
      // Nothing is known of those before the first: it may only be when upstream was reached.
      if (next > 0) copy.tid = laterTid(copy.tid, tidBefore(this.#late[next] ?? tid));
      else if (this.#isComplete(copy) && copy.tid < lastTid) {
        copy.tid = lastTid;
        orders.push(this.#nothing(nid, copy));
      }
    }
    this.#forgetWhatAllHave();
    return orders;
  }

  #forgetWhatAllHave(): void {
    const { leastTid } = this;
    const kept = this.#late.findIndex((tid) => tid > leastTid);
    this.#late.splice(0, kept < 0 ? this.#late.length : kept);
    if (this.#lastTouch === null || leastTid >= this.#lastTouch) this.#hasMore = false;
  }

  /** The order to the primary to fetch all up to `lastTid`, if it lacks some and was not told. */
  orderPrimary(lastTid: Tid): Order[] {
    const { primary } = this;
    const copy = primary === null ? undefined : this.#copies.get(primary);
    if (primary === null || copy === undefined) return [];
    if (this.#isComplete(copy) || this.#isOrdered(copy)) return [];
    return [order(copy, { nid: primary, offset: this.offset, tid: lastTid, source: "UPSTREAM" })];
  }

  /** The orders to all others to follow the primary up to `tid`, as far as they were not told. */
  orderSecondaries(tid: Tid): Order[] {
    return this.primary === null ? [] : this.#orderFrom(this.primary, tid);
  }

  /** The orders that stand in for those that a lost storage had caused. */
  reorder(): Order[] {
    for (const copy of this.#copies.values()) copy.ordered = ZERO_TID;
    return this.orderSecondaries(this.greatestTid);
  }

  /** The orders to cells that were being completed from a storage that has nothing any more. */
  reorderJoining(): Order[] {
    const orphans = [...this.#joining].filter(([, { source }]) => !this.has(source));
    return orphans.flatMap(([nid, { tid }]) => this.orderJoining(nid, tid) ?? []);
  }

  /** Lets all that lack something up to `tid` get it from the one that has most. */
  level(tid: Tid): Order[] {
    const source = this.best();
    return source === null ? [] : this.#orderFrom(source, tid);
  }

  #orderFrom(source: Nid, tid: Tid): Order[] {
    const orders: Order[] = [];
    for (const [nid, copy] of this.#copies) {
      if (nid === source || copy.tid >= tid || copy.ordered >= tid) continue;
      orders.push(order(copy, { nid, offset: this.offset, tid, source }));
    }
    return orders;
  }

  /**
   * The order to a cell that can't be read yet to get what the storage of the best one knows to
   * have, and all up to `neededTid` that it has without knowing; null for none.
   */
  orderJoining(nid: Nid, neededTid: Tid): Order | null {
    const source = this.best();
    const copy = source === null ? undefined : this.#copies.get(source);
    if (source === null || copy === undefined) return null;
    const tid = laterTid(copy.known, neededTid < copy.tid ? neededTid : copy.tid);
    this.#joining.set(nid, { tid, source });
    return { nid, offset: this.offset, tid, source };
  }

  /** Whether a storage was told to replicate up to `tid` last, and has not said that it has. */
  isOrdered(nid: Nid, tid: Tid): boolean {
    const copy = this.#copies.get(nid);
    return copy !== undefined && copy.sent === tid && copy.known < tid;
  }
}

function order(copy: Copy, given: Order): Order {
  copy.ordered = copy.sent = given.tid;
  return given;
}

/** The least tid of some things; zero for none. */
export function least<T>(things: Iterable<T>, tidOf: (thing: T) => Tid): Tid {
  let found: Tid | null = null;
  for (const thing of things) {
    const tid = tidOf(thing);
    if (found === null || tid < found) found = tid;
  }
  return found ?? ZERO_TID;
}
