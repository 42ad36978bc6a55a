/** What a run is like: all of it follows from one seed. */

import { Random } from "../random.ts";
import { Bank } from "../workloads/bank.ts";
import { Counters } from "../workloads/counters.ts";
import { Logs } from "../workloads/logs.ts";
import { Pairs } from "../workloads/pairs.ts";
import { Ring } from "../workloads/ring.ts";
import type { Workload } from "../workloads/workload.ts";

export const WORKLOAD_NAMES = ["logs", "bank", "ring", "counters", "contention", "pairs"] as const;

export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

/** Makes the workload of a name. */
export function workloadOf(name: WorkloadName): Workload {
  switch (name) {
    case "logs":
      return new Logs();
    case "bank":
      return new Bank();
    case "ring":
      return new Ring();
    case "counters":
      return new Counters({ counters: 6, touched: 3, resolved: true });
    case "contention":
      return new Counters({ counters: 3, touched: 2, resolved: false });
    case "pairs":
      return new Pairs();
  }
}

/** What goes wrong in a run: one kind of fault, none, or a mixture. */
export const FAULTS = [
  "none",
  "client",
  "connection",
  "storage",
  "master",
  "power",
  "tweak",
  "mixed",
] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface RunOptions {
  readonly seed: number;
  readonly workload: WorkloadName;
  readonly faults: FaultKind;
  readonly storages: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly clients: number;
  /** How many workers each client has. */
  readonly workers: number;
  /** How many steps each worker makes, and once more for each fault. */
  readonly steps: number;
  /** How much each client caches. */
  readonly cacheBytes: number;
  /** How long a step pauses at most each time it does. */
  readonly pauseMs: number;
}

/** Numbers of a run are drawn from a stream of their own: the world's goes on as it likes. */
const STREAM = 0x51ed;

/** The options of a seed, but for those that are given. */
export function optionsOf(seed: number, given: Partial<RunOptions> = {}): RunOptions {
  const random = new Random(seed ^ STREAM);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[random.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  };
  return {
    seed,
    workload: pick(WORKLOAD_NAMES),
    faults: pick(FAULTS),
    storages: pick([2, 3]),
    partitions: pick([1, 2, 3, 5]),
    replicas: pick([0, 1]),
    clients: pick([3, 4, 5, 6, 7, 8]),
    workers: pick([1, 1, 2]),
    steps: pick([2, 3, 4]),
    cacheBytes: pick([0, 2000, 20 << 20]),
    pauseMs: pick([0, 1, 10, 100]),
    ...given,
  };
}
