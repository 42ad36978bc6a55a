/**
 * What clients did and saw, in the order in which it happened: what a checker needs so as to tell
 * whether a store keeps snapshot isolation. Data are known by their digests, and no two writes of
 * a history have the same one, but for those that undo others.
 */

import type { Oid, Tid } from "../../../nodes/codec/ids.ts";

/** A digest of an object's data; null for a deletion, or where there is no object. */
export type Digest = string | null;

export type HistoryEvent =
  /** A client has connected, and knows of all transactions up to `lastTid`. */
  | { readonly kind: "open"; readonly client: string; readonly lastTid: Tid }
  /** A transaction begins on a snapshot, which includes the transaction of that tid. */
  | {
    readonly kind: "begin";
    readonly client: string;
    readonly tx: string;
    readonly snapshot: Tid;
  }
  /** An object as a transaction finds it; the serial is 0 where there is none. */
  | {
    readonly kind: "read";
    readonly tx: string;
    readonly oid: Oid;
    readonly serial: Tid;
    readonly digest: Digest;
  }
  /** A transaction changes an object whose revision it believes to be `base`; 0 for a new one. */
  | {
    readonly kind: "store";
    readonly tx: string;
    readonly oid: Oid;
    readonly base: Tid;
    readonly digest: Digest;
    /** Whether an undo stores data of an earlier write, which do not tell who wrote them. */
    readonly undoes?: true;
  }
  /** What a transaction stores is united with what another one has committed meanwhile. */
  | {
    readonly kind: "resolve";
    readonly tx: string;
    readonly oid: Oid;
    readonly old: Digest;
    readonly saved: Digest;
    readonly digest: Digest;
  }
  /** A transaction relies on an object's being at this revision when it commits. */
  | { readonly kind: "check"; readonly tx: string; readonly oid: Oid; readonly serial: Tid }
  /** A transaction asks to be committed. Without this, it never may be. */
  | { readonly kind: "finish"; readonly tx: string }
  /** What became of a transaction, as its client was told. */
  | { readonly kind: "end"; readonly tx: string; readonly outcome: Tid | "aborted" | "unknown" }
  /** A client learns of a commit; null for oids says that anything may have changed. */
  | {
    readonly kind: "invalidation";
    readonly client: string;
    readonly tid: Tid;
    readonly oids: readonly Oid[] | null;
  }
  /** A client asks to be told of all that was committed before, and is told. */
  | { readonly kind: "sync"; readonly client: string; readonly sync: number }
  | { readonly kind: "synced"; readonly client: string; readonly sync: number }
  /** What was deleted up to a tid may be as if it had never been. */
  | { readonly kind: "pack"; readonly tid: Tid }
  /** A revision that the database turns out to have, whoever wrote it. */
  | {
    readonly kind: "found";
    readonly oid: Oid;
    readonly serial: Tid;
    readonly digest: Digest;
  };

/** A promise that was not kept. */
export interface Violation {
  readonly rule: Rule;
  readonly message: string;
}

/** The promises, each by what breaks it. */
export type Rule =
  | "stale read"
  | "read after the snapshot"
  | "wrong data"
  | "uncommitted data"
  | "lost update"
  | "changed under a check"
  | "tid not unique"
  | "tid not rising"
  | "wrong resolution"
  | "snapshot goes back"
  | "snapshot too old"
  | "invalidation missing"
  | "invalidation out of order"
  | "wrong invalidation";
