/**
 * One run: a cluster in a simulated world, clients that work on it, faults meanwhile, and in the
 * end all that must hold. The same options give the same run, to the last packet.
 */

import { checkIsolation } from "../isolation/checker.ts";
import { SimulatedCluster } from "../cluster.ts";
import { Random } from "../random.ts";
import { RecordedClient } from "../workloads/recorded_client.ts";
import { Recorder } from "../workloads/recorder.ts";
import type { Place, Workload } from "../workloads/workload.ts";
import { audit } from "./audit.ts";
import { injectFaults } from "./faults.ts";
import { type RunOptions, workloadOf } from "./options.ts";
import { assertAtRest } from "./rest.ts";

/**
 * Virtual time in which all steps must have ended, counted from the last fault: storages that are
 * back are found after a second, and clients wait for a lost master for some.
 */
export const PROGRESS_LIMIT_MS = 60_000;

/** How long somebody impatient waits at most for the end of a commit. */
const MAX_PATIENCE_MS = 30;

/** How many violations a message shows. */
const SHOWN_VIOLATIONS = 10;

/** What happened in a run, in numbers. */
export type RunCounts = Readonly<Record<string, number>>;

/** Plays a run. Throws when something happened that must not. */
export async function play(options: RunOptions): Promise<RunCounts> {
  const cluster = await SimulatedCluster.start(options);
  const run = new Run(cluster, options);
  try {
    await run.work();
    await run.check();
  } catch (error) {
    throw run.explained(error);
  }
  return run.counts;
}

/** Who makes steps, one after the other. */
class Worker {
  /** How many steps are left. */
  left = 0;
  busy = false;

  constructor(readonly client: RecordedClient) {}
}

class Run {
  readonly #cluster: SimulatedCluster;
  readonly #options: RunOptions;
  readonly #recorder = new Recorder();
  readonly #workload: Workload;
  readonly #random: Random;
  readonly #clients = new Map<string, RecordedClient>();
  readonly #workers: Worker[] = [];
  #failure: unknown = null;
  #opened = 0;

  constructor(cluster: SimulatedCluster, options: RunOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#workload = workloadOf(options.workload);
    this.#random = new Random(~options.seed);
  }

  get counts(): RunCounts {
    const { counts, events } = this.#recorder;
    const { clock, eventLog } = this.#cluster.world;
    return { ...counts, events: events.length, logged: eventLog.length, virtualMs: clock.nowMs };
  }

