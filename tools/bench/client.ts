/**
 * The work of the benchmark by our own client. Usage and lines are those of client.py, except
 * that all clients are objects of this one process.
 */

import { randomBytes, randomInt } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { type Client, connect, type Oid, oid, type Tid, ZERO_TID } from "../../mod.ts";

const OBJECT_BYTES = 1000;
const POOL_OBJECTS = 200;
const PREPARE_OBJECTS_PER_COMMIT = 500;

const Order = z.discriminatedUnion("work", [
  z.object({ work: z.literal("prepare"), objects: z.number() }),
  z.object({ work: z.literal("commit"), objects: z.number(), seconds: z.number() }),
  z.object({ work: z.literal("load"), oids: z.array(z.string()), seconds: z.number() }),
]);
type Order = z.infer<typeof Order>;
type Timed = Exclude<Order, { work: "prepare" }>;

/** One client and the objects that it alone modifies. */
class Worker {
  readonly #oids: Oid[] = [];
  readonly #serials = new Map<Oid, Tid>();
  #turn = 0;

  constructor(readonly client: Client) {}

  async prepare(objects: number): Promise<string[]> {
    const oids: Oid[] = [];
    while (oids.length < objects) oids.push(await this.client.newOid());
    for (let start = 0; start < objects; start += PREPARE_OBJECTS_PER_COMMIT) {
      await this.#commit(oids.slice(start, start + PREPARE_OBJECTS_PER_COMMIT));
    }
    return oids.map((id) => id.toString(16).padStart(16, "0"));
  }

  /** Works for the time that is ordered; returns each operation's microseconds. */
  async measure(order: Timed): Promise<number[]> {
    const loaded = order.work === "load" ? order.oids.map((hex) => oid(BigInt(`0x${hex}`))) : [];
    const once = order.work === "load"
      ? () => this.#load(loaded)
      : () => this.#commitNext(order.objects);
    const latencies: number[] = [];
    const end = performance.now() + order.seconds * 1000;
    for (let before = performance.now(); before < end;) {
      await once();
      const after = performance.now();
      latencies.push(Math.round((after - before) * 1000));
      before = after;
    }
    return latencies;
  }

  /** Makes sure that the objects to be modified have their oids, before time is taken. */
  async warm(order: Timed): Promise<void> {
    if (order.work === "load") return;
    const pool = Math.max(POOL_OBJECTS, order.objects);
    while (this.#oids.length < pool) this.#oids.push(await this.client.newOid());
  }

  async #load(oids: readonly Oid[]): Promise<void> {
    const chosen = oids[randomInt(oids.length)];
    const data = chosen === undefined ? undefined : (await this.client.load(chosen)).data;
    if (data?.length !== OBJECT_BYTES) {
      throw new Error(`expected ${OBJECT_BYTES} bytes, found ${data?.length}`);
    }
  }

  #commitNext(count: number): Promise<void> {
    if (this.#turn + count > this.#oids.length) this.#turn = 0;
    const oids = this.#oids.slice(this.#turn, this.#turn + count);
    this.#turn += count;
    return this.#commit(oids);
  }

  async #commit(oids: readonly Oid[]): Promise<void> {
    let tid: Tid = ZERO_TID;
    await this.client.transact((tx) => {
      for (const id of oids) {
        tx.store(id, randomBytes(OBJECT_BYTES), { serial: this.#serials.get(id) ?? ZERO_TID });
      }
    }, { committed: (committed) => tid = committed });
    for (const id of oids) this.#serials.set(id, tid);
  }
}

function say(value: object): void {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function obey(order: Order, workers: readonly Worker[]): Promise<object> {
  const [first] = workers;
  if (first === undefined) throw new Error("expected at least 1 client, found 0");
  if (order.work === "prepare") return { oids: await first.prepare(order.objects) };
  await Promise.all(workers.map((worker) => worker.warm(order)));
  const cpu = process.cpuUsage();
  const start = performance.now();
  const latencies = await Promise.all(workers.map((worker) => worker.measure(order)));
  const seconds = (performance.now() - start) / 1000;
  const spent = process.cpuUsage(cpu);
  const latenciesUs = latencies.flat();
  return {
    count: latenciesUs.length,
    seconds,
    latenciesUs,
    cpuMs: (spent.user + spent.system) / 1000,
  };
}

const [master = "", cluster = "", clients = "1", cacheBytes = "1"] = process.argv.slice(2);
const workers: Worker[] = [];
for (let i = 0; i < Number(clients); i++) {
  const client = await connect(`neo://${cluster}@${master}`, { cacheBytes: Number(cacheBytes) });
  workers.push(new Worker(client));
}
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  say(await obey(Order.parse(JSON.parse(line)), workers));
}
await Promise.all(workers.map((worker) => worker.client.close()));
