/** Neighbours in the orders in which replicas are read: by tid, and by (tid, oid). */

import { MAX_ID, MAX_TID, type Oid, oid, type Tid, tid, ZERO_OID, ZERO_TID } from "../codec/ids.ts";
import type { RevisionKey } from "./backend/backend.ts";

/** The next tid; the greatest one has no other after it. */
export function tidAfter(id: Tid): Tid {
  return id === MAX_TID ? id : tid(id + 1n);
}

/** The previous tid; the least one has no other before it. */
export function tidBefore(id: Tid): Tid {
  return id === ZERO_TID ? id : tid(id - 1n);
}

/** The place after a revision. */
export function revisionAfter(key: { readonly tid: Tid; readonly oid: Oid }): RevisionKey {
  if (key.oid === MAX_ID) return { tid: tidAfter(key.tid), oid: ZERO_OID };
  return { tid: key.tid, oid: oid(key.oid + 1n) };
}

/** Whether a revision comes before another one. */
export function isBefore(a: RevisionKey, b: RevisionKey): boolean {
  return a.tid < b.tid || (a.tid === b.tid && a.oid < b.oid);
}
