/** Which faults happen in a run, and when. */

import type { FaultKind } from "../options.ts";
import { type Fault, type FaultOptions, pick } from "./fault.ts";
import { order, orderOfABackup, pack, tweak } from "./orders.ts";
import { admin, client, master, power, restart, storage } from "./processes.ts";
import { clock, connection, cut, disk, slow } from "./surroundings.ts";

/** How many faults a run has at most, one after the other; at least one. */
const MAX_FAULTS = 4;
/** How many such sequences a storm has at the same time. */
const STORM_TRACKS = 3;
/**
 * How long it goes well before a fault, which then mostly strikes right after one of these.
 */
const SOUND_MS = { low: 1, high: 80 } as const;
const MOMENTS = ["store", "finish", "end"] as const;
const MOMENT_LIMIT_MS = 200;

/** What happens to any cluster. */
const OF_ANY_CLUSTER: readonly Fault[] = [
  connection,
  storage,
  master,
  power,
  tweak,
  cut,
  slow,
  clock,
  disk,
  admin,
  restart,
];

/** What happens to a cluster that nobody but its original writes to. */
const OF_A_BACKUP: readonly Fault[] = [...OF_ANY_CLUSTER, orderOfABackup];

const ALL: readonly Fault[] = [client, ...OF_ANY_CLUSTER, order, pack];

const FAULTS_OF: Readonly<Record<FaultKind, readonly Fault[]>> = {
  none: [],
  client: [client],
  connection: [connection],
  storage: [storage],
  master: [master],
  power: [power],
  tweak: [tweak],
  cut: [cut],
  slow: [slow],
  clock: [clock],
  disk: [disk],
  orders: [order],
  pack: [pack],
  admin: [admin],
  restart: [restart],
  mixed: ALL,
  storm: ALL,
};

/** Lets faults happen. Resolves when they are over, but not all need be put right. */
export async function injectFaults(kind: FaultKind, faults: FaultOptions): Promise<void> {
  const { [kind]: kinds } = FAULTS_OF;
  if (kinds.length === 0) return;
  const tracks = kind === "storm" ? STORM_TRACKS : 1;
  await Promise.all(Array.from({ length: tracks }, () => oneAfterTheOther(kinds, faults)));
}

async function oneAfterTheOther(kinds: readonly Fault[], faults: FaultOptions): Promise<void> {
  const { cluster: { world }, random } = faults;
  for (let left = 1 + random.below(MAX_FAULTS); left > 0; left--) {
    faults.work();
    await world.sleep(random.between(SOUND_MS.low, SOUND_MS.high));
    if (!random.oneIn(4)) await moment(faults);
    await pick(kinds, random)(faults);
  }
}

/** Waits until a client does something after which a fault may hurt. */
async function moment({ cluster: { world }, random, recorder }: FaultOptions): Promise<void> {
  // Clients may have nothing left to do, so that nothing at all would happen.
  await Promise.race([recorder.next(pick(MOMENTS, random)), world.sleep(MOMENT_LIMIT_MS)]);
}

/** Lets faults happen to a backup. */
export function disturbBackup(kind: FaultKind, faults: FaultOptions): Promise<void> {
  if (kind === "none") return Promise.resolve();
  return oneAfterTheOther(OF_A_BACKUP, faults);
}
