/** Plays runs with many seeds, and adds up what happened. */

import { optionsOf, type RunOptions } from "./options.ts";
import { play, type RunCounts } from "./run.ts";

/** Options of runs that do not follow from their seeds. */
export type GivenOptions = Partial<Omit<RunOptions, "seed">>;

/** A run that failed. */
export interface SeedFailure {
  readonly seed: number;
  readonly error: unknown;
  /** The command that plays it again. */
  readonly replay: string;
}

/** What many runs came to. */
export interface SeedsReport {
  readonly runs: number;
  /** The sums of what was counted in the runs that did not fail. */
  readonly counts: RunCounts;
  readonly failures: readonly SeedFailure[];
}

/** Plays a run for each seed, and goes on after failures. */
export async function playSeeds(seeds: Iterable<number>, {
  given = {},
  played = () => {},
  logged = () => {},
}: {
  readonly given?: GivenOptions;
  /** Told of each run that did not fail. */
  readonly played?: (options: RunOptions, counts: RunCounts) => void;
  /** Told of all that happened in each run. */
  readonly logged?: (lines: readonly string[]) => void;
} = {}): Promise<SeedsReport> {
  const failures: SeedFailure[] = [];
  const sums = new Map<string, number>();
  let runs = 0;
  for (const seed of seeds) {
    const options = optionsOf(seed, given);
    runs++;
    try {
      const counts = await play(options, logged);
      for (const [name, count] of Object.entries(counts)) {
        sums.set(name, (sums.get(name) ?? 0) + count);
      }
      played(options, counts);
    } catch (error) {
      failures.push({ seed, error, replay: replayOf(seed, given) });
    }
  }
  return { runs, counts: Object.fromEntries(sums), failures };
}

function replayOf(seed: number, given: GivenOptions): string {
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

/** What the runs came to, for people: a failed run is shown with the command that replays it. */
export function reportText({ runs, counts, failures }: SeedsReport): string {
  const failed = failures.map(({ error, replay }) =>
    `${error instanceof Error ? error.stack : error}\nreplay: ${replay}\n`
  );
  return `${failed.join("")}${runs} runs, ${failures.length} failed: ${textOf(counts)}`;
}
