/** Neighbours in the orders in which replicas are read: by tid, and by (tid, oid). */

import { MAX_ID, type Oid, oid, type Tid, tidAfter, ZERO_OID } from "../codec/ids.ts";
import type { RevisionKey } from "./backend/backend.ts";

/** The place after a revision. */
export function revisionAfter(key: { readonly tid: Tid; readonly oid: Oid }): RevisionKey {
  if (key.oid === MAX_ID) return { tid: tidAfter(key.tid), oid: ZERO_OID };
  return { tid: key.tid, oid: oid(key.oid + 1n) };
}

/** Whether a revision comes before another one. */
export function isBefore(a: RevisionKey, b: RevisionKey): boolean {
  return a.tid < b.tid || (a.tid === b.tid && a.oid < b.oid);
}
