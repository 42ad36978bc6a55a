/**
 * Reads the transactions of a cluster. Objects are asked for ahead of their turn, so that neither
 * side waits for the network; how many at once depends on how big they are.
 */

import type { Client, Oid, Tid, TransactionInformation } from "../../mod.ts";
import type { NewRecord, Origin, Transferred } from "./transaction.ts";

/** Objects that are asked for ahead, and the bytes that they may be expected to have. */
const MAX_AHEAD = 256;
const MAX_AHEAD_BYTES = 64 << 20;
/** How much of that is left when more is asked for. */
const REFILL = 0.5;

export interface ClusterRange {
  readonly from: Tid;
  readonly to: Tid;
}

type Item =
  | { readonly is: "transaction"; readonly information: TransactionInformation }
  | { readonly is: "record"; readonly record: Promise<NewRecord | null> };

export class ClusterOrigin implements Origin {
  readonly #client: Client;
  readonly #range: ClusterRange;
  readonly #signal: AbortSignal;
  readonly #queue: Item[] = [];
  #ahead = 0;
  #expectedBytes = 0;
  #ended = false;
  #failure: unknown = null;
  #change = Promise.withResolvers<void>();
  #first: Tid | null = null;
  #current: Tid;

  constructor(client: Client, range: ClusterRange, signal: AbortSignal) {
    this.#client = client;
    this.#range = range;
    this.#signal = signal;
    this.#current = range.from;
  }

  /** Tids are times, so a part of the time is about the same part of the transactions. */
  get size(): number {
    return Number(this.#range.to - (this.#first ?? this.#range.from));
  }

  get position(): number {
    return this.#first === null ? 0 : Number(this.#current - this.#first);
  }

  async *transactions(): AsyncGenerator<Transferred, void, void> {
    this.#readAhead().catch((error) => this.#failure = error).finally(() => {
      this.#ended = true;
      this.#changed();
    });
    for (;;) {
      const item = await this.#next();
      if (item === null) return;
      if (item.is === "record") throw new RangeError("a transaction's records were not taken");
      const { tid, user, description, extension, packed } = item.information;
      this.#first ??= tid;
      this.#current = tid;
      yield { tid, user, description, extension, packed, records: this.#records() };
    }
  }

  async *#records(): AsyncGenerator<NewRecord, void, void> {
    for (;;) {
      const item = await this.#peek();
      if (item?.is !== "record") return;
      this.#queue.shift();
      const record = await item.record;
      this.#ahead--;
      const bytes = record?.data?.length ?? 0;
      // A big object counts at once, and is forgotten slowly.
      this.#expectedBytes = Math.max(bytes, this.#expectedBytes * 0.99);
      this.#changed();
      // What was packed away, or only checked, has no record.
      if (record !== null) yield record;
    }
  }

  async #readAhead(): Promise<void> {
    const { from, to } = this.#range;
    const range = { start: from, stop: to, signal: this.#signal };
    for await (const information of this.#client.transactions(range)) {
      await this.#room();
      this.#queue.push({ is: "transaction", information });
      for (const oid of information.oids) {
        await this.#room();
        const record = this.#record(information.tid, oid);
        // A failure is told when it is its turn.
        record.catch(() => {});
        this.#ahead++;
        this.#queue.push({ is: "record", record });
        if (this.#queue.length === 1) this.#changed();
      }
      this.#changed();
    }
  }

  async #record(tid: Tid, oid: Oid): Promise<NewRecord | null> {
    const records = this.#client.records({ tid, oids: [oid] }, { signal: this.#signal });
    for await (const { data, dataSerial } of records) return { oid, data, dataTid: dataSerial };
    return null;
  }

  /**
   * Waits until there is room for one more. When there is none, it waits for much of it: requests
   * that are made together travel together.
   */
  async #room(): Promise<void> {
    if (!this.#isFull(1)) return;
    while (this.#isFull(REFILL)) await this.#change.promise;
  }

  #isFull(part: number): boolean {
    return this.#queue.length > MAX_AHEAD * part ||
      (this.#ahead > 1 && this.#ahead * this.#expectedBytes > MAX_AHEAD_BYTES * part);
  }

  async #peek(): Promise<Item | null> {
    for (;;) {
      const [item] = this.#queue;
      if (item !== undefined) return item;
      if (this.#failure !== null) throw this.#failure;
      if (this.#ended) return null;
      await this.#change.promise;
    }
  }

  async #next(): Promise<Item | null> {
    const item = await this.#peek();
    this.#queue.shift();
    this.#changed();
    return item;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
