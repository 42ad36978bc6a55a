/** Virtual time: what will happen, in the order of its time and, at one time, of its asking. */

import type { Timer } from "../../nodes/host/host.ts";

interface Entry {
  readonly timeMs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class Clock {
  /** Milliseconds since the world began. */
  nowMs = 0;
  #order = 0;
  // A binary heap: no entry is after those at 2i+1 and 2i+2.
  readonly #heap: Entry[] = [];

  /** Calls back at a time, which is now when it has passed. */
  at(timeMs: number, callback: () => void): Timer {
    const order = this.#order++;
    const entry: Entry = {
      timeMs: Math.max(timeMs, this.nowMs),
      order,
      callback,
      cancelled: false,
    };
    this.#push(entry);
    return { cancel: () => entry.cancelled = true };
  }

  /** Takes out what happens next, and goes on to its time. Null when nothing will ever happen. */
  next(): (() => void) | null {
    for (;;) {
      const entry = this.#pop();
      if (entry === undefined) return null;
      if (entry.cancelled) continue;
      this.nowMs = entry.timeMs;
      return entry.callback;
    }
  }

  /** When something happens next; null for never. */
  nextTimeMs(): number | null {
    while (this.#heap[0]?.cancelled) this.#pop();
    return this.#heap[0]?.timeMs ?? null;
  }

  #push(entry: Entry): void {
    let at = this.#heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || isBefore(parent, entry)) break;
      this.#heap[at] = parent;
      at = above;
    }
    this.#heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (first === undefined || last === undefined || this.#heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      const useRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = useRight ? right : left;
      if (child === undefined || isBefore(last, child)) break;
      this.#heap[at] = child;
      at = 2 * at + (useRight ? 2 : 1);
    }
    this.#heap[at] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);
}
