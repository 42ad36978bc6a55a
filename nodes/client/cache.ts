/**
 * The cache of object revisions: a multi-queue. Items that are used more often are in higher
 * queues (by powers of two), those that are not used sink, and the lowest queue is evicted first.
 * An item that lost its data stays for a while in the history (level 0), so that its counter is
 * still known when it is asked for again.
 *
 * Invariant: of one object, revisions do not overlap, and only the last one may be current.
 */

import type { Oid, Tid } from "../codec/ids.ts";
import { type CacheItem, CacheQueue } from "./cache_queue.ts";
import { CACHE_ITEM_BYTES, CACHE_LIFE_TIME, MAX_CACHE_HISTORY } from "./limits.ts";

/** A revision as it is put into the cache. `nextSerial` is null for the current one. */
export interface Revision {
  readonly data: Uint8Array;
  readonly serial: Tid;
  readonly nextSerial: Tid | null;
}

/** How well a cache does. */
export interface CacheStatistics {
  /** Lookups, and those among them that found data. */
  readonly loads: number;
  readonly hits: number;
  /** Objects of which something is known. */
  readonly oids: number;
  /** Bytes that count towards `maxBytes`. */
  readonly bytes: number;
  readonly maxBytes: number;
}

export class Cache {
  readonly #byOid = new Map<Oid, CacheItem[]>();
  #queues = [new CacheQueue()];
  #bytes = 0;
  #time = 0;
  #loads = 0;
  #hits = 0;

  /**
   * @param maxBytes bytes of data (and about {@link CACHE_ITEM_BYTES} an item) that are kept
   * @param lifeTime accesses after which an unused item sinks
   * @param maxHistory items without data that are remembered
   */
  constructor(
    readonly maxBytes: number,
    readonly lifeTime: number = CACHE_LIFE_TIME,
    readonly maxHistory: number = MAX_CACHE_HISTORY,
  ) {}

  get statistics(): CacheStatistics {
    return {
      loads: this.#loads,
      hits: this.#hits,
      oids: this.#byOid.size,
      bytes: this.#bytes,
      maxBytes: this.maxBytes,
    };
  }

  /** How many items each queue has, the history first. */
  get queueLengths(): number[] {
    return this.#queues.map((queue) => queue.length);
  }

  /**
   * The newest revision that is older than `before`, or the current one where that is null;
   * undefined when it is not known for sure.
   */
  load(oid: Oid, before: Tid | null): Revision | undefined {
    this.#loads++;
    const item = this.#lookup(oid, before);
    if (item === undefined || item.data === null) return undefined;
    this.#hits++;
    this.#fetched(item);
    return { data: item.data, serial: item.serial, nextSerial: item.nextSerial };
  }

