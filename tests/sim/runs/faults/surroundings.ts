/** What goes wrong around processes that live on: the network, the disk, the clock. */

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

/** Connections of a process break. */
export const connection: Fault = (faults) => {
  const { cluster, random, happens } = faults;
  const host = pick(machines(faults), random);
  happens("connections lost", host);
  for (const socket of cluster.world.host(host).sockets) {
    if (random.oneIn(2)) socket.destroy();
  }
  return Promise.resolve();
};

/** Nothing passes between two machines, or between one and all others, perhaps only one way. */
export const cut: Fault = async (faults) => {
  const { cluster: { world }, random, happens } = faults;
  const names = machines(faults);
  const one = pick(names, random);
  const others = random.oneIn(2) ? names.filter((name) => name !== one) : [pick(names, random)];
  const direction = pick(["both ways", "outwards", "inwards"], random);
  happens(`cut ${direction}`, `${one}, ${others.join(" ")}`);
  const [here, ...there] = [one, ...others].map((name) => world.host(name).ip);
  if (here === undefined) return;
  const mends: (() => void)[] = [];
  for (const ip of there) {
    if (direction !== "inwards") mends.push(world.conditions.cut(here, ip));
    if (direction !== "outwards") mends.push(world.conditions.cut(ip, here));
  }
  const { low, high } = random.oneIn(LONG_ONE_IN) ? LONG_CUT_MS : CUT_MS;
  await world.sleep(random.between(low, high));
  for (const mend of mends) mend();
};

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
