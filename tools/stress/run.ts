/** One run: a cluster and clients, faults for a time, and then the checks. */

import { messageOf } from "../files.ts";
import { type Checked, checkEverything } from "./checks.ts";
import { StressCluster } from "./cluster.ts";
import type { ClusterView } from "./control.ts";
import { FaultInjector } from "./faults.ts";
import { Load } from "./load.ts";
import { type FaultKind, randomFor, type StressOptions } from "./options.ts";

/** How often progress is told, and the cluster looked at. */
const PROGRESS_MS = 1000;
const LOOK_MS = 200;
/** How many transactions clients go on to commit once nothing goes wrong any more. */
const CALM_COMMITS = 100;

/** What happened in a run. */
export interface Report {
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly counts: Readonly<Record<string, number>>;
  readonly longestPauseMs: number;
  readonly checked: Checked;
}

/**
 * Plays a run. Rejects with an Error when something happened that must not, or with the signal's
 * reason. In any case, all processes have ended.
 */
export async function play(options: StressOptions, { directory, print, signal }: {
  readonly directory: string;
  print(line: string): void;
  readonly signal: AbortSignal;
}): Promise<Report> {
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  interrupted.catch(() => {});
  const cluster = await StressCluster.prepare(options, directory);
  const run = new Run(options, cluster, print);
  try {
    return await Promise.race([run.play(), interrupted]);
  } finally {
    run.end();
    await cluster.kill();
    await run.closed();
  }
}

class Run {
  readonly #options: StressOptions;
  readonly #cluster: StressCluster;
  readonly #print: (line: string) => void;
  readonly #startMs = performance.now();
  readonly #over = new AbortController();
  #load: Load | null = null;
  #view: ClusterView = { state: null, rows: [] };
  #faults: FaultInjector | null = null;
  #lastFaults: string[] = [];
  #commits = 0;

  constructor(options: StressOptions, cluster: StressCluster, print: (line: string) => void) {
    this.#options = options;
    this.#cluster = cluster;
    this.#print = print;
  }

  async play(): Promise<Report> {
    const { time, settle, storages } = this.#options;
    const cluster = this.#cluster;
    await cluster.start();
    this.#say("the cluster is running");
    const load = await Load.start(cluster.url, this.#options);
    this.#load = load;
    void this.#look();
    const faults = this.#injector();
    const progress = setInterval(() => this.#progress(load), PROGRESS_MS);
    try {
      const broken = Promise.race([cluster.died, load.failed, faults.failed]);
      const disturbed = faults.run(AbortSignal.any([
        AbortSignal.timeout(time * 1000),
        this.#over.signal,
      ]));
      await Promise.race([disturbed, broken]);
      this.#say("faults have stopped");
      await Promise.race([this.#untilCalm(load, settle), broken]);
      await load.stop();
    } finally {
      clearInterval(progress);
    }
    const checked = await checkEverything({
      cluster,
      load,
      settleMs: settle * 1000,
      storages,
      checking: (what) => this.#say(`checking: ${what}`),
    });
    const { counts, longestPauseMs } = load.recorder;
    return { faults: faults.counts, counts, longestPauseMs, checked };
  }

  #injector(): FaultInjector {
    const { seed, faults } = this.#options;
    this.#faults = new FaultInjector({
      cluster: this.#cluster,
      random: randomFor(seed, "faults"),
      kinds: faults,
      isWhole: () => this.#cluster.isWhole(this.#view),
      happened: (kind, node) => this.#lastFaults.push(`${kind} ${node}`),
    });
    return this.#faults;
  }

  /** Lets clients work until the cluster is whole, and has committed something since. */
  async #untilCalm({ recorder: { counts } }: Load, settle: number): Promise<void> {
    const startMs = performance.now();
    await this.#cluster.untilWhole(settle * 1000);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    this.#say(`the cluster is whole ${seconds} s after the last fault`);
    const enough = counts.committed + CALM_COMMITS;
    for (const endMs = performance.now() + settle * 1000; counts.committed < enough;) {
      if (performance.now() > endMs) {
        throw new Error(`expected ${CALM_COMMITS} commits in ${settle} s without any fault`);
      }
      await pause(LOOK_MS);
    }
  }

  /** Looks at the cluster again and again: the faults depend on what it can bear. */
  async #look(): Promise<void> {
    while (!this.#over.signal.aborted) {
      this.#view = await this.#cluster.control.view();
      await pause(LOOK_MS);
    }
  }

  #progress({ recorder }: Load): void {
    const { committed } = recorder.counts;
    const { state, rows } = this.#view;
    const faults = this.#lastFaults.splice(0).join(", ");
    const whole = `${this.#cluster.wholeRows(rows)}/${this.#options.partitions} complete`;
    const commits = `${committed - this.#commits} commits`.padStart(12);
    const shown = state === null ? "the admin is silent" : `${state}, ${whole}`;
    this.#say(`${shown.padEnd(26)} ${commits}  ${faults}`.trimEnd());
    this.#commits = committed;
  }

  #say(text: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(0);
    this.#print(`${seconds.padStart(4)} s  ${text}`);
  }

  /** Lets nothing begin any more. */
  end(): void {
    this.#over.abort();
  }

  /** Closes the clients, whatever they are doing. */
  async closed(): Promise<void> {
    await this.#load?.close().catch((error) => this.#print(messageOf(error)));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
