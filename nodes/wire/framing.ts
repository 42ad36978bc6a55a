/**
 * Cuts a stream of bytes into packets. A packet that lies within one chunk is a view of it; one
 * that is spread over several is put together once, in a buffer of its exact size. Nothing is
 * allocated for a packet before its header was found sound.
 */

import type { PacketFrame } from "../host/host.ts";
import { HEADER_BYTES } from "./limits.ts";

/** A whole packet. */
export type Frame = PacketFrame;

/** Says whether a header is acceptable: a text why not, or null. */
export type CheckHeader = (code: number, bodyBytes: number) => string | null;

export class Framer {
  readonly #check: CheckHeader;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;
  // A packet that is being put together: its bytes so far, header included.
  #partial: Uint8Array | null = null;
  #filled = 0;
  #error: string | null = null;

  constructor(check: CheckHeader) {
    this.#check = check;
  }

  /** Why the stream can't be read on: a header that was refused; null while all is well. */
  get error(): string | null {
    return this.#error;
  }

  /** Gives bytes that follow those given before, all of whose packets must have been taken. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  /** The bytes that open a connection; null until `count` of them have come. */
  takeRaw(count: number): Uint8Array | null {
    const raw = this.#gather(count);
    if (raw !== null) this.#reset();
    return raw;
  }

  /** The next whole packet; null when more bytes are needed, or after an error. */
  next(): Frame | null {
    if (this.#error !== null) return null;
    if (this.#partial === null) {
      const left = this.#chunk.length - this.#position;
      if (left >= HEADER_BYTES) {
        const frame = this.#whole(left);
        if (frame !== null || this.#error !== null) return frame;
      } else if (left === 0) return null;
    }
    return this.#assembled();
  }

  #reset(): void {
    this.#partial = null;
    this.#filled = 0;
  }

  #whole(left: number): Frame | null {
    const header = this.#header(this.#chunk, this.#position);
    if (header === null) return null;
    const total = HEADER_BYTES + header.length;
    if (left < total) return null;
    const start = this.#position + HEADER_BYTES;
    this.#position += total;
    return { id: header.id, code: header.code, bytes: this.#chunk, start, end: this.#position };
  }

  #assembled(): Frame | null {
    const head = this.#gather(HEADER_BYTES);
    if (head === null) return null;
    const header = this.#header(head, 0);
    if (header === null) return null;
    const total = HEADER_BYTES + header.length;
    const bytes = this.#gather(total);
    if (bytes === null) return null;
    this.#reset();
    return { id: header.id, code: header.code, bytes, start: HEADER_BYTES, end: total };
  }

  /**
   * Fills the partial packet up to `count` bytes; null when there are not enough. Its buffer grows
   * with what has come, so that a header that announces much costs nothing by itself.
   */
  #gather(count: number): Uint8Array | null {
    const missing = Math.max(0, count - this.#filled);
    const part = this.#chunk.subarray(this.#position, this.#position + missing);
    const filled = this.#filled + part.length;
    let partial: Uint8Array = this.#partial ?? new Uint8Array(filled);
    if (partial.length < filled) {
      const grown = new Uint8Array(Math.min(count, Math.max(2 * partial.length, filled)));
      grown.set(partial.subarray(0, this.#filled));
      partial = grown;
    }
    partial.set(part, this.#filled);
    this.#partial = partial;
    this.#filled = filled;
    this.#position += part.length;
    return filled >= count ? partial : null;
  }

  #header(bytes: Uint8Array, at: number): { id: number; code: number; length: number } | null {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
    const code = view.getUint16(4);
    const length = view.getUint32(6);
    this.#error = this.#check(code, length);
    return this.#error === null ? { id: view.getUint32(0), code, length } : null;
  }
}