  async #open(): Promise<RecordedClient> {
    const name = `client${++this.#opened}`;
    const { merge } = this.#workload;
    const recorder = this.#recorder;
    const client = await this.#cluster.client(name, {
      cacheBytes: this.#options.cacheBytes,
      ...merge && { resolveConflict: (conflict) => recorder.resolve(conflict, merge) },
    });
    const recorded = new RecordedClient(name, client, {
      recorder,
      patience: () => this.#wait(MAX_PATIENCE_MS),
    });
    this.#clients.set(name, recorded);
    return recorded;
  }

  /** Lets clients work and faults happen until all is done. */
  async work(): Promise<void> {
    const { clients, workers } = this.#options;
    const { world } = this.#cluster;
    const first = await this.#open();
    await world.run(this.#workload.prepare(first, clients * workers));
    for (let at = 0; at < clients; at++) {
      const client = at === 0 ? first : await this.#open();
      for (let worker = 0; worker < workers; worker++) this.#workers.push(new Worker(client));
    }
    this.#work();
    await injectFaults({
      cluster: this.#cluster,
      options: this.#options,
      random: this.#random,
      work: () => this.#work(),
      events: this.#recorder.events,
      clientHosts: () => [...this.#clients.keys()],
      replaceClient: (host) => this.#replace(host),
    });
    const endMs = world.clock.nowMs + PROGRESS_LIMIT_MS;
    const isOver = () => this.#failure !== null || this.#busy.length === 0;
    await world.run(() => isOver() || world.clock.nowMs > endMs);
    if (this.#failure !== null) throw this.#failure;
    if (isOver()) return;
    throw world.stuck(`${this.#busy.length} workers have not ended in ${PROGRESS_LIMIT_MS} ms`);
  }

  get #busy(): Worker[] {
    return this.#workers.filter(({ busy }) => busy);
  }

  /** Gives each worker more steps to do. */
  #work(): void {
    for (const [number, worker] of this.#workers.entries()) {
      worker.left += this.#options.steps;
      if (!worker.busy) this.#start(worker, number);
    }
  }

  #start(worker: Worker, number: number): void {
    worker.busy = true;
    this.#steps(worker, number).catch((error) => this.#failure ??= error);
  }

  async #steps(worker: Worker, number: number): Promise<void> {
    const { client } = worker;
    const random = this.#random;
    const place: Place = { client, worker: number, random, pause: () => this.#pause() };
    while (worker.left > 0) {
      worker.left--;
      await this.#workload.step(place);
      await this.#pause();
    }
    worker.busy = false;
  }

  /** Waits for a while, or not at all. */
  #pause(): Promise<void> {
    const { pauseMs } = this.#options;
    if (pauseMs === 0 || this.#random.oneIn(2)) return Promise.resolve();
    return this.#wait(pauseMs);
  }

  #wait(maxMs: number): Promise<void> {
    const { clock } = this.#cluster.world;
    const endMs = clock.nowMs + this.#random.between(0, maxMs);
    return new Promise((resolve) => clock.at(endMs, resolve));
  }

  /** A client's machine is gone, and nobody will hear of its workers: others go on for them. */
  async #replace(host: string): Promise<void> {
    this.#cluster.crash(host);
    this.#clients.delete(host);
    const client = await this.#open();
    for (const [number, worker] of this.#workers.entries()) {
      if (worker.client.name !== host) continue;
      const successor = new Worker(client);
      successor.left = worker.left;
      this.#workers[number] = successor;
      this.#start(successor, number);
    }
  }

  /** Checks everything that must hold once all is quiet. */
  async check(): Promise<void> {
    const { world } = this.#cluster;
    await this.#cluster.untilComplete();
    for (const client of this.#clients.values()) await world.run(client.sync());
    const auditor = await this.#open();
    await world.run(audit(auditor));
    const outcome = await world.run(auditor.run("transact", (tx) => this.#workload.verify(tx)));
    if (outcome?.kind !== "committed") throw new Error("the end could not be verified");
    this.#assertIsolation();
    this.#assertNoneLost();
    for (const { client } of this.#clients.values()) await client.close();
    await assertAtRest(this.#cluster, this.#options);
  }

  /** Nothing that only clients do, or an operator orders, may cost the cluster a storage. */
  #assertNoneLost(): void {
    if (!["none", "client", "tweak"].includes(this.#options.faults)) return;
    const lost = this.#cluster.world.eventLog.find((line) => line.includes("master: lost S"));
    if (lost !== undefined) throw new Error(`a storage was lost without a reason: ${lost}`);
  }

  #assertIsolation(): void {
    const violations = this.#violations();
    if (violations !== "") throw new Error(violations);
  }

  /** What the history so far shows; an empty text when it is as it should be. */
  #violations(): string {
    const violations = checkIsolation(this.#recorder.events);
    if (violations.length === 0) return "";
    const shown = violations.slice(0, SHOWN_VIOLATIONS);
    const lines = shown.map(({ rule, message }) => `${rule}: ${message}`);
    return `${violations.length} violations of isolation:\n${lines.join("\n")}`;
  }

  /** An error, with what the history says about where it comes from. */
  explained(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const violations = this.#violations();
    if (violations === "" || error.message === violations) return error;
    return new Error(`${error.message}\n${violations}`, { cause: error });
  }
}
