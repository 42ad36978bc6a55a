/** Plays runs with many seeds, on several workers at the same time, and adds up what happened. */

import { type GivenOptions, optionsOf, type RunOptions } from "./options.ts";
import type { PlayedRun, RunOrder } from "./player.ts";
import type { RunCounts } from "./run.ts";

/** What a run came to. */
export interface SeedOutcome {
  readonly seed: number;
  readonly options: RunOptions;
  readonly counts: RunCounts;
  /** What should not have happened; null for a run that is as it should be. */
  readonly failure: string | null;
}

/** What many runs came to. */
export interface SeedsReport {
  readonly given: GivenOptions;
  readonly runs: number;
  /** The sums of what was counted. */
  readonly counts: RunCounts;
  readonly failures: readonly SeedOutcome[];
}

export interface SeedsOptions {
  readonly given?: GivenOptions;
  /** How many runs are played at the same time. */
  readonly jobs?: number;
  /** A file for all that happened in the last run. */
  readonly log?: string;
  /** Told of each run once it is over. */
  readonly played?: (outcome: SeedOutcome) => void;
}

/** Plays a run for each seed, and goes on after failures. */
export async function playSeeds(
  seeds: Iterable<number>,
  { given = {}, jobs = 1, log, played = () => {} }: SeedsOptions = {},
): Promise<SeedsReport> {
  const failures: SeedOutcome[] = [];
  const sums = new Map<string, number>();
  const left = [...seeds];
  const runs = left.length;
  const work = async () => {
    const player = new Player();
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const options = optionsOf(seed, given);
      const { counts, failure } = await player.play({ options, ...log !== undefined && { log } });
      for (const [name, count] of Object.entries(counts)) {
        sums.set(name, (sums.get(name) ?? 0) + count);
      }
      const outcome = { seed, options, counts, failure };
      if (failure !== null) failures.push(outcome);
      played(outcome);
    }
    player.end();
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, runs)) }, work));
  const counts = Object.fromEntries([...sums].sort(([a], [b]) => a < b ? -1 : 1));
  failures.sort((a, b) => a.seed - b.seed);
  return { given, runs, counts, failures };
}

/** A worker that plays one run after the other. */
class Player {
  #worker: Worker | null = null;

  /** Plays a run. An error that nobody has caught fails it, too. */
  play(order: RunOrder): Promise<PlayedRun> {
    const worker = this.#worker ??= new Worker(new URL("player.ts", import.meta.url), {
      type: "module",
    });
    const { port1, port2 } = new MessageChannel();
    return new Promise<PlayedRun>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.end();
        resolve({ counts: {}, failure: event.message });
      };
      worker.postMessage(order, [port2]);
    }).finally(() => port1.close());
  }

  end(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

/** The command that plays a run again. */
export function replayOf(seed: number, given: GivenOptions): string {
  const options = Object.entries(given).map(([name, value]) =>
    ` --${name} ${typeof value === "string" && value.includes(" ") ? `"${value}"` : value}`
  );
  return `deno task sim --seed ${seed}${options.join("")}`;
}

/** Options or counts in one line. */
export function textOf(values: Readonly<Record<string, string | number>>): string {
  const text = (value: string | number) => typeof value === "number" ? Math.round(value) : value;
  return Object.entries(values).map(([name, value]) => `${name}=${text(value)}`).join(" ");
}

/** A run that failed, for people: what it was like, what happened, and how to play it again. */
export function failureText({ seed, options, failure }: SeedOutcome, given: GivenOptions): string {
  return `${textOf({ ...options })}\n${failure}\nreplay: ${replayOf(seed, given)}\n`;
}

/** What the runs came to, for people. */
export function reportText({ given, runs, counts, failures }: SeedsReport): string {
  const failed = failures.map((outcome) => failureText(outcome, given));
  return `${failed.join("\n")}${runs} runs, ${failures.length} failed\n${tableOf(counts)}`;
}

/** Counts as a table: one a line, the faults last. */
function tableOf(counts: RunCounts): string {
  const hours = (counts.virtualMs ?? 0) / 3_600_000;
  const lines = Object.entries(counts).filter(([name]) => !name.endsWith("Ms"))
    .sort(([a], [b]) => Number(a.startsWith("fault")) - Number(b.startsWith("fault")))
    .map(([name, count]) => `  ${name.padEnd(24)} ${String(Math.round(count)).padStart(10)}`);
  return [`  ${"virtual hours".padEnd(24)} ${hours.toFixed(1).padStart(10)}`, ...lines].join("\n");
}
