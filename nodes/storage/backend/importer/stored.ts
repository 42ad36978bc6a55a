/** Object data as they are imported: compressed where that makes them smaller. */

import { deflateSync, inflateSync } from "node:zlib";
import { checksumOf } from "../../checksum.ts";
import type { StoredData } from "../backend.ts";

/** Smaller objects gain next to nothing. */
const MIN_COMPRESS_BYTES = 64;
/** The pieces that zlib's output is made in; its default is far too much for most objects. */
const CHUNK_BYTES = { least: 512, most: 64 << 10 } as const;

/** How data are compressed: not at all, or by zlib at its usual level or another one. */
export type Compression = boolean | number;

export function storedFrom(data: Uint8Array, compression: Compression): StoredData {
  if (compression !== false && data.length >= MIN_COMPRESS_BYTES) {
    const chunkSize = Math.min(Math.max(data.length, CHUNK_BYTES.least), CHUNK_BYTES.most);
    const deflated = compression === true
      ? deflateSync(data, { chunkSize })
      : deflateSync(data, { chunkSize, level: compression });
    if (deflated.length < data.length) {
      return { compression: true, checksum: checksumOf(deflated), data: deflated };
    }
  }
  return { compression: false, checksum: checksumOf(data), data };
}

/** The data as they were before. */
export function plainFrom({ compression, data }: StoredData): Uint8Array {
  return compression ? inflateSync(data) : data;
}
