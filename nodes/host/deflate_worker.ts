/** The thread of deflater.ts: it compresses what it is sent, always at one level. */

import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { deflate } from "../compression/deflate.ts";
import type { DeflateAnswer, DeflateFailure, DeflateRequest } from "./deflater.ts";

/** Smaller objects gain next to nothing. */
const MIN_COMPRESS_BYTES = 64;
const CHECKSUM_BYTES = 20;

/** Compresses what gets smaller by it. */
function deflateAll(request: DeflateRequest): DeflateAnswer {
  const bytes = new Uint8Array(request.bytes);
  const lengths = new Uint32Array(request.lengths);
  const checksums = new Uint8Array(lengths.length * CHECKSUM_BYTES);
  const compressed = new Uint8Array(lengths.length);
  // The result takes the place of what it is made of, which is no shorter.
  let from = 0;
  let to = 0;
  for (const [number, length] of lengths.entries()) {
    const plain = bytes.subarray(from, from + length);
    from += length;
    const deflated = length < MIN_COMPRESS_BYTES ? null : deflate(plain, request.level);
    if (deflated !== null) compressed[number] = 1;
    const result = deflated ?? plain;
    bytes.set(result, to);
    const stored = bytes.subarray(to, to + result.length);
    checksums.set(createHash("sha1").update(stored).digest(), number * CHECKSUM_BYTES);
    lengths[number] = result.length;
    to += result.length;
  }
  return {
    bytes: request.bytes,
    lengths: request.lengths,
    compressed: compressed.buffer,
    checksums: checksums.buffer,
  };
}

function work(port: NonNullable<typeof parentPort>): void {
  port.on("message", (request: DeflateRequest) => {
    try {
      const answer = deflateAll(request);
      const { bytes, lengths, compressed, checksums } = answer;
      port.postMessage(answer, [bytes, lengths, compressed, checksums]);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      port.postMessage({ failure } satisfies DeflateFailure);
    }
  });
}

if (parentPort !== null) work(parentPort);
