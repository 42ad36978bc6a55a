/** The table: medians over the rounds, ratios to NEO 1.11 with its own client, and the targets. */

import { OURS } from "./clusters.ts";
import type { CpuTimes, RestResult, Round, SideResult } from "./measure.ts";
import { REST_CPU_MS_PER_SECOND, REST_MEMORY_BYTES, type Targets } from "./scenarios.ts";

const MEBIBYTE = 1024 * 1024;
const LABEL_WIDTH = 36;
const COLUMNS = [
  { name: "per s", width: 9 },
  { name: "± %", width: 5 },
  { name: "median ms", width: 9 },
  { name: "p99 ms", width: 9 },
  { name: "worst ms", width: 9 },
  { name: "storage", width: 8 },
  { name: "master", width: 7 },
  { name: "client", width: 7 },
  { name: "ratio", width: 6 },
] as const;
/** The last column of CPU times, above which it is said what they are. */
const LAST_CPU_COLUMN = 8;

/** What the lines of one row group have in common. */
export interface Group {
  readonly title: string;
  readonly targets: Targets;
}

/** Medians of one side's rounds. */
export interface Summary {
  readonly label: string;
  readonly perSecond: number;
  /** Half of the distance between the best and the worst round, relative to the median. */
  readonly spread: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  readonly cpuMsPerOperation: CpuTimes | null;
  /**
   * To the same client on the first cluster, or to NEO's where there is none; null for these
   * themselves. The median over the rounds of the ratio in each round.
   */
  readonly ratio: number | null;
  readonly target: number | null;
  readonly failure: string | null;
}

/** Sums up a row group; `clusters` are compared with the first of them. */
export function summarize({ targets }: Group, results: readonly SideResult[]): Summary[] {
  return results.map((result) => {
    const { rounds, side, failure } = result;
    const of = (pick: (round: Round) => number) => medianOf(rounds.map(pick));
    const speeds = rounds.map((round) => round.perSecond);
    const perSecond = medianOf(speeds);
    const base = baseOf(result, results);
    const isCompared = base !== null && side.cluster.make === OURS;
    return {
      label: side.label,
      perSecond,
      spread: (Math.max(...speeds) - Math.min(...speeds)) / 2 / perSecond,
      medianMs: of((round) => round.medianMs),
      p99Ms: of((round) => round.p99Ms),
      worstMs: of((round) => round.worstMs),
      cpuMsPerOperation: cpuOf(rounds),
      ratio: base === null ? null : ratioOf(rounds, base.rounds),
      target: isCompared && base.side.cluster.make.client === null ? targets[side.client] : null,
      failure,
    };
  });
}

/** What a result is compared with; null for what is on the first cluster itself. */
function baseOf(result: SideResult, results: readonly SideResult[]): SideResult | null {
  const [first] = results;
  const { client, programs, cluster } = result.side;
  if (first === undefined || cluster === first.side.cluster) return null;
  const same = results.find(({ side }) =>
    side.cluster === first.side.cluster && side.client === client && side.programs === programs
  );
  return same ?? first;
}

function cpuOf(rounds: readonly Round[]): CpuTimes | null {
  const times = rounds.flatMap(({ cpuMsPerOperation }) => cpuMsPerOperation ?? []);
  if (times.length === 0) return null;
  return {
    storage: medianOf(times.map(({ storage }) => storage)),
    master: medianOf(times.map(({ master }) => master)),
    client: medianOf(times.map(({ client }) => client)),
  };
}

function ratioOf(rounds: readonly Round[], base: readonly Round[]): number {
  return medianOf(rounds.map(({ perSecond }, i) => perSecond / (base[i]?.perSecond ?? NaN)));
}

/** The table's lines that come before the first scenario. */
export function heading(): string {
  const names = COLUMNS.map(({ name, width }) => name.padStart(width)).join(" ");
  const widths = COLUMNS.slice(0, LAST_CPU_COLUMN).map(({ width }) => width + 1);
  const end = widths.reduce((sum, width) => sum + width, LABEL_WIDTH) - 1;
  return `${"CPU ms per operation".padStart(end)}\n${" ".repeat(LABEL_WIDTH)}${names}`;
}

/** The lines of one row group. */
export function scenarioLines({ title }: Group, summaries: readonly Summary[]): string {
  return [title, ...summaries.map(summaryLine)].join("\n");
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
    summary.p99Ms.toFixed(2),
    summary.worstMs.toFixed(1),
    cpu === null ? "" : cpu.storage.toFixed(2),
    cpu === null ? "" : cpu.master.toFixed(2),
    cpu === null ? "" : cpu.client.toFixed(2),
    ratio === null ? "" : ratio.toFixed(2),
  ].map((cell, i) => cell.padStart(COLUMNS[i]?.width ?? 0)).join(" ");
  const aim = ratio === null || target === null
    ? ""
    : ` target ${target} ${verdict(ratio >= target)}`;
  return `${label}${cells}${aim}`.trimEnd();
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

function medianOf(numbers: readonly number[]): number {
  const values = numbers.toSorted((a, b) => a - b);
  const middle = values.length >> 1;
  const upper = values[middle] ?? NaN;
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? NaN) + upper) / 2;
}
