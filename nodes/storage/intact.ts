/** Whether data on the disk still are what was stored. */

import type { Backend, RevisionKey } from "./backend/backend.ts";
import { checksumOf } from "./checksum.ts";

/** Whether a revision's data have their checksum. One that was deleted meanwhile has no fault. */
export async function isIntact(backend: Backend, key: RevisionKey): Promise<boolean> {
  const object = await backend.replica.object(key);
  if (object === null) return !await backend.objects.has(key.oid, key.tid);
  if (object.value === null) return true;
  const { data, checksum } = object.value;
  return checksumOf(data).every((byte, at) => byte === checksum[at]);
}
