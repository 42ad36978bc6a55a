/**
 * What one transaction has written, and which storages have taken it.
 *
 * Invariants: an object's data are kept until all its storages have answered, since one may report
 * a conflict after another has accepted; only answers to the latest write of an object count, since
 * each storage answers each write.
 */

import type { RebaseConflict } from "../../gen/packets.ts";
import { type Nid, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { StorageError } from "./errors.ts";
import { decodeData } from "./object_data.ts";
import type { CommittedObject } from "./view.ts";

/** One write of an object, or a check that it is current. */
export interface Write {
  readonly oid: Oid;
  readonly kind: "store" | "check";
  /** The revision that the object is expected to have. */
  readonly base: Tid;
  /** Null for a check, a deletion or an undo; or when all have it and it was too much to keep. */
  readonly data: Uint8Array | null;
  /** The revision that an undo goes back to. */
  readonly dataSerial: Tid | null;
  /** The storages that have not answered. */
  readonly waiting: Set<Nid>;
  /** Whether some storage has locked the object, so that it has checked for conflicts. */
  isLocked: boolean;
}

/** A write that is about to be sent. */
export function newWrite(write: Omit<Write, "waiting" | "isLocked">): Write {
  return { ...write, waiting: new Set(), isLocked: false };
}

export class Writes {
  readonly #pending = new Map<Oid, Write>();
  readonly #done = new Map<Oid, Write>();
  readonly #conflicts = new Map<Oid, Tid>();
  readonly #resolved = new Map<Oid, Tid>();
  readonly #lockless = new Map<number, Set<Nid>>();
  readonly #maxKeptBytes: number;
  #keptBytes = 0;

  /** `maxKeptBytes` limits the data that are kept after all have answered. */
  constructor(maxKeptBytes: number) {
    this.#maxKeptBytes = maxKeptBytes;
  }

  /** The latest write of an object. */
  get(oid: Oid): Write | undefined {
    return this.#pending.get(oid) ?? this.#done.get(oid);
  }

  /** Whether some write has not been taken by all its storages. */
  get incomplete(): boolean {
    return this.#pending.size > 0;
  }

  /** Objects that are in conflict with a committed revision, and that revision. */
  get conflicts(): ReadonlyMap<Oid, Tid> {
    return this.#conflicts;
  }

  /** Objects whose conflicts were resolved, and the revision that was taken into account. */
  get resolved(): ReadonlyMap<Oid, Tid> {
    return this.#resolved;
  }

  /** Storages that have taken writes of a partition without locking the objects. */
  get lockless(): ReadonlyMap<number, ReadonlySet<Nid>> {
    return this.#lockless;
  }

  /** A write is about to be sent; it takes the place of an earlier one of the object. */
  add(write: Write): void {
    const { oid } = write;
    const done = this.#done.get(oid);
    if (done !== undefined) this.#removeDone(done);
    this.#conflicts.delete(oid);
    this.#pending.set(oid, write);
  }

  /** As {@link add}, for a write that takes a committed revision into account. */
  addResolved(write: Write): void {
    this.add(write);
    this.#resolved.set(write.oid, write.base);
  }

  /**
   * A storage has answered: null when it has locked the object, 0 when it has taken the write
   * without a lock, else the revision that is in the way.
   */
  answered(write: Write, nid: Nid, { conflict, partition }: {
    readonly conflict: Tid | null;
    readonly partition: number;
  }): void {
    if (this.#pending.get(write.oid) !== write) return;
    if (conflict !== null && conflict !== ZERO_TID) return this.#addConflict(write.oid, conflict);
    if (conflict === ZERO_TID) {
      const nids = this.#lockless.get(partition);
      if (nids === undefined) this.#lockless.set(partition, new Set([nid]));
      else nids.add(nid);
    } else write.isLocked = true;
    this.#taken(write, nid);
  }

  #addConflict(oid: Oid, committed: Tid): void {
    const known = this.#conflicts.get(oid);
    if (known === undefined || known < committed) this.#conflicts.set(oid, committed);
  }

  #taken(write: Write, nid: Nid): void {
    write.waiting.delete(nid);
    if (write.waiting.size > 0 || this.#conflicts.has(write.oid)) return;
    this.#pending.delete(write.oid);
    const bytes = write.data?.length ?? 0;
    if (this.#keptBytes + bytes <= this.#maxKeptBytes) {
      this.#keptBytes += bytes;
      this.#done.set(write.oid, write);
    } else this.#done.set(write.oid, { ...write, data: null });
  }

  #removeDone(write: Write): void {
    this.#done.delete(write.oid);
    this.#keptBytes -= write.data?.length ?? 0;
  }

  /** A storage is lost: what it has to say does not matter any more. */
  lost(nid: Nid): void {
    for (const write of [...this.#pending.values()]) {
      if (write.waiting.has(nid)) this.#taken(write, nid);
    }
  }

  /**
   * A storage has dropped a write whose lock it had given to another transaction, which then
   * committed. Throws a StorageError when what it gives back is damaged.
   */
  rebased(oid: Oid, { serial, conflictSerial, data: stored }: RebaseConflict): void {
    const write = this.get(oid);
    // A later write of the object was sent after the rebase: it will be answered for itself.
    if (write === undefined || write.base !== serial) return;
    if (this.#done.get(oid) === write) {
      let { data } = write;
      if (data === null && stored !== null) {
        data = decodeData(stored);
        if (data === null) throw new StorageError("a storage gave back damaged data");
      }
      this.#removeDone(write);
      this.#pending.set(oid, { ...write, data });
    }
    this.#addConflict(oid, conflictSerial);
  }

  /** An object that no storage has locked; null when there is none. */
  unlocked(): Oid | null {
    for (const { oid, isLocked } of this.#done.values()) if (!isLocked) return oid;
    return null;
  }

  /** All oids that were stored, and all that were only checked. */
  oids(): { readonly stored: Oid[]; readonly checked: Oid[] } {
    const stored: Oid[] = [];
    const checked: Oid[] = [];
    for (const { oid, kind } of this.#done.values()) {
      (kind === "store" ? stored : checked).push(oid);
    }
    return { stored, checked };
  }

  /** The objects as the transaction leaves them. */
  objects(): CommittedObject[] {
    const objects: CommittedObject[] = [];
    for (const { oid, kind, data } of this.#done.values()) {
      if (kind === "store") objects.push({ oid, data });
    }
    return objects;
  }
}
