/**
 * What this client knows of the latest state of the database: the last transaction, the cache, and
 * which loads are under way.
 *
 * Invariants: nothing is cached as current for which a later invalidation was or will be handled;
 * a load that began before a reconnection caches nothing; a commit changes all of this at once.
 */

import { type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { Cache, Revision } from "./cache.ts";
import type { Invalidations } from "./invalidations.ts";

/** A load that is under way. */
export interface PendingLoad {
  readonly oid: Oid;
  /** Transactions that changed the object meanwhile, in order. */
  readonly changes: Tid[];
  /** False once the client was connected anew. */
  isValid: boolean;
}

/** An object as a transaction of this client left it; null when its data were not kept. */
export interface CommittedObject {
  readonly oid: Oid;
  readonly data: Uint8Array | null;
}

export class View {
  readonly cache: Cache;
  readonly #invalidations: Invalidations;
  readonly #loads = new Map<Oid, Set<PendingLoad>>();
  #lastTid: Tid | null = null;

  constructor(cache: Cache, invalidations: Invalidations) {
    this.cache = cache;
    this.#invalidations = invalidations;
  }

  /** The last transaction that is known; 0 for an empty database. */
  get lastTid(): Tid {
    return this.#lastTid ?? ZERO_TID;
  }

  /** A new connection to the primary master begins with this transaction. */
  reset(found: Tid | null): void {
    const tid = found ?? ZERO_TID;
    const previous = this.#lastTid;
    this.#lastTid = tid;
    for (const loads of this.#loads.values()) for (const load of loads) load.isValid = false;
    this.#loads.clear();
    if (previous === tid || previous === null) return;
    // An older one than known: the database was truncated, and tids may come again.
    if (previous > tid) this.cache.clear();
    else this.cache.clearCurrent();
    this.#invalidations.tell({ tid, oids: null });
  }

  /** Another client has committed. */
  invalidate(tid: Tid, oids: readonly Oid[]): void {
    this.#advance(tid, oids);
    this.#invalidations.tell({ tid, oids });
  }

  /** This client has committed. */
  committed(tid: Tid, objects: readonly CommittedObject[]): void {
    const oids = objects.map(({ oid }) => oid);
    this.#advance(tid, oids);
    for (const { oid, data } of objects) {
      if (data !== null) this.cache.store(oid, { data, serial: tid, nextSerial: null });
    }
    this.#invalidations.tell({ tid, oids });
  }

  #advance(tid: Tid, oids: readonly Oid[]): void {
    if (tid > this.lastTid) this.#lastTid = tid;
    for (const oid of oids) {
      this.cache.invalidate(oid, tid);
      const loads = this.#loads.get(oid);
      if (loads !== undefined) { for (const { changes } of loads) changes.push(tid); }
    }
  }

  /** An object is about to be asked for. */
  beginLoad(oid: Oid): PendingLoad {
    const load: PendingLoad = { oid, changes: [], isValid: true };
    const loads = this.#loads.get(oid);
    if (loads === undefined) this.#loads.set(oid, new Set([load]));
    else loads.add(load);
    return load;
  }

  /** What was asked for will not come. */
  dropLoad(load: PendingLoad): void {
    const loads = this.#loads.get(load.oid);
    if (loads?.delete(load) && loads.size === 0) this.#loads.delete(load.oid);
  }

  /**
   * What was asked for has come. Caches it if that is safe, and returns the revision that follows
   * as far as it is known by now.
   */
  endLoad(load: PendingLoad, { data, serial, nextSerial }: Revision): Tid | null {
    this.dropLoad(load);
    if (!load.isValid) return nextSerial;
    const next = nextSerial ?? load.changes.find((tid) => tid > serial) ?? null;
    // The invalidation of what is newer than the last transaction is still to come.
    if (serial <= this.lastTid) this.cache.store(load.oid, { data, serial, nextSerial: next });
    return next;
  }
}