  #lookup(oid: Oid, before: Tid | null): CacheItem | undefined {
    const items = this.#byOid.get(oid);
    if (items === undefined) return undefined;
    if (before === null) {
      const last = items[items.length - 1];
      return last?.nextSerial === null ? last : undefined;
    }
    const item = items[lowerBound(items, before) - 1];
    if (item === undefined || (item.nextSerial !== null && item.nextSerial < before)) return;
    return item;
  }

  /** Whether data of this size may be kept. */
  accepts(dataBytes: number): boolean {
    return dataBytes + CACHE_ITEM_BYTES < this.maxBytes;
  }

  /** Keeps a revision, unless it is too big. The data must not change afterwards. */
  store(oid: Oid, { data, serial, nextSerial }: Revision): void {
    if (!this.accepts(data.length)) return;
    const bytes = data.length + CACHE_ITEM_BYTES;
    const items = this.#byOid.get(oid);
    const at = items === undefined ? 0 : lowerBound(items, serial);
    let item = items?.[at];
    if (item?.serial === serial) {
      if (item.data !== null) return;
      if (item.nextSerial === null) item.nextSerial = nextSerial;
    } else {
      item = {
        oid,
        serial,
        nextSerial,
        data,
        counter: 0,
        level: 0,
        expire: 0,
        queue: null,
        previous: null,
        next: null,
      };
      this.#insert(items, item, at);
    }
    item.data = data;
    this.#bytes += bytes;
    this.#fetched(item);
    if (this.#bytes > this.maxBytes) this.#evict();
  }

  #insert(items: CacheItem[] | undefined, item: CacheItem, at: number): void {
    if (items === undefined) {
      this.#byOid.set(item.oid, [item]);
      return;
    }
    const last = items[items.length - 1];
    if (item.nextSerial === null && last !== undefined && at === items.length) {
      item.counter = last.counter;
      last.nextSerial ??= item.serial;
      items.push(item);
      if (last.level === 0) this.#forget(last);
      else {
        last.counter = 0;
        if (last.level > 1) this.#fetched(last);
      }
      return;
    }
    items.splice(at, 0, item);
  }

  /** The item was used: it goes to the end of its queue, and another one may sink. */
  #fetched(item: CacheItem): void {
    item.counter++;
    this.#enqueue(item, 32 - Math.clz32(item.counter));
    const time = this.#time++;
    for (let level = 1; level < this.#queues.length; level++) {
      const head = this.#queues[level]?.head;
      if (head && head.expire < time) {
        if (level > 1) this.#enqueue(head, level - 1);
        else this.#drop(head);
        return;
      }
    }
  }

  #enqueue(item: CacheItem, level: number): void {
    item.queue?.remove(item);
    item.level = level;
    item.expire = this.#time + this.lifeTime;
    while (this.#queues.length <= level) this.#queues.push(new CacheQueue());
    this.#queues[level]?.push(item);
  }

  /** Drops an item's data; what was used stays in the history. */
  #drop(item: CacheItem): void {
    if (item.counter === 0) return this.#forget(item);
    this.#releaseData(item);
    this.#enqueue(item, 0);
    const history = this.#queues[0];
    if (history?.head && history.length > this.maxHistory) this.#forget(history.head);
  }

  #releaseData(item: CacheItem): void {
    if (item.data === null) return;
    this.#bytes -= item.data.length + CACHE_ITEM_BYTES;
    item.data = null;
  }

  #forget(item: CacheItem): void {
    this.#releaseData(item);
    item.queue?.remove(item);
    const items = this.#byOid.get(item.oid);
    if (items === undefined) return;
    items.splice(lowerBound(items, item.serial), 1);
    if (items.length === 0) this.#byOid.delete(item.oid);
  }

  #evict(): void {
    for (let level = 1; level < this.#queues.length; level++) {
      for (;;) {
        if (this.#bytes <= this.maxBytes) return;
        const head = this.#queues[level]?.head;
        if (!head) break;
        this.#drop(head);
      }
    }
  }

  /** The object changed at `tid`: what was current is so no more. */
  invalidate(oid: Oid, tid: Tid): void {
    const items = this.#byOid.get(oid);
    const last = items?.[items.length - 1];
    if (last?.nextSerial === null) last.nextSerial = tid;
  }

  /** Something may have been missed: forgets all revisions that were current. */
  clearCurrent(): void {
    for (const items of [...this.#byOid.values()]) {
      const last = items[items.length - 1];
      if (last?.nextSerial === null) this.#forget(last);
    }
  }

  /** Forgets everything, also the statistics. */
  clear(): void {
    this.#byOid.clear();
    this.#queues = [new CacheQueue()];
    this.#bytes =
      this.#time =
      this.#loads =
      this.#hits =
        0;
  }

  /** One line about the cache, for people. */
  toString(): string {
    const rate = this.#loads === 0 ? "" : ` (${(this.#hits / this.#loads * 100).toFixed(1)}% hit)`;
    return `<ClientCache #loads=${this.#loads}${rate} #oids=${this.#byOid.size}` +
      ` size=${this.#bytes} time=${this.#time} queue_length=[${this.queueLengths.join(", ")}]` +
      ` (life_time=${this.lifeTime} max_history_size=${this.maxHistory}` +
      ` max_size=${this.maxBytes})>`;
  }
}

/** How many revisions of an object are older than `serial`. They are sorted. */
function lowerBound(items: readonly CacheItem[], serial: Tid): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && item.serial < serial) low = middle + 1;
    else high = middle;
  }
  return low;
}
