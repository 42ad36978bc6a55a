/** Clients that do the work of the simulator's workloads until they are told to stop. */

import { connect, type Tid } from "../../mod.ts";
import { workloadOf } from "../../tests/sim/runs/options.ts";
import type { Random } from "../../tests/sim/random.ts";
import { RecordedClient } from "../../tests/sim/workloads/recorded_client.ts";
import { Recorder } from "../../tests/sim/workloads/recorder.ts";
import type { Workload } from "../../tests/sim/workloads/workload.ts";
import { randomFor, type StressOptions } from "./options.ts";

/** How long somebody impatient waits at most for the end of a commit. */
const MAX_PATIENCE_MS = 300;
/** How long a step pauses at most each time it does, and a client between its steps. */
const STEP_PAUSE_MS = 5;
const PAUSE_MS = 60;
/** How long a client waits for a master: longer than the cluster is away. */
const CONNECT_TIMEOUT_MS = 120_000;
/** How long steps may take to end once nothing goes wrong any more. */
const END_MS = 60_000;

/** A history with the times of its commits. */
class TimedRecorder extends Recorder {
  longestPauseMs = 0;
  #lastMs = performance.now();

  override end(tx: string, outcome: Tid | "aborted" | "unknown"): void {
    super.end(tx, outcome);
    if (typeof outcome !== "bigint") return;
    this.longestPauseMs = Math.max(this.longestPauseMs, this.pauseMs);
    this.#lastMs = performance.now();
  }

  /** For how long nobody has committed. */
  get pauseMs(): number {
    return performance.now() - this.#lastMs;
  }
}

export class Load {
  readonly recorder = new TimedRecorder();
  readonly clients: RecordedClient[] = [];
  readonly workloads: Workload[] = [];
  readonly #url: string;
  readonly #workers = new Map<string, Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  #isOver = false;
  #opened = 0;

  private constructor(url: string) {
    this.#url = url;
    this.#failed.promise.catch(() => {});
  }

  /** Opens the clients, and lets them work. */
  static async start(url: string, options: StressOptions): Promise<Load> {
    const load = new Load(url);
    for (const name of options.workloads) {
      const workload = workloadOf(name);
      load.workloads.push(workload);
      const first = await load.open(name, workload);
      await workload.prepare(first, options.clients);
      // Who connects later knows of what was prepared.
      const clients = [first];
      while (clients.length < options.clients) clients.push(await load.open(name, workload));
      for (const [worker, client] of clients.entries()) {
        load.#start(client, workload, {
          worker,
          random: randomFor(options.seed, client.name),
        });
      }
    }
    return load;
  }

  /** Opens a client whose transactions are recorded. */
  async open(name: string, { merge }: Workload): Promise<RecordedClient> {
    const { recorder } = this;
    const client = await connect(this.#url, {
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ...merge && { resolveConflict: (conflict) => recorder.resolve(conflict, merge) },
    });
    const random = randomFor(++this.#opened, name);
    const recorded = new RecordedClient(`${name}${this.#opened}`, client, {
      recorder,
      patience: () => wait(random.between(0, MAX_PATIENCE_MS)),
    });
    this.clients.push(recorded);
    return recorded;
  }

  /** Rejects when a step finds what is impossible. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  #start(
    client: RecordedClient,
    workload: Workload,
    { worker, random }: { readonly worker: number; readonly random: Random },
  ): void {
    const pause = () => random.oneIn(2) ? Promise.resolve() : wait(random.below(STEP_PAUSE_MS));
    const work = async () => {
      while (!this.#isOver) {
        await workload.step({ client, worker, random, pause });
        await wait(random.below(PAUSE_MS));
      }
    };
    const working = work().catch((error) => this.#failed.reject(error));
    this.#workers.set(client.name, working);
    void working.finally(() => this.#workers.delete(client.name));
  }

  /** Lets each client end its step. Rejects when one can't: its transaction is stuck. */
  async stop(): Promise<void> {
    this.#isOver = true;
    const ended = Promise.all(this.#workers.values());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const stuck = [...this.#workers.keys()].join(", ");
        reject(new Error(`transactions are stuck after ${END_MS / 1000} s: of ${stuck}`));
      }, END_MS);
    });
    try {
      await Promise.race([ended, late, this.failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.clients.map(({ client }) => client.close()));
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
