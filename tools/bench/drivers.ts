/**
 * The programs that do the work, client.py and client.ts: started, told what to do, and their
 * results checked and merged. Both obey JSON lines, which client.py describes.
 */

import { join } from "node:path";
import { z } from "zod";
import type { Cluster } from "./clusters.ts";
import { BenchError, Child, type Program } from "./processes.ts";

const CONNECTION_MS = 30_000;
/** Small enough that nothing is kept: each object is greater. */
const NO_CACHE_BYTES = 1;
const CACHE_BYTES = 20 * 1024 * 1024;

const Ready = z.object({ ready: z.literal(true) });
const Prepared = z.object({ oids: z.array(z.string().length(16)) });
const History = z.object({ transactions: z.number() });
const Packed = z.object({ seconds: z.number().positive() });
const Sample = z.object({
  count: z.number(),
  seconds: z.number().positive(),
  latenciesUs: z.array(z.number()),
  cpuMs: z.number(),
});

/** What one round gave: operations of all clients, and the time of the slowest. */
export type Sample = z.infer<typeof Sample>;

/** Which client does the work, against which cluster, in how many processes. */
export interface Side {
  readonly client: "python" | "typescript";
  readonly label: string;
  readonly cluster: Cluster;
  /** One program holds all clients (and client.py forks), or each has its own. */
  readonly programs: number;
  readonly venv: string;
}

/** The connected clients of one side. */
export class Driver {
  private constructor(private readonly children: readonly Child[]) {}

  /** Starts and connects `clients` clients. Throws a {@link BenchError} when that fails. */
  static async start(side: Side, clients: number, cached: boolean): Promise<Driver> {
    side.cluster.assertRunning();
    const cacheBytes = cached ? CACHE_BYTES : NO_CACHE_BYTES;
    const program = clientProgram(side, clients / side.programs, cacheBytes);
    const children: Child[] = [];
    for (let i = 0; i < side.programs; i++) children.push(new Child(side.label, program));
    const driver = new Driver(children);
    const slow = setTimeout(() => children.forEach((child) => child.terminate()), CONNECTION_MS);
    try {
      for (const child of children) Ready.parse(JSON.parse(await child.hear()));
      return driver;
    } catch (cause) {
      await driver.close();
      side.cluster.assertRunning();
      throw new BenchError(`${side.label}: no connection to the cluster`, { cause });
    } finally {
      clearTimeout(slow);
    }
  }

  /** Writes objects to be loaded later; returns their oids. */
  async prepare(objects: number): Promise<readonly string[]> {
    return Prepared.parse(await this.#ask({ work: "prepare", objects })).oids;
  }

  /** Commits transactions of one object each. Only our own client does so. */
  async prepareHistory(transactions: number): Promise<void> {
    History.parse(await this.#ask({ work: "history", transactions }));
  }

  /** Writes objects of several revisions; returns their oids. Only our own client does so. */
  async prepareRevisions(objects: number, revisions: number): Promise<readonly string[]> {
    return Prepared.parse(await this.#ask({ work: "revisions", objects, revisions })).oids;
  }

  /** Packs up to now; returns the seconds that it took. */
  async pack(): Promise<number> {
    return Packed.parse(await this.#ask({ work: "pack" })).seconds;
  }

  /** What the first client answers. */
  async #ask(order: object): Promise<unknown> {
    const [first] = this.children;
    if (first === undefined) throw new BenchError("expected a client, found none");
    await first.say(JSON.stringify(order));
    return JSON.parse(await first.hear());
  }

  /** All clients work at the same time, as the order says. */
  async measure(order: object): Promise<Sample> {
    const line = JSON.stringify(order);
    await Promise.all(this.children.map((child) => child.say(line)));
    const answers = await Promise.all(this.children.map((child) => child.hear()));
    const samples = answers.map((answer) => Sample.parse(JSON.parse(answer)));
    return {
      count: sum(samples.map((sample) => sample.count)),
      seconds: Math.max(...samples.map((sample) => sample.seconds)),
      latenciesUs: samples.flatMap((sample) => sample.latenciesUs),
      cpuMs: sum(samples.map((sample) => sample.cpuMs)),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.children.map((child) => child.finish()));
  }
}

function clientProgram(side: Side, clients: number, cacheBytes: number): Program {
  const { cluster } = side;
  const here = import.meta.dirname ?? ".";
  const ours = cluster.make.client ?? here;
  const args = [cluster.master, cluster.name, String(clients), String(cacheBytes)];
  if (side.client === "python") {
    const python = join(side.venv, "bin", "python");
    return { command: python, args: ["-B", join(here, "client.py"), ...args] };
  }
  return { command: Deno.execPath(), args: ["run", "-A", join(ours, "client.ts"), ...args] };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
