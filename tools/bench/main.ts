/**
 * `deno task bench`: the same work on our cluster and, where it is installed, on NEO 1.11, in
 * turns on the same machine; prints a table of both and their ratio.
 */

import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import process from "node:process";
import { Cluster, type Make, OURS, peerMake, peerVenv } from "./clusters.ts";
import type { Side } from "./drivers.ts";
import { measureRest, type Pace, runScenario } from "./measure.ts";
import { BenchError } from "./processes.ts";
import { heading, restLines, scenarioLines, summarize } from "./report.ts";
import { AT_REST, type Scenario, SCENARIOS } from "./scenarios.ts";

const FULL: Pace = { rounds: 7, roundSeconds: 3, warmUpSeconds: 2, restSeconds: 10 };
const QUICK: Pace = { rounds: 3, roundSeconds: 0.8, warmUpSeconds: 0.5, restSeconds: 3 };
const MAX_ROUNDS = 1000;
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** The exit status of a program that was interrupted. */
const INTERRUPTED = 130;
const NAMES = [...SCENARIOS.map((scenario) => scenario.name), AT_REST];

interface Options {
  readonly quick?: true;
  readonly only?: string[];
  readonly rounds?: number;
  readonly json?: string;
  readonly noise?: true;
}

function collectName(name: string, previous: string[] | undefined): string[] {
  if (!NAMES.includes(name)) throw new InvalidArgumentError(`expected ${NAMES.join(", ")}.`);
  return [...previous ?? [], name];
}

function roundCount(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= MAX_ROUNDS) return value;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_ROUNDS}.`);
}

function parseOptions(): Options {
  return new Command("deno task bench")
    .description("Measures our cluster beside NEO 1.11, doing the same work in turns.")
    .option("--quick", "short rounds: about a minute in total")
    .option("--only <name>", `one scenario; may be repeated (${NAMES.join(", ")})`, collectName)
    .option("--rounds <number>", "timed rounds of each scenario", roundCount)
    .option("--json <file>", "also write every round's numbers to a file")
    .option("--noise", "NEO 1.11 against itself, to learn what differences mean nothing")
    .addHelpText("after", "\nNEO 1.11 is looked for in NEO_PEER_VENV or ~/.cache/neo-ts/peer-venv.")
    .parse(process.argv)
    .opts();
}

/** The sides of a scenario; the first is what the others are compared with. */
function sidesOf(scenario: Scenario, clusters: readonly Cluster[], venv: string): Side[] {
  const sides: Side[] = [];
  clusters.forEach((cluster, i) => {
    const ours = cluster.make === OURS;
    const number = !ours && i > 0 ? " again" : "";
    const base = { cluster, venv };
    if (venv !== "") {
      const label = `Python client, ${cluster.make.label}${number}`;
      sides.push({ ...base, client: "python", label, programs: 1 });
    }
    if (!ours) return;
    const label = `TypeScript client, ${cluster.make.label}`;
    sides.push({ ...base, client: "typescript", label, programs: 1 });
    if (scenario.clients === 1) return;
    const many = `TypeScript client × ${scenario.clients}, ${cluster.make.label}`;
    sides.push({ ...base, client: "typescript", label: many, programs: scenario.clients });
  });
  return sides;
}

/** Returns whether every side ran. */
async function bench(options: Options): Promise<boolean> {
  const venv = peerVenv();
  if (!venv.installed) {
    console.log(`NEO 1.11 is not installed in ${venv.path}: measuring ours alone.`);
    if (options.noise) throw new BenchError("--noise needs NEO 1.11: set NEO_PEER_VENV");
  }
  const peers: Make[] = venv.installed ? [peerMake(venv.path)] : [];
  const makes = options.noise ? [...peers, ...peers] : [...peers, OURS];
  const usual = options.quick ? QUICK : FULL;
  const pace = { ...usual, rounds: options.rounds ?? usual.rounds };
  const chosen = options.only ?? NAMES;
  const directory = Deno.makeTempDirSync({ prefix: "neo-bench-" });
  const clusters: Cluster[] = [];
  let whole = true;
  const interrupted = () => {
    for (const cluster of clusters) cluster.kill();
    Deno.removeSync(directory, { recursive: true });
    Deno.exit(INTERRUPTED);
  };
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, interrupted);
  const record: Record<string, unknown> = { date: new Date().toISOString(), pace };
  try {
    makes.forEach((make, i) => clusters.push(Cluster.start(make, `bench-${i}`, directory)));
    console.log(heading());
    for (const scenario of SCENARIOS.filter(({ name }) => chosen.includes(name))) {
      const sides = sidesOf(scenario, clusters, venv.installed ? venv.path : "");
      const results = await runScenario(scenario, sides, pace);
      const summaries = summarize(scenario, results, venv.installed);
      console.log(scenarioLines(scenario, summaries));
      whole &&= results.every((result) => result.failure === null);
      const rounds = results.map((result) => result.rounds);
      record[scenario.name] = summaries.map((summary, i) => ({ ...summary, rounds: rounds[i] }));
    }
    if (chosen.includes(AT_REST)) {
      const rest = await measureRest(clusters.filter((cluster) => cluster.isRunning), pace);
      console.log(restLines(rest));
      record[AT_REST] = rest;
    }
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, interrupted);
    await Promise.all(clusters.map((cluster) => cluster.stop()));
    Deno.removeSync(directory, { recursive: true });
  }
  if (options.json !== undefined) {
    Deno.writeTextFileSync(options.json, JSON.stringify(record, null, 2) + "\n");
  }
  return whole;
}

try {
  if (!await bench(parseOptions())) Deno.exitCode = 1;
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(1);
}
