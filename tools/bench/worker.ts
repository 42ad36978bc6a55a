/** One client of ours at work, and the objects that it alone modifies. */

import { randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import {
  type Client,
  type Oid,
  oid,
  type Tid,
  type TransactionInformation,
  ZERO_TID,
} from "../../mod.ts";

const OBJECT_BYTES = 1000;
const POOL_OBJECTS = 200;
const PREPARE_OBJECTS_PER_COMMIT = 500;
/** Transactions of a history that are under way at once while it is prepared. */
const PREPARE_PARALLEL = 64;
/** How often a transaction is tried under contention: until it succeeds. */
const RETRIES = 1_000_000;

const seconds = z.number().positive();
const count = z.number().int().positive();
const oids = z.array(z.string().length(16));

/** What to do again and again for some seconds. */
export const TimedOrder = z.discriminatedUnion("work", [
  z.object({ work: z.literal("commit"), objects: count, seconds }),
  z.object({ work: z.literal("load"), oids, seconds }),
  z.object({ work: z.literal("contend"), oids, touched: count, seconds }),
  z.object({ work: z.literal("undo"), seconds }),
  z.object({ work: z.literal("iterate"), seconds }),
  z.object({ work: z.literal("follow"), seconds }),
]);
export type TimedOrder = z.infer<typeof TimedOrder>;

/** One operation; what it resolves with does not matter. */
export type Once = () => Promise<unknown>;
type Transactions = AsyncIterator<TransactionInformation>;

export class Worker {
  readonly #oids: Oid[] = [];
  readonly #serials = new Map<Oid, Tid>();
  #turn = 0;
  #lastTid: Tid | null = null;
  #iteration: Transactions | null = null;

  constructor(readonly client: Client) {}

  /** Stores new objects; resolves with their oids as hex. */
  async prepare(objects: number): Promise<string[]> {
    const oids = await this.#newOids(objects);
    for (let start = 0; start < objects; start += PREPARE_OBJECTS_PER_COMMIT) {
      await this.commit(oids.slice(start, start + PREPARE_OBJECTS_PER_COMMIT));
    }
    return oids.map((id) => id.toString(16).padStart(16, "0"));
  }

  async #newOids(count: number): Promise<Oid[]> {
    const oids: Oid[] = [];
    while (oids.length < count) oids.push(await this.client.newOid());
    return oids;
  }

  /** Commits transactions of one new object each, many at a time. */
  async prepareHistory(transactions: number): Promise<void> {
    let left = transactions;
    const commit = async () => {
      while (left-- > 0) await this.client.transact((tx) => tx.create(randomBytes(OBJECT_BYTES)));
    };
    await Promise.all(Array.from({ length: PREPARE_PARALLEL }, commit));
  }

  /** Stores objects and then newer revisions of them; resolves with their oids as hex. */
  async prepareRevisions(objects: number, revisions: number): Promise<string[]> {
    const hex = await this.prepare(objects);
    const oids = [...this.#serials.keys()];
    for (let revision = 1; revision < revisions; revision++) {
      for (let start = 0; start < objects; start += PREPARE_OBJECTS_PER_COMMIT) {
        await this.commit(oids.slice(start, start + PREPARE_OBJECTS_PER_COMMIT));
      }
    }
    return hex;
  }

  /** Packs up to now; resolves with the seconds that it took. */
  async pack(): Promise<number> {
    const start = performance.now();
    await this.client.pack(this.client.lastTid);
    return (performance.now() - start) / 1000;
  }

  /** Gets what the work needs, before time is taken. Resolves with what is to be done. */
  async ready(order: TimedOrder): Promise<Once> {
    switch (order.work) {
      case "commit": {
        const missing = Math.max(POOL_OBJECTS, order.objects) - this.#oids.length;
        this.#oids.push(...await this.#newOids(missing));
        return () => this.#commitNext(order.objects);
      }
      case "load": {
        const oids = order.oids.map(oidOf);
        return () => this.#load(oids);
      }
      case "contend": {
        const oids = order.oids.map(oidOf);
        return () => this.#contend(someOf(oids, order.touched));
      }
      case "undo":
        this.#lastTid ??= await this.#somethingToUndo();
        return async () => {
          this.#lastTid = await this.client.undo(this.#lastTid ?? ZERO_TID);
        };
      case "iterate":
        return () => this.#iterate();
      case "follow":
        return () => this.#follow();
    }
  }

  async #load(oids: readonly Oid[]): Promise<void> {
    const chosen = oids[randomInt(oids.length)];
    check(chosen === undefined ? null : (await this.client.load(chosen)).data);
  }

  async #contend(oids: readonly Oid[]): Promise<void> {
    // As ZODB does at the beginning of each transaction.
    await this.client.sync();
    await this.client.transact(async (tx) => {
      for (const id of oids) {
        await tx.load(id);
        tx.store(id, randomBytes(OBJECT_BYTES));
      }
    }, { retries: RETRIES });
  }

  async #somethingToUndo(): Promise<Tid> {
    const oids = await this.#newOids(1);
    await this.commit(oids);
    return await this.commit(oids);
  }

  async #iterate(): Promise<void> {
    this.#iteration ??= this.client.transactions();
    const { value, done } = await this.#iteration.next();
    if (done === true) this.#iteration = null;
    else for await (const { data } of this.client.records(value)) check(data);
  }

  async #follow(): Promise<void> {
    this.#iteration ??= this.client.follow(ZERO_TID);
    const { value } = await this.#iteration.next();
    if (value.tid < this.client.lastTid) return;
    await this.#iteration.return?.();
    this.#iteration = null;
  }

  #commitNext(count: number): Promise<Tid> {
    if (this.#turn + count > this.#oids.length) this.#turn = 0;
    const oids = this.#oids.slice(this.#turn, this.#turn + count);
    this.#turn += count;
    return this.commit(oids);
  }

  /** Commits new data for objects that nobody else modifies. */
  async commit(oids: readonly Oid[]): Promise<Tid> {
    let tid: Tid = ZERO_TID;
    await this.client.transact((tx) => {
      for (const id of oids) {
        tx.store(id, randomBytes(OBJECT_BYTES), { serial: this.#serials.get(id) ?? ZERO_TID });
      }
    }, { committed: (committed) => tid = committed });
    for (const id of oids) this.#serials.set(id, tid);
    return tid;
  }
}

function oidOf(hex: string): Oid {
  return oid(BigInt(`0x${hex}`));
}

function check(data: Uint8Array | null): void {
  if (data?.length === OBJECT_BYTES) return;
  throw new Error(`expected ${OBJECT_BYTES} bytes, found ${data?.length ?? "none"}`);
}

function someOf<T>(items: readonly T[], count: number): T[] {
  const left = [...items];
  const taken: T[] = [];
  while (taken.length < count) taken.push(...left.splice(randomInt(left.length), 1));
  return taken;
}
