/**
 * One run: a cluster in a simulated world, clients that work on it, faults meanwhile, and in the
 * end all that must hold. The same options give the same run, to the last packet.
 */

import type { Nid } from "../../../nodes/codec/ids.ts";
import { NeoError } from "../../../nodes/errors.ts";
import { checkIsolation } from "../isolation/checker.ts";
import { SimulatedCluster } from "../cluster.ts";
import { Random } from "../random.ts";
import { RecordedClient } from "../workloads/recorded_client.ts";
import { Recorder } from "../workloads/recorder.ts";
import type { Workload } from "../workloads/workload.ts";
import { audit } from "./audit.ts";
import { Backup } from "./backup.ts";
import { assertCleanLog, assertEndedWithReason } from "./defects.ts";
import type { FaultOptions } from "./faults/fault.ts";
import { disturbBackup, injectFaults } from "./faults/inject.ts";
import { loseDisks, truncate } from "./finales.ts";
import { recover, watch } from "./operator.ts";
import { type RunOptions, workloadOf } from "./options.ts";
import { assertAtRest } from "./rest.ts";
import { Workers } from "./workers.ts";

/**
 * Virtual time within which some step must end, counted from the last fault and then from one step
 * to the next, until all have: storages that are back are found after a second, and clients wait
 * for a lost master for some. How long all steps take depends on how many are in conflict.
 */
export const PROGRESS_LIMIT_MS = 60_000;

/** How long somebody impatient waits at most for the end of a commit. */
const MAX_PATIENCE_MS = 30;

/** How many violations, and how many of the last faults, a message shows. */
const SHOWN_VIOLATIONS = 10;
const SHOWN_FAULTS = 20;

/** What a master of the cluster itself says when it loses a storage. */
const LOST_STORAGE = /^[\d.]+ master\d* \w+ master: lost S/;

/** What happened in a run, in numbers. */
export type RunCounts = Readonly<Record<string, number>>;

/**
 * Plays a run. Throws when something happened that must not. `logged` is told of all that happened,
 * in any case.
 */
export async function play(
  options: RunOptions,
  logged: (lines: readonly string[]) => void = () => {},
): Promise<RunCounts> {
  const cluster = await SimulatedCluster.start(options);
  const run = new Run(cluster, options);
  try {
    await run.prepare();
    await run.work();
    await run.check();
  } catch (error) {
    throw run.explained(error);
  } finally {
    logged(cluster.world.eventLog);
  }
  return run.counts;
}

export class Run {
  readonly cluster: SimulatedCluster;
  readonly options: RunOptions;
  readonly recorder = new Recorder();
  readonly random: Random;
  /** Storages that will never come back. */
  readonly gone = new Set<Nid>();
  readonly #workload: Workload;
  readonly #clients = new Map<string, RecordedClient>();
  readonly #workers: Workers;
  readonly #faults: string[] = [];
  readonly #counts = new Map<string, number>();
  #backup: Backup | null = null;
  #opened = 0;

  constructor(cluster: SimulatedCluster, options: RunOptions) {
    this.cluster = cluster;
    this.options = options;
    this.random = new Random(~options.seed);
    this.#workload = workloadOf(options.workload);
    const { world } = cluster;
    this.#workers = new Workers({ world, options, random: this.random, workload: this.#workload });
  }

