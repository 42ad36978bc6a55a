/**
 * The work of the benchmark by our own client. Usage and lines are those of client.py, except
 * that all clients are objects of this one process. It also obeys
 *
 *   {"work": "history", "transactions": N}   answers {"transactions": N}
 *   {"work": "revisions", "objects": N, "revisions": R}   answers {"oids": [...]}
 *   {"work": "follow", "seconds": S}   follows the history
 *   {"work": "follow-live", "seconds": S}   the first commits, the second follows
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { connect, type Tid } from "../../mod.ts";
import { type Once, TimedOrder, Worker } from "./worker.ts";

const Order = z.union([
  TimedOrder,
  z.object({ work: z.literal("follow-live"), seconds: z.number() }),
  z.object({ work: z.literal("prepare"), objects: z.number() }),
  z.object({ work: z.literal("history"), transactions: z.number() }),
  z.object({ work: z.literal("revisions"), objects: z.number(), revisions: z.number() }),
  z.object({ work: z.literal("pack") }),
]);
type Order = z.infer<typeof Order>;

async function obey(order: Order, workers: readonly Worker[]): Promise<object> {
  const [first, second] = workers;
  if (first === undefined) throw new Error("expected at least 1 client, found 0");
  switch (order.work) {
    case "prepare":
      return { oids: await first.prepare(order.objects) };
    case "history":
      await first.prepareHistory(order.transactions);
      return { transactions: order.transactions };
    case "revisions":
      return { oids: await first.prepareRevisions(order.objects, order.revisions) };
    case "pack":
      return { seconds: await first.pack() };
    case "follow-live":
      if (second === undefined) throw new Error("expected 2 clients, found 1");
      return await measured(() => followLive(first, second, order.seconds));
    default: {
      const works = await Promise.all(workers.map((worker) => worker.ready(order)));
      return await measured(async () => {
        const latencies = works.map((once) => repeat(once, order.seconds));
        return (await Promise.all(latencies)).flat();
      });
    }
  }
}

/** Does something again and again; returns the microseconds of each time. */
async function repeat(once: Once, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let before = performance.now(); before < end;) {
    await once();
    const after = performance.now();
    latencies.push(microseconds(after - before));
    before = after;
  }
  return latencies;
}

/** How long after the end of each commit another client is told of it, in microseconds. */
async function followLive(
  writer: Worker,
  reader: Worker,
  seconds: number,
): Promise<number[]> {
  const oids = [await writer.client.newOid()];
  const committed = new Map<Tid, number>();
  const told = new Map<Tid, number>();
  const gone = new AbortController();
  let ended = false;
  await reader.client.sync();
  const following = reader.client.follow(undefined, { signal: gone.signal });
  const reads = async () => {
    for await (const { tid } of following) {
      told.set(tid, performance.now());
      if (ended && told.size === committed.size) gone.abort();
    }
  };
  const reading = reads();
  const end = performance.now() + seconds * 1000;
  while (!ended) {
    const tid = await writer.commit(oids);
    committed.set(tid, performance.now());
    ended = performance.now() >= end;
  }
  if (told.size === committed.size) gone.abort();
  await reading;
  return [...committed].map(([tid, at]) => {
    // It may be told before the writer gets its answer: then nobody has waited.
    return Math.max(0, microseconds((told.get(tid) ?? Infinity) - at));
  });
}

async function measured(work: () => Promise<number[]>): Promise<object> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const latenciesUs = await work();
  const seconds = (performance.now() - start) / 1000;
  const spent = process.cpuUsage(cpu);
  const cpuMs = (spent.user + spent.system) / 1000;
  return { count: latenciesUs.length, seconds, latenciesUs, cpuMs };
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}

function say(value: object): void {
  process.stdout.write(JSON.stringify(value) + "\n");
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
