/** Plays runs with many seeds, or a single one: see {@link HELP}. */

import { parseArgs } from "node:util";
import { z } from "zod";
import { messageOf } from "../../tools/files.ts";
import { FAULTS, FINALES, type GivenOptions, WORKLOAD_NAMES } from "./runs/options.ts";
import { failureText, playSeeds, reportText, textOf } from "./runs/seeds.ts";

/** A whole number of a range, both ends included. */
const count = (low: number, high: number) =>
  z.string()
    .refine(
      (text) => /^\d+$/.test(text) && Number(text) >= low && Number(text) <= high,
      `expected a whole number from ${low} to ${high}`,
    )
    .transform(Number)
    .optional();

/** Random numbers begin with 32 bits of a seed: a greater one would be another one's run. */
const MAX_SEED = 2 ** 31;

const schema = z.object({
  seeds: count(1, 1_000_000),
  seed: count(0, MAX_SEED),
  first: count(0, MAX_SEED),
  workload: z.enum(WORKLOAD_NAMES).optional(),
  faults: z.enum(FAULTS).optional(),
  finale: z.enum(FINALES).optional(),
  backups: count(0, 1),
  masters: count(1, 7),
  storages: count(1, 32),
  partitions: count(1, 1000),
  replicas: count(0, 7),
  clients: count(1, 100),
  workers: count(1, 10),
  steps: count(1, 1000),
  cacheBytes: count(0, 2 ** 30),
  pauseMs: count(0, 10_000),
  jobs: count(1, 1000),
  log: z.string().optional(),
}).strict().refine(
  ({ seed, seeds, first }) => seed === undefined || (seeds ?? first) === undefined,
  { path: ["seed"], message: "expected neither --seeds nor --first beside it" },
);

const DEFAULT_SEEDS = 100;
/** After how many runs it is said how far it is. */
const PROGRESS_RUNS = 100;

const HELP = `Plays simulated clusters with faults, and checks all that must hold.

Usage: deno task sim [options]

  --seeds N     how many runs to play (${DEFAULT_SEEDS})
  --first N     the seed of the first one (1)
  --seed N      plays only the run of this seed
  --jobs N      how many are played at the same time (as many as there are cores)
  --log FILE    writes down all that happens in the last run
  --help        shows this

What follows from the seed unless it is given:

  --workload NAME   ${WORKLOAD_NAMES.join(", ")}
  --faults KIND     ${FAULTS.join(", ")}
  --finale NAME     ${FINALES.join(", ")}
  --masters N, --storages N, --partitions N, --replicas N, --backups N
  --clients N, --workers N, --steps N, --cacheBytes N (bytes), --pauseMs N (milliseconds)

Ends with status 0 when all runs passed, 1 when one failed, 2 when an option is wrong.`;

/** The options that were given; null when help is wanted. Throws with one line that says why. */
function readOptions(args: readonly string[]): z.infer<typeof schema> | null {
  const names = Object.keys(schema.shape);
  const strings = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const help = { type: "boolean" as const, short: "h" };
  const { values: { help: isHelp, ...values } } = parseArgs({
    args: [...args],
    options: { ...strings, help },
  });
  if (isHelp === true) return null;
  const parsed = schema.safeParse(values);
  if (parsed.success) {
    assertWritable(parsed.data.log);
    return parsed.data;
  }
  const reasons = parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`);
  throw new TypeError(reasons.join("; "));
}

/** A log that can't be written must not be taken for a run that failed. */
function assertWritable(log: string | undefined): void {
  if (log === undefined) return;
  try {
    Deno.writeTextFileSync(log, "", { append: true });
  } catch (error) {
    throw new TypeError(`--log: ${messageOf(error)}`, { cause: error });
  }
}

async function main(args: readonly string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(args);
  } catch (error) {
    // Both parseArgs and the checks of values say what is wrong in a TypeError.
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message.split("\n")[0]} (--help lists the options)`);
    return 2;
  }
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  return await playAll(options);
}

async function playAll(options: z.infer<typeof schema>): Promise<number> {
  const { seeds = DEFAULT_SEEDS, seed, first = 1, jobs, log, ...rest } = options;
  const given: GivenOptions = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  );
  const chosen = seed !== undefined ? [seed] : Array.from({ length: seeds }, (_, at) => first + at);
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  let runs = 0;
  const report = await playSeeds(chosen, {
    given,
    jobs: jobs ?? navigator.hardwareConcurrency,
    ...log !== undefined && { log },
    played: (outcome) => {
      if (chosen.length === 1) console.log(textOf({ ...outcome.options }));
      else if (outcome.failure !== null) console.log(failureText(outcome, given));
      if (++runs % PROGRESS_RUNS === 0) console.error(`${runs} runs in ${seconds()}`);
    },
  });
  // Failures of several runs were shown when they happened.
  const shown = chosen.length === 1 ? report : { ...report, failures: [] };
  console.log(`${reportText(shown)}\n${report.failures.length} failed, in ${seconds()}`);
  return report.failures.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
