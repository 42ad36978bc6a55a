/** A queue of the cache: a linked list, so that an item leaves from anywhere at once. */

import type { Oid, Tid } from "../codec/ids.ts";

/** A revision of an object as the cache has it; without data, it is in the history. */
export interface CacheItem {
  readonly oid: Oid;
  readonly serial: Tid;
  nextSerial: Tid | null;
  data: Uint8Array | null;
  counter: number;
  level: number;
  /** The cache's time at which it sinks. */
  expire: number;
  queue: CacheQueue | null;
  previous: CacheItem | null;
  next: CacheItem | null;
}

export class CacheQueue {
  #head: CacheItem | null = null;
  #tail: CacheItem | null = null;
  #length = 0;

  get head(): CacheItem | null {
    return this.#head;
  }

  get length(): number {
    return this.#length;
  }

  push(item: CacheItem): void {
    item.queue = this;
    item.previous = this.#tail;
    item.next = null;
    if (this.#tail === null) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    this.#length++;
  }

  remove(item: CacheItem): void {
    if (item.previous === null) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.queue = item.previous = item.next = null;
    this.#length--;
  }
}
