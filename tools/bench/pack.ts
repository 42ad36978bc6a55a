/**
 * Packing while a client loads. Each round has a copy of the same database, since a pack leaves
 * nothing for the next one: first the client loads while nothing else happens, then during the pack.
 */

import type { Arena, Prepared } from "./arena.ts";
import { Driver, type Sample, type Side } from "./drivers.ts";
import { type Pace, reason, type Round, type SideResult, timed } from "./measure.ts";

/** Revisions of each object: all but the last go. */
export const REVISIONS_PER_OBJECT = 10;

const WARM_UP_SECONDS = 0.5;
/** The pack's end is looked for so often. */
const SLICE_SECONDS = 0.2;

/** The three row groups that a pack gives, one result for each side. */
export interface PackResults {
  readonly quiet: readonly SideResult[];
  readonly packing: readonly SideResult[];
  readonly packs: readonly SideResult[];
}

interface Contender {
  readonly side: Side;
  readonly quiet: Round[];
  readonly packing: Round[];
  readonly packs: Round[];
  failure: string | null;
}

/** Packs a database of so many revisions on every side, again and again. */
export async function runPack(
  arena: Arena,
  prepared: Prepared,
  { sides, pace, revisions }: {
    readonly sides: readonly Side[];
    readonly pace: Pace;
    readonly revisions: number;
  },
): Promise<PackResults> {
  const contenders: Contender[] = sides.map((side) => {
    return { side, quiet: [], packing: [], packs: [], failure: null };
  });
  for (let round = 0; round < pace.packRounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      if (contender.failure !== null) continue;
      const cluster = arena.start(contender.side.cluster.make, prepared);
      try {
        const side = { ...contender.side, cluster };
        await play(contender, side, { oids: prepared.oids, pace, revisions });
      } catch (error) {
        contender.failure = reason(error);
      } finally {
        await arena.stop(cluster);
      }
    }
  }
  const of = (pick: (contender: Contender) => Round[]) =>
    contenders.map((each) => ({ side: each.side, rounds: pick(each), failure: each.failure }));
  return {
    quiet: of(({ quiet }) => quiet),
    packing: of(({ packing }) => packing),
    packs: of(({ packs }) => packs),
  };
}

async function play(
  contender: Contender,
  side: Side,
  { oids, pace, revisions }: {
    readonly oids: readonly string[];
    readonly pace: Pace;
    readonly revisions: number;
  },
): Promise<void> {
  const drivers: Driver[] = [];
  try {
    const loader = await Driver.start(side, 1, false);
    drivers.push(loader);
    const packer = await Driver.start(side, 1, false);
    drivers.push(packer);
    const load = (seconds: number) => loader.measure({ work: "load", oids, seconds });
    await load(WARM_UP_SECONDS);
    contender.quiet.push(await timed(side, () => load(pace.roundSeconds)));
    const pack = { seconds: 0 };
    const busy = await timed(side, async () => {
      let packed = false;
      const packing = packer.pack().then((seconds) => pack.seconds = seconds)
        .finally(() => packed = true);
      const samples: Sample[] = [];
      while (!packed) samples.push(await load(SLICE_SECONDS));
      await packing;
      return merged(samples);
    });
    // Nodes work for both, so that their time can't be told apart.
    contender.packing.push({ ...busy, cpuMsPerOperation: null });
    const wholeMs = pack.seconds * 1000;
    contender.packs.push({
      perSecond: revisions / pack.seconds,
      medianMs: wholeMs,
      p99Ms: wholeMs,
      worstMs: wholeMs,
      cpuMsPerOperation: null,
    });
  } finally {
    await Promise.all(drivers.map((driver) => driver.close()));
  }
}

function merged(samples: readonly Sample[]): Sample {
  const sum = (pick: (sample: Sample) => number) =>
    samples.reduce((total, sample) => total + pick(sample), 0);
  return {
    count: sum(({ count }) => count),
    seconds: sum(({ seconds }) => seconds),
    latenciesUs: samples.flatMap(({ latenciesUs }) => latenciesUs),
    cpuMs: sum(({ cpuMs }) => cpuMs),
  };
}
