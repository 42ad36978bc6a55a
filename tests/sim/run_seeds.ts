/**
 * Plays runs with many seeds: `deno task sim --seeds 1000`, from `--first 1` on, or a single one
 * with `--seed 7`. Options that would follow from the seed can be given as well, such as
 * `--workload ring --faults storage`. `--jobs` says how many are played at the same time; `--log
 * FILE` writes down all that happens in the last one.
 */

import { parseArgs } from "node:util";
import { z } from "zod";
import { FAULTS, FINALES, type GivenOptions, WORKLOAD_NAMES } from "./runs/options.ts";
import { failureText, playSeeds, reportText, textOf } from "./runs/seeds.ts";

const count = z.coerce.number().int().nonnegative().optional();

const schema = z.object({
  seeds: count,
  seed: count,
  first: count,
  workload: z.enum(WORKLOAD_NAMES).optional(),
  faults: z.enum(FAULTS).optional(),
  finale: z.enum(FINALES).optional(),
  backups: count,
  masters: count,
  storages: count,
  partitions: count,
  replicas: count,
  clients: count,
  workers: count,
  steps: count,
  cacheBytes: count,
  pauseMs: count,
  jobs: count,
  log: z.string().optional(),
}).strict();

const DEFAULT_SEEDS = 100;
/** After how many runs it is said how far it is. */
const PROGRESS_RUNS = 100;

async function main(args: readonly string[]): Promise<number> {
  const names = Object.keys(schema.shape);
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parseArgs({ args: [...args], options });
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    console.error(z.prettifyError(parsed.error));
    return 2;
  }
  const { seeds = DEFAULT_SEEDS, seed, first = 1, jobs, log, ...rest } = parsed.data;
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
