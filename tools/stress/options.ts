/** What a run is like: how big the cluster is, what clients do, and what goes wrong meanwhile. */

import { Random } from "../../tests/sim/random.ts";
import { WORKLOAD_NAMES, type WorkloadName } from "../../tests/sim/runs/options.ts";
import { type CommandSpec, type OptionValues, UsageError } from "../options.ts";

/** What can go wrong. */
export const FAULT_KINDS = [
  "kill",
  "stop",
  "restart",
  "reset",
  "delay",
  "cut",
  "power",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface StressOptions {
  readonly seed: number;
  /** How long faults happen, in seconds. */
  readonly time: number;
  readonly masters: number;
  readonly storages: number;
  readonly replicas: number;
  readonly partitions: number;
  readonly workloads: readonly WorkloadName[];
  /** How many clients each workload has. */
  readonly clients: number;
  readonly faults: readonly FaultKind[];
  /** How long the cluster may take to be whole again after the last fault, in seconds. */
  readonly settle: number;
  /** Where databases and logs are; null for a temporary directory. */
  readonly directory: string | null;
  /** Whether the directory stays also when all is well. */
  readonly keep: boolean;
}

/** The greatest number that is drawn for a run without a seed. */
const MAX_SEED = 1_000_000;

const LIMITS = {
  seed: { low: 0, high: 2 ** 31 },
  time: { low: 1, high: 7 * 86_400 },
  masters: { low: 1, high: 7 },
  storages: { low: 1, high: 32 },
  replicas: { low: 0, high: 7 },
  partitions: { low: 1, high: 1000 },
  clients: { low: 1, high: 100 },
  settle: { low: 1, high: 3600 },
} as const;

export const SPEC: CommandSpec = {
  name: "deno task stress",
  description: "Starts a cluster of processes on this machine, disturbs it while clients work, " +
    "and then checks that nothing was lost and no promise broken.",
  options: [
    {
      flags: "--seed <number>",
      kind: "integer",
      help: "draws the same numbers for faults and work again; any where absent",
    },
    { flags: "--time <seconds>", kind: "integer", help: "how long faults happen", default: "60" },
    { flags: "--masters <count>", kind: "integer", help: "master nodes", default: "3" },
    { flags: "--storages <count>", kind: "integer", help: "storage nodes", default: "4" },
    {
      flags: "--replicas <count>",
      kind: "integer",
      help: "copies of each partition besides the first",
      default: "1",
    },
    { flags: "--partitions <count>", kind: "integer", help: "partitions", default: "12" },
    {
      flags: "--workloads <names>",
      kind: "text",
      help: `what clients do, of ${WORKLOAD_NAMES.join(", ")}; all where absent`,
    },
    {
      flags: "--clients <count>",
      kind: "integer",
      help: "clients of each workload",
      default: "2",
    },
    {
      flags: "--faults <names>",
      kind: "text",
      help: `what goes wrong, of ${FAULT_KINDS.join(", ")}; all where absent`,
    },
    {
      flags: "--settle <seconds>",
      kind: "integer",
      help: "how long the cluster may take to be whole again after the last fault",
      default: "60",
    },
    {
      flags: "--directory <directory>",
      kind: "path",
      help: "an empty directory for databases and logs; a temporary one where absent",
    },
    { flags: "--keep", kind: "flag", help: "keep the directory also when all is well" },
  ],
  epilogue: `kill      SIGKILL of a node, which is started again
stop      SIGSTOP of a node, and SIGCONT
restart   SIGTERM of a node, which is started again
reset     connections to a node are reset
delay     what travels to and from a node takes longer
cut       nobody can connect to a node
power     SIGKILL of all nodes at once

Exit status: 0 when all is well, 1 when not (databases and logs are then kept), 130 on Ctrl-C.`,
};

/** What the options say. Throws a UsageError. */
export function stressOptions(values: OptionValues): StressOptions {
  const number = (name: keyof typeof LIMITS, fallback = 0): number => {
    const value = values.integer(name) ?? fallback;
    const { low, high } = LIMITS[name];
    if (value >= low && value <= high) return value;
    throw new UsageError(`argument --${name}: expected ${low} to ${high}, found ${value}`);
  };
  const options = {
    seed: number("seed", Math.floor(Math.random() * MAX_SEED)),
    time: number("time"),
    masters: number("masters"),
    storages: number("storages"),
    replicas: number("replicas"),
    partitions: number("partitions"),
    workloads: namesOf(values, "workloads", WORKLOAD_NAMES),
    clients: number("clients"),
    faults: namesOf(values, "faults", FAULT_KINDS),
    settle: number("settle"),
    directory: values.text("directory") ?? null,
    keep: values.flag("keep"),
  };
  if (options.replicas < options.storages) return options;
  throw new UsageError(
    `argument --replicas: ${options.storages} storages can't hold ` +
      `${options.replicas + 1} copies of a partition`,
  );
}

/** Some of `known`, separated by commas or spaces; all where the option is absent. */
function namesOf<T extends string>(
  values: OptionValues,
  option: string,
  known: readonly T[],
): readonly T[] {
  const text = values.text(option);
  if (text === undefined) return known;
  const refused = (found: string) =>
    new UsageError(`argument --${option}: expected some of ${known.join(", ")}, found ${found}`);
  const names = text.split(/[\s,]+/).filter((name) => name !== "");
  if (names.length === 0) throw refused("none");
  return names.map((name) => {
    const found = known.find((other) => other === name);
    if (found !== undefined) return found;
    throw refused(name);
  });
}

/** The command that draws the same again: what processes do at which instant is not up to it. */
export function replayCommand(options: StressOptions): string {
  const { seed, time, masters, storages, replicas, partitions, clients } = options;
  const counts = { seed, time, masters, storages, replicas, partitions, clients };
  const words = Object.entries(counts).map(([name, value]) => `--${name} ${value}`);
  if (options.workloads.length < WORKLOAD_NAMES.length) {
    words.push(`--workloads ${options.workloads.join(",")}`);
  }
  if (options.faults.length < FAULT_KINDS.length) {
    words.push(`--faults ${options.faults.join(",")}`);
  }
  return `deno task stress ${words.join(" ")}`;
}

/** A stream of random numbers of its own for each purpose. */
export function randomFor(seed: number, purpose: string): Random {
  let mixed = seed;
  for (const character of purpose) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193);
  return new Random(mixed);
}
