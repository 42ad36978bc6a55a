/**
 * Where transactions are, by their tids. Only one in some hundreds is remembered: the others are
 * found by going on from there.
 */

import type { Tid } from "../codec/ids.ts";
import { MAGIC_BYTES, type TransactionHeader } from "./format.ts";

/** Bytes of transactions of which the first is remembered. */
const STEP_BYTES = 1 << 16;

export class Positions {
  readonly #tids: Tid[] = [];
  readonly #positions: number[] = [];

  /** Remembers a transaction, if it is far enough from the last one that is remembered. */
  note({ tid, position }: TransactionHeader): void {
    const last = this.#positions.at(-1);
    if (last !== undefined && position < last + STEP_BYTES) return;
    this.#tids.push(tid);
    this.#positions.push(position);
  }

  /** Where to begin to look for a transaction: at it, or before it. */
  floor(tid: Tid): number {
    let [low, high] = [0, this.#tids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#tids[middle] ?? tid) <= tid) low = middle + 1;
      else high = middle;
    }
    return this.#positions[low - 1] ?? MAGIC_BYTES;
  }
}
