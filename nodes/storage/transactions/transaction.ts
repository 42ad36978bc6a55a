/** What this node knows of one transaction of a client, from its first request to its end. */

import { nidText } from "../../cluster/node_ids.ts";
import { type VoteConflict, voteConflictText } from "../../cluster/vote_conflict.ts";
import { hexId, type Nid, type Oid, type Tid } from "../../codec/ids.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { DataId, PendingStore, Unlocking } from "../backend/backend.ts";
import { PART_OBJECTS } from "./limits.ts";

export class Transaction {
  /**
   * Its place among those that want the same locks: smaller ones are older, and go first. It is
   * MAX_TID while it has to get a new one, so as to avoid a deadlock; it then holds no lock.
   */
  lockingTid: Tid;
  /** The final tid; null until it is locked. From then on it can't be aborted. */
  tid: Tid | null = null;
  voted = false;
  /** What its vote is still writing; null before that, and after it unless it has failed. */
  voting: Promise<void> | null = null;
  /** Whether it is on its way from locked to committed, in parts. */
  unlocking: Unlocking | null = null;
  /** Whether this node has its metadata. */
  hasMetadata = false;
  /** Whether it was committed or aborted. */
  ended = false;
  /**
   * On which revision each of its objects is based, those that it only checks included: what the
   * client said last. {@link base} sets it.
   */
  readonly serials = new Map<Oid, Tid>();
  /** Objects that it has based on a newer revision before. */
  readonly #newerBases = new Map<Oid, Tid>();
  /** What it stores. */
  readonly stores = new Map<Oid, PendingStore>();
  /** Objects that were accepted without a lock, because their cells here are not complete. */
  readonly lockless = new Set<Oid>();
  /** Objects that it has lost here after they had been accepted, and the revisions to which. */
  readonly #lost = new Map<Oid, Tid>();

  constructor(readonly ttid: Tid, readonly client: Nid) {
    this.lockingTid = ttid;
  }

  /** The client has stored or checked an object that is based on `serial`. */
  base(oid: Oid, serial: Tid): void {
    const before = this.newestBase(oid);
    if (before !== undefined && before > serial) this.#newerBases.set(oid, before);
    else this.#newerBases.delete(oid);
    this.serials.set(oid, serial);
  }

  /**
   * The newest revision that it was ever based on. A storage with a lock lets a transaction that
   * was current store the object again, whatever it is based on then: so must one without.
   */
  newestBase(oid: Oid): Tid | undefined {
    return this.#newerBases.get(oid) ?? this.serials.get(oid);
  }

  /** How far it is, in a line for people. */
  describe(): string {
    const stage = this.tid === null
      ? (this.voted ? "voted" : "stores")
      : `locked as ${hexId(this.tid)}`;
    return `transaction ${hexId(this.ttid)} of ${nidText(this.client)}: ${stage}, locking tid ` +
      `${
        hexId(this.lockingTid)
      }, ${this.stores.size} objects, ${this.lockless.size} without a lock`;
  }

  /** Whether it is so big that others would have to wait for it, were it dealt with at once. */
  get isBig(): boolean {
    return this.serials.size > PART_OBJECTS;
  }

  /** Refuses to change what has voted. */
  requireNotVoted(): void {
    if (this.voted) throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(this.ttid)} already voted`);
  }

  /** Refuses to vote for a part of what the client wants to store. */
  requireComplete(): void {
    for (const [oid, committed] of this.#lost) {
      // The client was told by another storage, and has stored it again.
      if (this.serials.has(oid)) continue;
      const text = voteConflictText(this.ttid, { oid, committed });
      throw new Refusal("PROTOCOL_ERROR", text, false);
    }
  }

  /** The data that it holds. */
  held(): DataId[] {
    const ids: DataId[] = [];
    for (const { dataId } of this.stores.values()) if (dataId !== null) ids.push(dataId);
    return ids;
  }

  /** As {@link drop}, for an object that is in conflict, of which the client may never hear. */
  lose({ oid, committed }: VoteConflict): DataId[] {
    this.#lost.set(oid, committed);
    return this.drop(oid);
  }

  /** Takes an object out of it. Returns the data that it held for it. */
  drop(oid: Oid): DataId[] {
    const id = this.stores.get(oid)?.dataId ?? null;
    this.stores.delete(oid);
    this.serials.delete(oid);
    this.#newerBases.delete(oid);
    this.lockless.delete(oid);
    return id === null ? [] : [id];
  }
}
