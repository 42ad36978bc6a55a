/** The table: medians over the rounds, ratios to NEO 1.11 with its own client, and the targets. */

import { OURS } from "./clusters.ts";
import type { RestResult, Round, SideResult } from "./measure.ts";
import { REST_CPU_MS_PER_SECOND, REST_MEMORY_BYTES, type Scenario } from "./scenarios.ts";

const MEBIBYTE = 1024 * 1024;
const LABEL_WIDTH = 36;
const COLUMNS = [9, 7, 9, 9, 8, 8, 8, 7] as const;
const HEAD = ["per s", "± %", "median ms", "worst ms", "storage", "master", "client", "ratio"];

/** Medians of one side's rounds. */
export interface Summary {
  readonly label: string;
  readonly perSecond: number;
  /** Half of the distance between the best and the worst round, relative to the median. */
  readonly spread: number;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly cpuMsPerOperation: Round["cpuMsPerOperation"];
  /** To the first side, which is NEO 1.11 wherever it is installed; null for that side itself. */
  readonly ratio: number | null;
  readonly target: number | null;
  readonly failure: string | null;
}

/** Sums up a scenario. Without NEO 1.11 (`peer` false) there is nothing to compare with. */
export function summarize(
  scenario: Scenario,
  results: readonly SideResult[],
  peer: boolean,
): Summary[] {
  const base = peer ? results[0] : undefined;
  const reference = base === undefined ? NaN : medianOf(base.rounds, (round) => round.perSecond);
  return results.map((result) => {
    const { rounds, side, failure } = result;
    const of = (pick: (round: Round) => number) => medianOf(rounds, pick);
    const speeds = rounds.map((round) => round.perSecond);
    const perSecond = of((round) => round.perSecond);
    const compared = base !== undefined && result !== base;
    const ours = side.cluster.make === OURS;
    return {
      label: side.label,
      perSecond,
      spread: (Math.max(...speeds) - Math.min(...speeds)) / 2 / perSecond,
      medianMs: of((round) => round.medianMs),
      worstMs: of((round) => round.worstMs),
      cpuMsPerOperation: {
        storage: of((round) => round.cpuMsPerOperation.storage),
        master: of((round) => round.cpuMsPerOperation.master),
        client: of((round) => round.cpuMsPerOperation.client),
      },
      ratio: compared ? perSecond / reference : null,
      target: compared && ours ? scenario.targets[side.client] : null,
      failure,
    };
  });
}

/** The table's lines that come before the first scenario. */
export function heading(): string {
  const names = HEAD.map((name, i) => name.padStart(COLUMNS[i] ?? 0)).join(" ");
  const above = "CPU ms per operation of".padStart(LABEL_WIDTH + 62);
  return `${above}\n${" ".repeat(LABEL_WIDTH)}${names}`;
}

/** One scenario's lines. */
export function scenarioLines(scenario: Scenario, summaries: readonly Summary[]): string {
  return [scenario.title, ...summaries.map(summaryLine)].join("\n");
}

/** The lines about nodes at rest. */
export function restLines(results: readonly RestResult[]): string {
  const lines = results.map(({ label, residentBytes, cpuMsPerSecond }) => {
    const idle = residentBytes.storage < REST_MEMORY_BYTES &&
      cpuMsPerSecond.storage <= REST_CPU_MS_PER_SECOND;
    const roles = (["storage", "master"] as const).map((role) =>
      `${role} ${(residentBytes[role] / MEBIBYTE).toFixed(0)} MiB, ` +
      `${cpuMsPerSecond[role].toFixed(1)} ms CPU per s`
    );
    return `  ${label}: ${roles.join("; ")}  ${verdict(idle)}`;
  });
  const target = `< ${REST_MEMORY_BYTES / MEBIBYTE} MiB and no CPU`;
  return [`nodes at rest, after the work (target for the storage: ${target})`, ...lines].join("\n");
}

function summaryLine(summary: Summary): string {
  const label = `  ${summary.label}`.padEnd(LABEL_WIDTH);
  if (summary.failure !== null) return `${label} did not run: ${summary.failure}`;
  const { cpuMsPerOperation: cpu, ratio, target } = summary;
  const cells = [
    summary.perSecond.toFixed(summary.perSecond < 100 ? 1 : 0),
    (summary.spread * 100).toFixed(0),
    summary.medianMs.toFixed(2),
    summary.worstMs.toFixed(1),
    cpu.storage.toFixed(2),
    cpu.master.toFixed(2),
    cpu.client.toFixed(2),
    ratio === null ? "" : ratio.toFixed(2),
  ].map((cell, i) => cell.padStart(COLUMNS[i] ?? 0)).join(" ");
  const aim = ratio === null || target === null
    ? ""
    : ` target ${target} ${verdict(ratio >= target)}`;
  return `${label}${cells}${aim}`.trimEnd();
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

function medianOf(rounds: readonly Round[], pick: (round: Round) => number): number {
  const values = rounds.map(pick).sort((a, b) => a - b);
  const middle = values.length >> 1;
  const upper = values[middle] ?? NaN;
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? NaN) + upper) / 2;
}
