/** What goes wrong around processes that live on: the network, the disk, the clock. */

import type { Random } from "../../random.ts";
import { away, type Fault, type FaultOptions, machines, pick } from "./fault.ts";

/** How long a way is cut: mostly shortly, and sometimes until connections time out. */
const CUT_MS = { low: 10, high: 4000 } as const;
const LONG_CUT_MS = { low: 91_000, high: 130_000 } as const;
const LONG_ONE_IN = 10;
/** How long a process stands still. */
const STILL_MS = { low: 10, high: 5000 } as const;
const SLOW_MS = { low: 100, high: 5000 } as const;
/** By how much everything of a slow machine takes longer. */
const SLOWNESS = { low: 3, high: 60 } as const;
/** By how much a clock jumps at most, forwards or backwards. */
const MAX_JUMP_MS = 3_600_000;
/** How long a full disk has no room for anything. */
const FULL_MS = { low: 50, high: 3000 } as const;

/** Connections of a process are closed by it, or lost on their way with what they carry. */
export const connection: Fault = (faults) => {
  const { cluster, random, happens } = faults;
  const host = pick(machines(faults), random);
  const isLost = random.oneIn(2);
  happens(isLost ? "connections lost" : "connections closed", host);
  for (const socket of cluster.world.host(host).sockets) {
    if (random.oneIn(2)) continue;
    if (isLost) socket.sever();
    else socket.destroy();
  }
  return Promise.resolve();
};

/**
 * Nothing passes between two machines, between one and all others, or between some and all others,
 * perhaps only one way.
 */
export const cut: Fault = async (faults) => {
  const { cluster: { world }, random, happens } = faults;
  const names = machines(faults);
  const [some, others] = sides(names, random);
  const direction = pick(["both ways", "outwards", "inwards"], random);
  const kind = some.length > 1 ? "split" : "cut";
  happens(`${kind} ${direction}`, `${some.join(" ")} | ${others.join(" ")}`);
  const mends: (() => void)[] = [];
  for (const [here, there] of pairs(some, others)) {
    const [from, to] = [world.host(here).ip, world.host(there).ip];
    if (direction !== "inwards") mends.push(world.conditions.cut(from, to));
    if (direction !== "outwards") mends.push(world.conditions.cut(to, from));
  }
  const { low, high } = random.oneIn(LONG_ONE_IN) ? LONG_CUT_MS : CUT_MS;
  await world.sleep(random.between(low, high));
  for (const mend of mends) mend();
};

/** Who is cut from whom. */
function sides(names: readonly string[], random: Random): [readonly string[], readonly string[]] {
  const one = pick(names, random);
  const among = pick(["two", "one and all others", "some and all others"], random);
  if (among === "two") return [[one], [pick(names, random)]];
  const some = names.filter((name) =>
    name === one || (among === "some and all others" && random.oneIn(2))
  );
  return [some, names.filter((name) => !some.includes(name))];
}

function* pairs<T>(some: readonly T[], others: readonly T[]): Generator<readonly [T, T]> {
  for (const one of some) for (const other of others) yield [one, other];
}

/** A machine is slow, or its process stands still. */
export const slow: Fault = async (faults) => {
  const { cluster: { world }, random, happens } = faults;
  const name = pick(machines(faults), random);
  const { ip } = world.host(name);
  const isStill = random.oneIn(3);
  happens(isStill ? "process stopped" : "slow machine", name);
  const { low, high } = isStill ? STILL_MS : SLOW_MS;
  const end = isStill
    ? world.conditions.stand(ip)
    : world.conditions.slow(ip, random.between(SLOWNESS.low, SLOWNESS.high));
  await world.sleep(random.between(low, high));
  end();
};

/** The clock of a machine jumps. */
export const clock: Fault = async (faults) => {
  const { cluster: { world }, random, happens } = faults;
  const name = pick(machines(faults), random);
  const jumpMs = random.between(-MAX_JUMP_MS, MAX_JUMP_MS);
  happens("clock jump", `${name} by ${(jumpMs / 1000).toFixed(0)} s`);
  world.host(name).clockErrorMs += jumpMs;
  await away(faults);
};

/** A storage's disk has no room; somebody makes some, and starts the storage if it has ended. */
export const disk: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const name = pick(cluster.storageNames, random);
  happens("disk full", name);
  await full(faults, name);
  await cluster.launch(name);
};

async function full({ cluster: { world }, random }: FaultOptions, name: string): Promise<void> {
  world.host(name).diskFull = true;
  await world.sleep(random.between(FULL_MS.low, FULL_MS.high));
  world.host(name).diskFull = false;
}
