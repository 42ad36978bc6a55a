/** What a run is like: all of it follows from one seed. */

import { Random } from "../random.ts";
import { Bank } from "../workloads/bank.ts";
import { Counters } from "../workloads/counters.ts";
import { Logs } from "../workloads/logs.ts";
import { Pairs } from "../workloads/pairs.ts";
import { Ring } from "../workloads/ring.ts";
import { Undos } from "../workloads/undos.ts";
import type { Workload } from "../workloads/workload.ts";

export const WORKLOAD_NAMES = [
  "logs",
  "bank",
  "ring",
  "counters",
  "contention",
  "pairs",
  "undos",
] as const;

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
    case "undos":
      return new Undos();
  }
}

/**
 * What goes wrong in a run: nothing, one kind of fault, a mixture of all kinds one after the other,
 * or a storm of all kinds at the same time.
 */
export const FAULTS = [
  "none",
  "client",
  "connection",
  "storage",
  "master",
  "power",
  "tweak",
  "cut",
  "slow",
  "clock",
  "disk",
  "orders",
  "pack",
  "admin",
  "restart",
  "mixed",
  "storm",
] as const;

export type FaultKind = (typeof FAULTS)[number];

/**
 * What happens when all else is over: as many storages as there are replicas lose their disks, or
 * the database is truncated while nodes crash.
 */
export const FINALES = ["none", "lost disks", "truncate"] as const;

export type FinaleName = (typeof FINALES)[number];

export interface RunOptions {
  readonly seed: number;
  readonly workload: WorkloadName;
  readonly faults: FaultKind;
  readonly finale: FinaleName;
  /** How many clusters back this one up: none or one. */
  readonly backups: number;
  readonly masters: number;
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

/** Options of runs that do not follow from their seeds. */
export type GivenOptions = Partial<Omit<RunOptions, "seed">>;

/** Numbers of a run are drawn from a stream of their own: the world's goes on as it likes. */
const STREAM = 0x51ed;

/** The options of a seed, but for those that are given. */
export function optionsOf(seed: number, given: GivenOptions = {}): RunOptions {
  const random = new Random(seed ^ STREAM);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[random.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  };
  return {
    seed,
    workload: pick(WORKLOAD_NAMES),
    faults: pick([...FAULTS, "mixed", "storm", "storm"]),
    finale: pick([...FINALES, "none"]),
    masters: pick([1, 1, 2, 3]),
    storages: pick([1, 2, 2, 3, 3, 4, 6, 8]),
    partitions: pick([1, 2, 3, 5, 12]),
    replicas: pick([0, 1, 1, 2]),
    clients: pick([1, 2, 3, 4, 5, 6, 8, 10]),
    workers: pick([1, 1, 2]),
    steps: pick([2, 3, 4]),
    cacheBytes: pick([0, 2000, 20 << 20]),
    pauseMs: pick([0, 1, 10, 100]),
    backups: pick([0, 0, 0, 0, 1]),
    ...given,
  };
}
