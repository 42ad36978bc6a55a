/** The checksum of object data. */

import { createHash } from "node:crypto";

/** The SHA-1 of data as they are stored and sent. */
export function checksumOf(data: Uint8Array): Uint8Array {
  return createHash("sha1").update(data).digest();
}
