/** The Python client that commits in a loop, and when it has committed: see committer.py. */

import { join } from "node:path";
import { BenchError, Child } from "../processes.ts";
import { CLUSTER, type RedundantCluster } from "./cluster.ts";

interface Commit {
  readonly endMs: number;
  readonly latencyMs: number;
}

export class Committer implements AsyncDisposable {
  readonly #child: Child;
  readonly #commits: Commit[] = [];
  readonly #reading: Promise<void>;

  private constructor(child: Child) {
    this.#child = child;
    this.#reading = this.#read();
  }

  /** Starts it. Resolves when it is connected. */
  static async start(
    cluster: RedundantCluster,
    { venv, bytes }: { readonly venv: string; readonly bytes: number },
  ): Promise<Committer> {
    const script = join(import.meta.dirname ?? ".", "committer.py");
    const child = new Child(`client of ${cluster.make.label}`, {
      command: join(venv, "bin", "python"),
      args: ["-B", script, cluster.masters, CLUSTER, String(bytes)],
    });
    await child.hear();
    return new Committer(child);
  }

  async #read(): Promise<void> {
    while (this.#child.isRunning) {
      const line = await this.#child.hear().catch(() => null);
      if (line === null) return;
      const [end, latency] = line.split(" ").map(Number);
      if (end === undefined || latency === undefined) {
        throw new BenchError(`expected a commit, found ${line}`);
      }
      this.#commits.push({ endMs: end * 1000, latencyMs: latency / 1000 });
    }
  }

  #between(fromMs: number, toMs: number): Commit[] {
    const commits = this.#commits.filter(({ endMs }) => endMs >= fromMs && endMs <= toMs);
    if (commits.length >= 2) return commits;
    this.#child.assertRunning();
    throw new BenchError(`expected commits of the ${this.#child.label}, found ${commits.length}`);
  }

  /** The longest time between two commits, in milliseconds. Throws a BenchError without any. */
  longestPauseMs(fromMs: number, toMs: number): number {
    const commits = this.#between(fromMs, toMs);
    // What goes on until the end of the time counts as well.
    const ends = [...commits.map(({ endMs }) => endMs), toMs];
    return Math.max(...ends.slice(1).map((end, at) => end - (ends[at] ?? end)));
  }

  /** The median time that a commit took, in milliseconds, and how many there were. */
  medianMs(fromMs: number, toMs: number): { readonly medianMs: number; readonly commits: number } {
    const latencies = this.#between(fromMs, toMs).map(({ latencyMs }) => latencyMs)
      .sort((a, b) => a - b);
    return { medianMs: latencies[latencies.length >> 1] ?? NaN, commits: latencies.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.finish();
    await this.#reading;
  }
}
