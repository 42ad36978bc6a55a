/**
 * Object data as they travel: compressed where that pays, and with the checksum of the bytes as
 * they are sent. Data that are absent (a deletion) have a checksum of zeros.
 */

import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import type { StoredData } from "../../gen/packets.ts";
import { chunkBytes, deflate } from "../compression/deflate.ts";
import { MAX_INFLATED_BYTES, MAX_OBJECT_BYTES, MIN_COMPRESS_BYTES } from "./limits.ts";
import { StorageError } from "./errors.ts";

/** How data are compressed: not at all, or by zlib at a level from 1 to 9 or its default. */
export type Compression = boolean | number;

/** By how much zlib usually shrinks objects. */
const USUAL_RATIO = 4;
const NO_BYTES = new Uint8Array(0);
const CHECKSUM_BYTES = 20;

/** What is sent for data that are absent. */
export const NO_DATA: StoredData = {
  compression: false,
  checksum: new Uint8Array(CHECKSUM_BYTES),
  data: NO_BYTES,
};

/** Data as they are sent. Throws a StorageError when no packet could hold them. */
export function encodeData(data: Uint8Array, compression: Compression): StoredData {
  if (compression === false || data.length < MIN_COMPRESS_BYTES) return stored(data, false);
  const deflated = deflate(data, compression === true ? null : compression);
  return deflated === null ? stored(data, false) : stored(deflated, true);
}

function stored(data: Uint8Array, compression: boolean): StoredData {
  if (data.length > MAX_OBJECT_BYTES) {
    throw new StorageError(
      `expected an object of at most ${MAX_OBJECT_BYTES} bytes${
        compression ? " compressed" : ""
      }, ` +
        `found ${data.length}: divide it into several objects`,
    );
  }
  return { compression, checksum: sha1(data), data };
}

function sha1(data: Uint8Array): Uint8Array {
  return createHash("sha1").update(data).digest();
}

/** Whether these are data at all, and not the trace of a deletion. */
export function isPresent({ data, checksum }: StoredData): boolean {
  return data.length > 0 || checksum.some((byte) => byte !== 0);
}

/**
 * The data that were sent, in bytes of their own; null when the checksum or the compression is
 * wrong, so that they have to be had from elsewhere.
 */
export function decodeData({ data, checksum, compression }: StoredData): Uint8Array | null {
  if (!sameBytes(sha1(data), checksum)) return null;
  if (!compression) return data.slice();
  try {
    // What zlib returns may be the beginning of a much bigger buffer.
    const chunkSize = chunkBytes(data.length * USUAL_RATIO);
    const maxOutputLength = MAX_INFLATED_BYTES;
    return new Uint8Array(inflateSync(data, { chunkSize, maxOutputLength }));
  } catch {
    // The checksum was right: whoever wrote it compressed it wrongly, or for another program.
    return null;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
