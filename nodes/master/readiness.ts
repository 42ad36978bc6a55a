/**
 * Which storages are ready for transactions, and since when. A transaction must be written in full
 * to the storages that were ready when it began, as far as they had cells of it by then, and to no
 * others: so none may begin while a storage is starting.
 */

import type { Nid } from "../codec/ids.ts";

export class Readiness {
  readonly #starting = new Set<Nid>();
  readonly #ready = new Map<Nid, number>();
  /** Since when storages have their cells, where that is later than their start. */
  readonly #assigned = new Map<Nid, Map<number, number>>();
  #last = 0;

  /** Whether no storage is between its start and its readiness. */
  get settled(): boolean {
    return this.#starting.size === 0;
  }

  /** The moment now, to be compared by {@link wasReady}. */
  get moment(): number {
    return this.#last;
  }

  /** A storage was told to start. */
  started(nid: Nid): void {
    if (!this.#ready.has(nid)) this.#starting.add(nid);
  }

  /** A storage says that it is ready. Returns whether it was starting. */
  becameReady(nid: Nid): boolean {
    if (!this.#starting.delete(nid)) return false;
    this.#ready.set(nid, ++this.#last);
    return true;
  }

  /** A storage is gone. */
  lost(nid: Nid): void {
    this.#starting.delete(nid);
    this.#ready.delete(nid);
    this.#assigned.delete(nid);
  }

  /** A storage gets another cell: what is stored from now on is stored there as well. */
  assigned(nid: Nid, offset: number): void {
    const moments = this.#assigned.get(nid);
    this.#last++;
    if (moments === undefined) this.#assigned.set(nid, new Map([[offset, this.#last]]));
    else moments.set(offset, this.#last);
  }

  /** Whether a storage that was ready at a moment already had its cell of a partition. */
  hadCell(nid: Nid, offset: number, moment: number): boolean {
    const since = this.#assigned.get(nid)?.get(offset);
    return since === undefined || since <= moment;
  }

  /** Whether a storage was told to start, and is not gone. */
  isStarted(nid: Nid): boolean {
    return this.#starting.has(nid) || this.#ready.has(nid);
  }

  /** Whether a storage is ready now. */
  isReady(nid: Nid): boolean {
    return this.#ready.has(nid);
  }

  /** Whether a storage was ready at a moment, and still is. */
  wasReady(nid: Nid, moment: number): boolean {
    const since = this.#ready.get(nid);
    return since !== undefined && since <= moment;
  }

  /** All storages that are ready. */
  ready(): Iterable<Nid> {
    return this.#ready.keys();
  }
}
