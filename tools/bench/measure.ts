/**
 * The rounds of a scenario: all sides are connected at the same time, warmed up, and then work in
 * turns, every other round in the opposite order, so that what disturbs the machine disturbs all.
 */

import type { Role } from "./clusters.ts";
import { Driver, type Side } from "./drivers.ts";
import { BenchError } from "./processes.ts";
import type { Scenario } from "./scenarios.ts";

const PREPARED_OBJECTS = 4000;
const SETTLE_MS = 2500;

/** How long and how often. */
export interface Pace {
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly warmUpSeconds: number;
  readonly restSeconds: number;
}

/** One side's work in one round. CPU times are of all processes of their kind, per operation. */
export interface Round {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly cpuMsPerOperation: Readonly<Record<Role | "client", number>>;
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
  const loads = scenario.work.work === "load";
  try {
    const driver = await Driver.start(side, scenario.clients, !loads);
    const prepared = loads ? { oids: await driver.prepare(PREPARED_OBJECTS) } : {};
    return { side, driver, order: { ...scenario.work, ...prepared }, rounds: [], failure: null };
  } catch (error) {
    return { side, driver: null, order: {}, rounds: [], failure: reason(error) };
  }
}

async function play(contender: Contender, seconds: number): Promise<Round | null> {
  const { side, driver, order } = contender;
  if (driver === null || contender.failure !== null) return null;
  try {
    const before = side.cluster.cpuMs();
    const sample = await driver.measure({ ...order, seconds });
    const after = side.cluster.cpuMs();
    const latencies = sample.latenciesUs.toSorted((a, b) => a - b);
    return {
      perSecond: sample.count / sample.seconds,
      medianMs: (latencies[latencies.length >> 1] ?? NaN) / 1000,
      worstMs: (latencies.at(-1) ?? NaN) / 1000,
      cpuMsPerOperation: {
        master: (after.master - before.master) / sample.count,
        storage: (after.storage - before.storage) / sample.count,
        client: sample.cpuMs / sample.count,
      },
    };
  } catch (error) {
    contender.failure = reason(error);
    return null;
  }
}

function reason(error: unknown): string {
  if (!(error instanceof BenchError)) throw error;
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
