/**
 * Compresses beside the main thread, which has clients to serve: another thread gets the data of
 * many objects at once, and gives back what they become.
 */

import { Worker } from "node:worker_threads";
import { ThreadError } from "../errors.ts";
import type { Deflated, Deflater } from "./host.ts";

/**
 * What the thread is asked and answers. Only buffers cross, and no views of them: Deno's
 * `worker_threads` looks at each element of a view.
 */
export interface DeflateRequest {
  /** The data, one after the other, and their lengths as 32-bit numbers. */
  readonly bytes: ArrayBuffer;
  readonly lengths: ArrayBuffer;
  /** zlib's level; its default where null. */
  readonly level: number | null;
}

export interface DeflateAnswer {
  readonly bytes: ArrayBuffer;
  readonly lengths: ArrayBuffer;
  /** For each, a byte that is 1 where it got smaller, and so was compressed. */
  readonly compressed: ArrayBuffer;
  /** The SHA-1 of each, one after the other. */
  readonly checksums: ArrayBuffer;
}

/** The answer where something went wrong: an error would be printed by the runtime on its way. */
export interface DeflateFailure {
  readonly failure: string;
}

const CHECKSUM_BYTES = 20;

/** Starts a thread, which ends when it is closed. */
export function startDeflater(level: number | null): Deflater {
  const worker = new Worker(new URL("./deflate_worker.ts", import.meta.url));
  const waiting: PromiseWithResolvers<DeflateAnswer>[] = [];
  // A thread that has ended with an error answers nothing any more.
  let end: ThreadError | null = null;
  worker.on("message", (answer: DeflateAnswer | DeflateFailure) => {
    const asked = waiting.shift();
    if ("failure" in answer) asked?.reject(failed(answer.failure));
    else asked?.resolve(answer);
    if (waiting.length === 0) worker.unref();
  });
  worker.on("error", (error) => {
    end = failed(error.message, error);
    for (const { reject } of waiting.splice(0)) reject(end);
  });
  worker.unref();
  return {
    async deflate(data) {
      if (end !== null) throw end;
      const request = requestOf(data, level);
      const answer = Promise.withResolvers<DeflateAnswer>();
      waiting.push(answer);
      // Whoever waits keeps the process alive.
      worker.ref();
      worker.postMessage(request, [request.bytes, request.lengths]);
      return partsOf(await answer.promise);
    },
    close: () => void worker.terminate(),
  };
}

function failed(reason: string, cause?: unknown): ThreadError {
  return new ThreadError(`the thread that compresses has failed: ${reason}`, { cause });
}

function requestOf(data: readonly Uint8Array[], level: number | null): DeflateRequest {
  const lengths = Uint32Array.from(data, ({ length }) => length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const part of data) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes: bytes.buffer, lengths: lengths.buffer, level };
}

function partsOf(answer: DeflateAnswer): Deflated[] {
  const bytes = new Uint8Array(answer.bytes);
  const compressed = new Uint8Array(answer.compressed);
  const checksums = new Uint8Array(answer.checksums);
  let at = 0;
  return Array.from(new Uint32Array(answer.lengths), (length, number) => {
    const start = at;
    at += length;
    const checksum = number * CHECKSUM_BYTES;
    return {
      compression: compressed[number] === 1,
      checksum: checksums.subarray(checksum, checksum + CHECKSUM_BYTES),
      data: bytes.subarray(start, at),
    };
  });
}
