/**
 * A window on a file: what is read one after the other costs one read of the system per window.
 * What it gives is valid until the next call.
 */

import type { RandomFile } from "../host/host.ts";

export class Window {
  readonly #file: RandomFile;
  readonly #buffer: Uint8Array;
  #position = 0;
  #length = 0;

  /** @param bytes how much is read at once */
  constructor(file: RandomFile, bytes: number) {
    this.#file = file;
    this.#buffer = new Uint8Array(bytes);
  }

  /** Bytes from a position on; fewer than asked for only at the end of the file. */
  bytes(position: number, length: number): Uint8Array {
    if (length > this.#buffer.length) {
      const own = new Uint8Array(length);
      return own.subarray(0, this.#file.read(own, position));
    }
    if (position < this.#position || position + length > this.#position + this.#length) {
      this.#length = this.#file.read(this.#buffer, position);
      this.#position = position;
    }
    const at = position - this.#position;
    return this.#buffer.subarray(at, Math.min(at + length, this.#length));
  }

  /** Forgets what was read: the file has changed. */
  forget(): void {
    this.#length = 0;
  }
}
