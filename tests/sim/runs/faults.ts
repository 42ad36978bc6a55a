/** What goes wrong while clients work, and how it is put right again. */

import { AskNodeList, type Codecs, TweakPartitionTable } from "../../../gen/packets.ts";
import type { RequestType } from "../../../nodes/codec/packet.ts";
import { NeoError } from "../../../nodes/errors.ts";
import type { SimulatedCluster } from "../cluster.ts";
import type { HistoryEvent } from "../isolation/history.ts";
import type { Random } from "../random.ts";
import { type FaultKind, type RunOptions } from "./options.ts";

/** How many faults a run has at most; at least one. */
const MAX_FAULTS = 4;
/**
 * How long it goes well before a fault, which then mostly strikes right after one of these; and how
 * long a node is away.
 */
const SOUND_MS = { low: 1, high: 80 } as const;
const MOMENTS = ["store", "finish", "end"] as const;
const MOMENT_LIMIT_MS = 200;
/** How far a machine's clock may be behind. */
const MAX_CLOCK_ERROR_MS = 100_000;
const AWAY_MS = { low: 5, high: 2500 } as const;

export interface FaultOptions {
  readonly cluster: SimulatedCluster;
  readonly options: RunOptions;
  readonly random: Random;
  /** Gives all workers more to do, so that there is something to disturb. */
  work(): void;
  /** What clients have done and seen so far. */
  readonly events: readonly HistoryEvent[];
  /** The hosts of clients that live. */
  clientHosts(): readonly string[];
  /** A client's machine is gone; another client takes over its work. */
  replaceClient(host: string): Promise<void>;
}

type Fault = (faults: FaultOptions) => Promise<void>;

/** Lets faults happen, one after the other. Resolves when all is put right. */
export async function injectFaults(faults: FaultOptions): Promise<void> {
  const { options, cluster, random } = faults;
  const { [options.faults]: kinds } = FAULTS_OF;
  if (kinds.length === 0) return;
  for (let left = 1 + random.below(MAX_FAULTS); left > 0; left--) {
    faults.work();
    await cluster.world.runFor(random.between(SOUND_MS.low, SOUND_MS.high));
    if (!random.oneIn(4)) await moment(faults);
    await pick(kinds, random)(faults);
  }
}

/** Waits until a client does something after which a fault may hurt. */
async function moment({ cluster: { world }, random, events }: FaultOptions): Promise<void> {
  const kind = pick(MOMENTS, random);
  const endMs = world.clock.nowMs + MOMENT_LIMIT_MS;
  let seen = events.length;
  const isThere = () => {
    while (seen < events.length) if (events[seen++]?.kind === kind) return true;
    return world.clock.nowMs >= endMs;
  };
  // Clients may have nothing left to do, so that nothing at all would happen.
  world.clock.at(endMs, () => {});
  await world.run(isThere);
}

const client: Fault = ({ random, clientHosts, replaceClient }) =>
  replaceClient(pick(clientHosts(), random));

/** Connections of a process break. */
const connection: Fault = ({ cluster, options, random, clientHosts }) => {
  const host = pick([...clientHosts(), ...storageHosts(options), "master"], random);
  cluster.world.record(host, "loses connections");
  for (const socket of cluster.world.host(host).sockets) {
    if (random.oneIn(2)) socket.destroy();
  }
  return Promise.resolve();
};

const storage: Fault = async ({ cluster, options, random }) => {
  const number = 1 + random.below(options.storages);
  cluster.crash(`storage${number}`);
  await away(cluster, random);
  await cluster.startStorage(number);
  // Other storages may fail before this one is complete again, or after.
  if (random.oneIn(2)) await cluster.untilComplete();
};

const master: Fault = async ({ cluster, random }) => {
  cluster.crash("master");
  await away(cluster, random);
  await restartMaster(cluster, random);
};

/** All nodes are gone at once. */
const power: Fault = async ({ cluster, options, random }) => {
  for (const host of ["master", ...storageHosts(options)]) cluster.crash(host);
  await away(cluster, random);
  await restartMaster(cluster, random);
  for (let number = 1; number <= options.storages; number++) await cluster.startStorage(number);
};

/** No fault, but an order: a storage must give all its cells to others, and gets some back. */
const tweak: Fault = async ({ cluster, random }) => {
  const { nodes } = await ask(cluster, AskNodeList, { nodeType: "STORAGE" }) ?? { nodes: [] };
  const nids = nodes.flatMap(({ nid }) => nid ?? []);
  if (nids.length === 0) return;
  await ask(cluster, TweakPartitionTable, { nids: [pick(nids, random)] });
  await away(cluster, random);
  await ask(cluster, TweakPartitionTable, { nids: [] });
};

/** Asks the admin; undefined when it can't do what it is asked for now. */
async function ask<T, A>(
  cluster: SimulatedCluster,
  type: RequestType<T, A, Codecs>,
  packet: T,
): Promise<A | undefined> {
  try {
    return await cluster.world.run(cluster.control(type, packet));
  } catch (error) {
    if (!(error instanceof NeoError)) throw error;
    cluster.world.record("ctl", error.message);
    return undefined;
  }
}

/** Starts the master again, perhaps on a machine whose clock is wrong. */
async function restartMaster(cluster: SimulatedCluster, random: Random): Promise<void> {
  if (random.oneIn(2)) {
    cluster.world.host("master").clockErrorMs = random.between(-MAX_CLOCK_ERROR_MS, 0);
  }
  await cluster.startMaster();
}

const FAULTS_OF: Readonly<Record<FaultKind, readonly Fault[]>> = {
  none: [],
  client: [client],
  connection: [connection],
  storage: [storage],
  master: [master],
  power: [power],
  tweak: [tweak],
  mixed: [client, connection, storage, master, power, tweak],
};

function storageHosts({ storages }: RunOptions): string[] {
  return Array.from({ length: storages }, (_, at) => `storage${at + 1}`);
}

function away({ world }: SimulatedCluster, random: Random): Promise<void> {
  return world.runFor(random.between(AWAY_MS.low, AWAY_MS.high));
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}