  get counts(): RunCounts {
    const { counts, events } = this.recorder;
    const { clock, eventLog } = this.cluster.world;
    return {
      ...counts,
      ...Object.fromEntries(this.#counts),
      events: events.length,
      logged: eventLog.length,
      virtualMs: clock.nowMs,
    };
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  get hasDropped(): boolean {
    return this.hasHappened("drop storage");
  }

  get hasNewcomers(): boolean {
    return this.hasDropped || this.hasHappened("add storage");
  }

  /** Whether there was a fault of a kind. */
  hasHappened(kind: string): boolean {
    return this.#counts.has(`fault: ${kind}`);
  }

  /** Takes note of a fault. */
  happens(kind: string, where: string): void {
    this.count(`fault: ${kind}`);
    this.#faults.push(`${this.cluster.world.clock.nowMs.toFixed(0)} ms: ${kind}, ${where}`);
    this.cluster.world.record("fault", `${kind}, ${where}`);
  }

  /** Opens one more client; tries until it succeeds. */
  async open(): Promise<RecordedClient> {
    const name = `client${++this.#opened}`;
    const { merge } = this.#workload;
    const { recorder } = this;
    const options = {
      cacheBytes: this.options.cacheBytes,
      ...merge && {
        resolveConflict: (conflict: Parameters<Recorder["resolve"]>[0]) =>
          recorder.resolve(conflict, merge),
      },
    };
    for (;;) {
      try {
        const client = await this.cluster.open(name, options);
        const patience = () => this.#workers.wait(MAX_PATIENCE_MS);
        const recorded = new RecordedClient(name, client, { recorder, patience });
        this.#clients.set(name, recorded);
        return recorded;
      } catch (error) {
        if (!(error instanceof NeoError)) throw error;
      }
    }
  }

  /** Opens a client, and lets the world go on until it is open. */
  async opened(): Promise<RecordedClient> {
    const client = await this.cluster.world.run(this.open());
    if (client === undefined) throw new Error("a client was not opened");
    return client;
  }

  /** Lets a backup follow, where there is to be one. */
  async prepare(): Promise<void> {
    const { backups, partitions } = this.options;
    if (backups > 0) this.#backup = await Backup.start(this.cluster, partitions);
  }

  /** Lets clients work and faults happen until all is done. */
  async work(): Promise<void> {
    const { clients, workers } = this.options;
    const { world } = this.cluster;
    const first = await this.opened();
    await world.run(this.#workload.prepare(first, clients * workers));
    for (let at = 0; at < clients; at++) {
      const client = at === 0 ? first : await this.opened();
      for (let worker = 0; worker < workers; worker++) this.#workers.add(client);
    }
    this.#workers.work();
    const faults: FaultOptions = {
      cluster: this.cluster,
      random: this.random,
      recorder: this.recorder,
      mayPack: this.#backup === null,
      work: () => this.#workers.work(),
      clients: () => this.#clients,
      replaceClient: (host) => this.#replace(host),
      happens: (kind, where) => this.happens(kind, where),
    };
    const { faults: kind } = this.options;
    const tracks = [injectFaults(kind, faults)];
    if (this.#backup !== null) {
      const { cluster } = this.#backup;
      const happens = (kind: string, where: string) => this.happens(`backup: ${kind}`, where);
      tracks.push(disturbBackup(kind, { ...faults, cluster, clients: () => new Map(), happens }));
    }
    let isOver = false;
    for (const cluster of [this.cluster, this.#backup?.cluster]) {
      if (cluster !== undefined) void watch(cluster, () => isOver);
    }
    await world.run(Promise.all(tracks));
    isOver = true;
    await this.recover();
  }

  /** Gives all workers more to do. */
  moreWork(): void {
    this.#workers.work();
  }

  /** Faults are over: the cluster comes back to its full strength, and all steps end. */
  async recover(): Promise<void> {
    const { world } = this.cluster;
    const recoveryMs = await world.run(recover(this.cluster, this)) ?? 0;
    this.count("recoveryMs", recoveryMs);
    await world.run(this.#workers.ended(PROGRESS_LIMIT_MS));
  }

  /** A client's machine is gone, and nobody will hear of its workers: others go on for them. */
  async #replace(host: string): Promise<void> {
    this.cluster.crash(host);
    this.#clients.delete(host);
    const client = await this.open();
    this.#workers.replace(host, client);
  }

  /** Checks everything that must hold once all is quiet. */
  async check(): Promise<void> {
    await this.audit();
    const { finale } = this.options;
    if (finale === "lost disks") await loseDisks(this);
    await this.#backup?.check(this);
    this.#assertIsolation();
    this.#assertNoneLost();
    if (finale === "truncate") await truncate(this);
    assertEndedWithReason(this.cluster.ends, (kind) => this.hasHappened(kind));
    assertCleanLog(this.cluster.world.eventLog);
    for (const { client } of this.#clients.values()) await client.close();
    await assertAtRest(this.cluster, this.options, this.recorder);
  }

  /** A fresh client looks whether everything is there, and what the workload expects of it. */
  async audit(): Promise<void> {
    const { world } = this.cluster;
    for (const client of this.#clients.values()) await world.run(client.sync());
    const auditor = await this.opened();
    await world.run(audit(auditor));
    // What is expected must be what was committed before the snapshot.
    const outcome = await world.run(this.#workers.atRest(PROGRESS_LIMIT_MS, async () => {
      await auditor.sync();
      return await auditor.run("transact", (tx) => this.#workload.verify(tx));
    }));
    if (outcome?.kind !== "committed") throw new Error("the end could not be verified");
  }

  /** Nothing that only clients do, or an operator orders, may cost the cluster a storage. */
  #assertNoneLost(): void {
    const { faults, finale } = this.options;
    if (!["none", "client", "tweak", "pack"].includes(faults) || finale !== "none") return;
    const lost = this.cluster.world.eventLog.find((line) => LOST_STORAGE.test(line));
    if (lost !== undefined) throw new Error(`a storage was lost without a reason: ${lost}`);
  }

  #assertIsolation(): void {
    const violations = this.#violations();
    if (violations !== "") throw new Error(violations);
  }

  /** What the history so far shows; an empty text when it is as it should be. */
  #violations(): string {
    const violations = checkIsolation(this.recorder.events);
    if (violations.length === 0) return "";
    const shown = violations.slice(0, SHOWN_VIOLATIONS);
    const lines = shown.map(({ rule, message }) => `${rule}: ${message}`);
    return `${violations.length} violations of isolation:\n${lines.join("\n")}`;
  }

  /** An error, with the faults that happened, and what the history says. */
  explained(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const violations = this.#violations();
    const parts = [error.message, this.#faults.slice(-SHOWN_FAULTS).join("\n")];
    if (violations !== error.message) parts.push(violations);
    const explained = new Error(parts.filter((part) => part !== "").join("\n"), { cause: error });
    if (error.stack !== undefined) {
      explained.stack = `${explained.message}\n${
        error.stack.split("\n").filter(isFrame).join("\n")
      }`;
    }
    return explained;
  }
}

function isFrame(line: string): boolean {
  return line.startsWith("    at ");
}
