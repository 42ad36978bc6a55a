/** The thread of deflater.ts: it compresses what it is sent, and knows nothing else. */

import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { deflateSync } from "node:zlib";
import type { DeflateAnswer, DeflateRequest } from "./deflater.ts";

/** Smaller objects gain next to nothing. */
const MIN_COMPRESS_BYTES = 64;
/** The pieces that zlib's output is made in; its default is far too much for most objects. */
const CHUNK_BYTES = { least: 512, most: 64 << 10 } as const;
const CHECKSUM_BYTES = 20;

/** Compresses what gets smaller by it. */
function deflateAll(request: DeflateRequest): DeflateAnswer {
  const bytes = new Uint8Array(request.bytes);
  const lengths = new Uint32Array(request.lengths);
  const checksums = new Uint8Array(lengths.length * CHECKSUM_BYTES);
  const compressed = new Uint8Array(lengths.length);
  const results: Uint8Array[] = [];
  let at = 0;
  for (const [number, length] of lengths.entries()) {
    const plain = bytes.subarray(at, at + length);
    at += length;
    const deflated = length < MIN_COMPRESS_BYTES ? plain : deflate(plain, request.level);
    if (deflated.length < length) compressed[number] = 1;
    const result = deflated.length < length ? deflated : plain;
    checksums.set(createHash("sha1").update(result).digest(), number * CHECKSUM_BYTES);
    results.push(result);
  }
  const sizes = Uint32Array.from(results, ({ length }) => length);
  const whole = new Uint8Array(sizes.reduce((sum, length) => sum + length, 0));
  let end = 0;
  for (const result of results) {
    whole.set(result, end);
    end += result.length;
  }
  return {
    bytes: whole.buffer,
    lengths: sizes.buffer,
    compressed: compressed.buffer,
    checksums: checksums.buffer,
  };
}

function deflate(plain: Uint8Array, level: number | null): Uint8Array {
  const chunkSize = Math.min(Math.max(plain.length, CHUNK_BYTES.least), CHUNK_BYTES.most);
  return deflateSync(plain, level === null ? { chunkSize } : { chunkSize, level });
}

function work(port: NonNullable<typeof parentPort>): void {
  port.on("message", (request: DeflateRequest) => {
    const answer = deflateAll(request);
    const { bytes, lengths, compressed, checksums } = answer;
    port.postMessage(answer, [bytes, lengths, compressed, checksums]);
  });
}

if (parentPort !== null) work(parentPort);
