/**
 * Compresses object data by zlib, for clients and imports alike. What looks as if it could not get
 * smaller is not tried.
 */

import { deflateSync } from "node:zlib";

/** How many bytes are looked at to tell whether data can be compressed. */
const SAMPLE_BYTES = 1024;
/**
 * How many pairs of equal bytes a sample may have to look random, as a share of those in a long row
 * of random bytes; where there are fewer, values are repeated in turn.
 */
const RANDOM_EVENNESS = { low: 0.8, high: 1.25 } as const;
const BYTE_VALUES = 256;
/**
 * zlib's level where none is given. Objects of a few kilobytes get as small as by its own usual one,
 * 6, in half the time.
 */
const USUAL_LEVEL = 4;
/** The pieces that zlib's output is made in, 16 KiB by default: far too much for most objects. */
const CHUNK_BYTES = { least: 512, most: 64 << 10 } as const;

/**
 * What data become by zlib at a level from 1 to 9, null for the usual one. Null where they would not
 * get smaller.
 */
export function deflate(data: Uint8Array, level: number | null): Uint8Array | null {
  if (looksRandom(data)) return null;
  const chunkSize = chunkBytes(data.length);
  const deflated = deflateSync(data, { chunkSize, level: level ?? USUAL_LEVEL });
  return deflated.length < data.length ? deflated : null;
}

/** A size for the pieces that zlib makes its output in. */
export function chunkBytes(expectedBytes: number): number {
  return Math.min(Math.max(expectedBytes, CHUNK_BYTES.least), CHUNK_BYTES.most);
}

/**
 * Whether data look as if zlib could do nothing for them, such as images, or what is compressed or
 * encrypted already: then the bytes of a sample are spread evenly. Deflating them would cost more
 * than all the rest of storing them.
 */
function looksRandom(data: Uint8Array): boolean {
  // An odd step does not always hit the same byte of numbers in a row.
  const step = Math.ceil(data.length / SAMPLE_BYTES) | 1;
  const counts = new Uint16Array(BYTE_VALUES);
  let pairs = 0;
  let sampled = 0;
  for (let at = 0; at < data.length; at += step) {
    const byte = data[at] ?? 0;
    const before = counts[byte] ?? 0;
    pairs += before;
    counts[byte] = before + 1;
    sampled++;
  }
  const evenness = pairs / (sampled * (sampled - 1) / 2 / BYTE_VALUES);
  return evenness > RANDOM_EVENNESS.low && evenness < RANDOM_EVENNESS.high;
}
