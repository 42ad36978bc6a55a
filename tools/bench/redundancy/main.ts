/**
 * `deno task bench:redundancy`: what happens when nodes are lost, on our cluster beside NEO 1.11's:
 * for how long nobody can commit, and how fast a new storage gets its data.
 */

import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import process from "node:process";
import { type Make, OURS, peerMake, peerVenv } from "../clusters.ts";
import { BenchError } from "../processes.ts";
import { type Failover, measureFailover } from "./failover.ts";
import { measureReplication, type Replication } from "./replication.ts";

const NAMES = ["failover", "replication"] as const;
type Name = (typeof NAMES)[number];

/** Ours is at least so many times as fast, and costs a client at most so much. */
const REPLICATION_RATIO = 3;
const CLIENT_RISE = 0.1;
const INTERRUPTED = 130;

function nameOf(text: string): Name {
  const name = NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  throw new InvalidArgumentError(`expected ${NAMES.join(" or ")}.`);
}

function countOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("expected a whole number from 1 on.");
}

function parseOptions() {
  return new Command("deno task bench:redundancy")
    .description("Measures what the loss of nodes costs, on our cluster beside NEO 1.11's.")
    .option("--only <name>", `one measurement (${NAMES.join(", ")})`, nameOf)
    .option("--rounds <number>", "how often nodes are killed", countOf, 5)
    .option("--megabytes <number>", "how much is replicated", countOf, 200)
    .option("--object-bytes <number>", "how big its objects are", countOf, 4000)
    .option("--json <file>", "also write all numbers to a file")
    .addHelpText("after", "\nNEO 1.11 is looked for in NEO_PEER_VENV or ~/.cache/neo-ts/peer-venv.")
    .parse(process.argv)
    .opts();
}

async function bench(): Promise<void> {
  const options = parseOptions();
  const { path: venv, installed } = peerVenv();
  // The clients that commit are NEO's own, on both.
  if (!installed) throw new BenchError(`NEO 1.11 is not installed in ${venv}: set NEO_PEER_VENV`);
  const makes: readonly Make[] = [peerMake(venv), OURS];
  const directory = await Deno.makeTempDir({ prefix: "neo-bench-" });
  const interrupted = () => {
    Deno.removeSync(directory, { recursive: true });
    Deno.exit(INTERRUPTED);
  };
  Deno.addSignalListener("SIGINT", interrupted);
  const record: Record<string, unknown> = { date: new Date().toISOString() };
  try {
    if (options.only !== "replication") {
      const results = await measureFailover(makes, { rounds: options.rounds, directory, venv });
      console.log(failoverText(results));
      record.failover = results;
    }
    if (options.only !== "failover") {
      const { megabytes, objectBytes } = options;
      const progress = (line: string) => console.error(line);
      const results: Replication[] = [];
      for (const make of makes) {
        const replication = { megabytes, objectBytes, directory, venv, progress };
        results.push(await measureReplication(make, replication));
      }
      console.log(replicationText(results, megabytes));
      record.replication = results;
    }
  } finally {
    Deno.removeSignalListener("SIGINT", interrupted);
    await Deno.remove(directory, { recursive: true });
  }
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, JSON.stringify(record, null, 2) + "\n");
  }
}

function failoverText(results: readonly Failover[]): string {
  const [peer] = results;
  const lines = results.map(({ label, storageMs, masterMs }) =>
    `  ${label.padEnd(10)} ${cell(storageMs)} ${cell(masterMs)}`
  );
  const verdicts = results.slice(1).map((ours) => {
    const storage = median(ours.storageMs) <= median(peer?.storageMs ?? []);
    const master = median(ours.masterMs) <= median(peer?.masterMs ?? []);
    return `  no longer than NEO's: storage ${verdict(storage)}, master ${verdict(master)}`;
  });
  return [
    "longest time without a commit after SIGKILL, in ms: median (least to most)",
    `  ${" ".repeat(10)} ${"of a storage".padStart(22)} ${"of the primary master".padStart(22)}`,
    ...lines,
    ...verdicts,
  ].join("\n");
}

function cell(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(0)} (${least.toFixed(0)} to ${most.toFixed(0)})`.padStart(22);
}

function replicationText(results: readonly Replication[], megabytes: number): string {
  const lines = results.map((result) => {
    const { label, seconds, megabytesPerSecond, beforeMs, meanwhileMs, cpuSeconds } = result;
    const rise = meanwhileMs / beforeMs - 1;
    return `  ${label.padEnd(10)} ${seconds.toFixed(1)} s, ${
      megabytesPerSecond.toFixed(1)
    } MB/s; ` +
      `a client's commits take ${beforeMs.toFixed(2)} ms before and ` +
      `${meanwhileMs.toFixed(2)} ms meanwhile (+${(rise * 100).toFixed(0)} %); ` +
      `CPU of source ${cpuSeconds.source.toFixed(1)} s, target ${cpuSeconds.target.toFixed(1)} s`;
  });
  const [peer] = results;
  const verdicts = results.slice(1).map((ours) => {
    const ratio = ours.megabytesPerSecond / (peer?.megabytesPerSecond ?? NaN);
    const rise = ours.meanwhileMs / ours.beforeMs - 1;
    return `  ${ratio.toFixed(1)} times as fast, target ${REPLICATION_RATIO} ` +
      `${verdict(ratio >= REPLICATION_RATIO)}; the client's cost, target ` +
      `+${CLIENT_RISE * 100} % ${verdict(rise <= CLIENT_RISE)}`;
  });
  return [`replication of ${megabytes} MB to a new storage`, ...lines, ...verdicts].join("\n");
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

try {
  await bench();
  Deno.exit(0);
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(1);
}
