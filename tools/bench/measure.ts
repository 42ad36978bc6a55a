/**
 * The rounds of a scenario: all sides are connected at the same time, warmed up, and then work in
 * turns, every other round in the opposite order, so that what disturbs the machine disturbs all.
 */

import type { Role } from "./clusters.ts";
import { Driver, type Sample, type Side } from "./drivers.ts";
import { BenchError } from "./processes.ts";
import type { Scenario, Work } from "./scenarios.ts";

const PREPARED_OBJECTS = 4000;
const SETTLE_MS = 2500;

/** How long and how often. */
export interface Pace {
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly warmUpSeconds: number;
  readonly restSeconds: number;
  /** Rounds of packing, each on a new copy of the database. */
  readonly packRounds: number;
}

/** CPU times by all processes of a kind, per operation, in milliseconds. */
export type CpuTimes = Readonly<Record<Role | "client", number>>;

/** One side's work in one round. */
export interface Round {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Null where it can't be told apart from that of other work. */
  readonly cpuMsPerOperation: CpuTimes | null;
}

/** All rounds of one side, or why there are none. */
export interface SideResult {
  readonly side: Side;
  readonly rounds: readonly Round[];
  readonly failure: string | null;
}

/** A storage node and its master at rest. */
export interface RestResult {
  readonly label: string;
  readonly residentBytes: Readonly<Record<Role, number>>;
  readonly cpuMsPerSecond: Readonly<Record<Role, number>>;
}

interface Contender {
  readonly side: Side;
  readonly driver: Driver | null;
  readonly order: object;
  readonly rounds: Round[];
  failure: string | null;
}

/** Runs a scenario on every side. A side that fails is told so in its result. */
export async function runScenario(
  scenario: Scenario,
  sides: readonly Side[],
  pace: Pace,
): Promise<SideResult[]> {
  const contenders: Contender[] = [];
  for (const side of sides) contenders.push(await enter(scenario, side));
  try {
    for (let round = 0; round <= pace.rounds; round++) {
      const seconds = round === 0 ? pace.warmUpSeconds : pace.roundSeconds;
      const order = round % 2 === 0 ? contenders : contenders.toReversed();
      for (const contender of order) {
        const result = await play(contender, seconds);
        if (round > 0 && result !== null) contender.rounds.push(result);
      }
    }
  } finally {
    await Promise.all(contenders.map(({ driver }) => driver?.close()));
  }
  return contenders.map(({ side, rounds, failure }) => ({ side, rounds, failure }));
}

/** Measures nodes that nobody uses: what they still do is their own. */
export async function measureRest(
  clusters: readonly Side["cluster"][],
  pace: Pace,
): Promise<RestResult[]> {
  await pause(SETTLE_MS);
  const before = clusters.map((cluster) => cluster.cpuMs());
  await pause(pace.restSeconds * 1000);
  return clusters.map((cluster, i) => {
    const after = cluster.cpuMs();
    const spent = (role: Role) => (after[role] - (before[i]?.[role] ?? 0)) / pace.restSeconds;
    return {
      label: cluster.make.label,
      residentBytes: cluster.residentBytes(),
      cpuMsPerSecond: { master: spent("master"), storage: spent("storage") },
    };
  });
}

async function enter(scenario: Scenario, side: Side): Promise<Contender> {
  const { work, clients } = scenario;
  try {
    const driver = await Driver.start(side, clients, work.work !== "load");
    const objects = preparedObjects(work);
    const prepared = objects === 0 ? {} : { oids: await driver.prepare(objects) };
    return { side, driver, order: { ...work, ...prepared }, rounds: [], failure: null };
  } catch (error) {
    return { side, driver: null, order: {}, rounds: [], failure: reason(error) };
  }
}

function preparedObjects(work: Work): number {
  if (work.work === "load") return PREPARED_OBJECTS;
  return work.work === "contend" ? work.objects : 0;
}

async function play(contender: Contender, seconds: number): Promise<Round | null> {
  const { side, driver, order } = contender;
  if (driver === null || contender.failure !== null) return null;
  try {
    return await timed(side, () => driver.measure({ ...order, seconds }));
  } catch (error) {
    contender.failure = reason(error);
    return null;
  }
}

/** A round of work, with the CPU time that everybody spent meanwhile. */
export async function timed(side: Side, work: () => Promise<Sample>): Promise<Round> {
  const before = side.cluster.cpuMs();
  const sample = await work();
  const after = side.cluster.cpuMs();
  const latencies = sample.latenciesUs.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const index = Math.min(Math.floor(latencies.length * share), latencies.length - 1);
    return (latencies[index] ?? NaN) / 1000;
  };
  return {
    perSecond: sample.count / sample.seconds,
    medianMs: at(0.5),
    p99Ms: at(0.99),
    worstMs: at(1),
    cpuMsPerOperation: {
      master: (after.master - before.master) / sample.count,
      storage: (after.storage - before.storage) / sample.count,
      client: sample.cpuMs / sample.count,
    },
  };
}

/** A failure in one line. Throws what is a defect of the benchmark itself. */
export function reason(error: unknown): string {
  if (!(error instanceof BenchError)) throw error;
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
