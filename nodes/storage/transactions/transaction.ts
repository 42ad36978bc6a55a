/** What this node knows of one transaction of a client, from its first request to its end. */

import type { Nid, Oid, Tid } from "../../codec/ids.ts";
import type { PendingStore } from "../backend/backend.ts";

export class Transaction {
  /**
   * Its place among those that want the same locks: smaller ones are older, and go first. It is
   * MAX_TID while it has to get a new one, so as to avoid a deadlock; it then holds no lock.
   */
  lockingTid: Tid;
  /** The final tid; null until it is locked. From then on it can't be aborted. */
  tid: Tid | null = null;
  voted = false;
  /** Whether this node has its metadata. */
  hasMetadata = false;
  /** Whether it was committed or aborted. */
  ended = false;
  /** On which revision each of its objects is based, those that it only checks included. */
  readonly serials = new Map<Oid, Tid>();
  /** What it stores. */
  readonly stores = new Map<Oid, PendingStore>();
  /** Objects that were accepted without a lock, because their cells here are not complete. */
  readonly lockless = new Set<Oid>();

  constructor(readonly ttid: Tid, readonly client: Nid) {
    this.lockingTid = ttid;
  }
}
