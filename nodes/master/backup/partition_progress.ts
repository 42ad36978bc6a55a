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
import { LateTids } from "./late_tids.ts";
import type { Order } from "./order.ts";

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
  /** Transactions upstream that touched the partition and that some cell lacks. */
  readonly #late = new LateTids();

  constructor(readonly offset: number) {}

  clear(): void {
    this.#copies.clear();
    this.#joining.clear();
    this.disconnected();
  }

  disconnected(): void {
    this.primary = null;
    this.#late.clear();
    for (const copy of this.#copies.values()) copy.ordered = ZERO_TID;
  }

  /** A cell is readable, and has everything up to `tid`; its storage may know of less. */
  add(nid: Nid, tid: Tid, known = tid): void {
    this.#joining.delete(nid);
    this.#copies.set(nid, { tid, known, ordered: ZERO_TID, sent: ZERO_TID });
  }

  /** A cell becomes readable that was replicated up to `tid`; all hear of that later. */
  join(
    nid: Nid,
    { tid, lastTid }: { readonly tid: Tid; readonly lastTid: Tid | null },
  ): void {
    this.add(nid, tid);
    this.#conclude(nid, { tid, lastTid });
    this.#forgetWhatAllHave();
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

  /** The cell that has most, of all or of these; null when there is none. */
  best(nids: Iterable<Nid> = this.#copies.keys()): Nid | null {
    let found: Nid | null = null;
    for (const nid of nids) {
      if (found === null || this.tidOf(nid) > this.tidOf(found)) found = nid;
    }
    return found;
  }

  /** A transaction touches the partition: what was complete lacks nothing before it. */
  touch(tid: Tid): void {
    for (const copy of this.#copies.values()) {
      if (this.#isComplete(copy) && copy.tid < tid) copy.tid = tidBefore(tid);
    }
    this.#late.push(tid);
    this.#forgetWhatAllHave();
  }

  #isComplete({ tid }: Copy): boolean {
    return this.#late.areIn(tid);
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
    return this.#late.areIn(ordered);
  }

  /** Lets a storage know up to where its cell lacks nothing; it minds if it is idle with it. */
  #nothing(nid: Nid, copy: Copy): Order {
    if (copy.known >= copy.sent) copy.known = copy.tid;
    return { nid, offset: this.offset, tid: copy.tid, source: "NOTHING" };
  }

  /** Lets all storages, or these, know up to where their cells lack nothing. */
  tell(nids: Iterable<Nid> = this.#copies.keys()): Order[] {
    return [...nids].flatMap((nid) => {
      const copy = this.#copies.get(nid);
      return copy === undefined ? [] : [this.#nothing(nid, copy)];
    });
  }

  /** Lets a storage know the same if it does not. */
  remind(nid: Nid): Order[] {
    const copy = this.#copies.get(nid);
    return copy !== undefined && copy.known < copy.tid ? this.tell([nid]) : [];
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
    const isUntold = this.#conclude(nid, { tid, lastTid });
    this.#forgetWhatAllHave();
    return isUntold ? [this.#nothing(nid, copy)] : [];
  }

  /**
   * A cell was replicated up to `tid`: then it has all up to where the next transaction touched the
   * partition. Returns whether that is all there is, and more than its storage knows.
   */
  #conclude(
    nid: Nid,
    { tid, lastTid }: { readonly tid: Tid; readonly lastTid: Tid | null },
  ): boolean {
    const copy = this.#copies.get(nid);
    if (copy === undefined || lastTid === null) return false;
    const next = this.#late.after(tid);
    if (next !== null) copy.tid = laterTid(copy.tid, tidBefore(next));
    else if (this.#isComplete(copy) && copy.tid < lastTid) {
      copy.tid = lastTid;
      return true;
    }
    return false;
  }

  #forgetWhatAllHave(): void {
    this.#late.forget(this.leastTid);
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
    return this.primary === null ? [] : this.orderSecondaries(this.tidOf(this.primary));
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
