/** The checksum of object data, and what stands for no data in packets. */

import { createHash } from "node:crypto";

/** The SHA-1 of data as they are stored and sent. */
export function checksumOf(data: Uint8Array): Uint8Array {
  return createHash("sha1").update(data).digest();
}

/** The checksum of a revision without data: an undo, a deletion. */
export const NO_CHECKSUM = new Uint8Array(20);

/** The data of a revision without data. */
export const NO_DATA = new Uint8Array(0);
