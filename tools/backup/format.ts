/**
 * The format of backup files. Each run writes one: a magic line, then frames, each of a letter, the
 * length of what follows in 4 bytes, and that. All numbers are big-endian.
 *
 *     H  JSON: the cluster's name, the range of tids, the digest of the backup file before
 *     T  a transaction: tid 8, packed 1, lengths of user, description and extension 4 each, texts
 *     R  a revision of it: oid 8, flags 1 (1: has data, 2: has a tid that they come from),
 *        that tid 8, data
 *     E  the SHA-256 of all bytes before this frame, and counts of transactions and revisions,
 *        8 each, which it covers as well
 *
 * A file without its end is not whole, and is never trusted.
 */

import { z } from "zod";
import { MAX_TID, type Tid, tid } from "../../mod.ts";
import { FileError } from "../../nodes/errors.ts";

export const MAGIC = new TextEncoder().encode("NEO backup 1\n");

export const FRAME = { header: 0x48, transaction: 0x54, record: 0x52, end: 0x45 } as const;
export const FRAME_HEADER_BYTES = 5;
export const TRANSACTION_BYTES = 21;
export const RECORD_BYTES = 17;
export const COUNTS_BYTES = 16;
export const DIGEST_BYTES = 32;
export const FLAG = { data: 1, dataTid: 2 } as const;

/** An object has 64 MiB at most, and little else is in a frame. */
export const MAX_FRAME_BYTES = 128 << 20;

const HEX = /^[0-9a-f]{16}$/;

const HEADER = z.strictObject({
  cluster: z.string(),
  from: z.string().regex(HEX),
  to: z.string().regex(HEX),
  previous: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
});

/** What a file says of itself. */
export interface Header {
  readonly cluster: string;
  /** The range of tids that it covers, bounds included. */
  readonly from: Tid;
  readonly to: Tid;
  /** The digest of the file before, in hex; null for the first. */
  readonly previous: string | null;
}

/** Takes a header apart. Throws a FileError. */
export function parseHeader(path: string, text: string): Header {
  try {
    const { cluster, from, to, previous } = HEADER.parse(JSON.parse(text));
    return { cluster, from: tidOf(from), to: tidOf(to), previous };
  } catch (cause) {
    throw new FileError(`${path} does not begin with what a backup of this version says`, {
      cause,
    });
  }
}

function tidOf(hex: string): Tid {
  const value = BigInt(`0x${hex}`);
  return tid(value > MAX_TID ? MAX_TID : value);
}
