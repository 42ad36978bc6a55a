/** The end of a file that is being written: what is appended can be read back and changed. */

import type { RandomFile } from "../host/host.ts";

/** How much is collected before it is written. */
const BUFFER_BYTES = 1 << 20;

export class Output {
  readonly #file: RandomFile;
  #buffer = new Uint8Array(BUFFER_BYTES);
  /** What is before this position is in the file; the rest is in the buffer. */
  #written: number;
  #buffered = 0;

  /** @param position where to go on */
  constructor(file: RandomFile, position: number) {
    this.#file = file;
    this.#written = position;
  }

  /** Where the next bytes come. */
  get position(): number {
    return this.#written + this.#buffered;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES - this.#buffered) this.write();
    if (bytes.length > BUFFER_BYTES) {
      this.#file.write(bytes, this.#written);
      this.#written += bytes.length;
    } else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  /** Changes bytes that were appended, all of which are in the file or in the buffer. */
  change(bytes: Uint8Array, position: number): void {
    const at = position - this.#written;
    if (at >= 0) this.#buffer.set(bytes, at);
    else this.#file.write(bytes, position);
  }

  /** Reads back what was appended in one piece. */
  read(position: number, length: number): Uint8Array {
    const at = position - this.#written;
    if (at >= 0) return this.#buffer.slice(at, at + length);
    const bytes = new Uint8Array(length);
    this.#file.read(bytes, position);
    return bytes;
  }

  /** Hands everything to the system. */
  write(): void {
    if (this.#buffered === 0) return;
    this.#file.write(this.#buffer.subarray(0, this.#buffered), this.#written);
    this.#written += this.#buffered;
    this.#buffered = 0;
  }
}
