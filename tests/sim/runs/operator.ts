/**
 * Somebody who looks after a cluster once nothing goes wrong any more: starts what has ended, takes
 * in storages that are new, forgets those that are gone for good, and has cells spread. From then
 * on the cluster has to come to its full strength by itself, and soon.
 */

import {
  AddPendingNodes,
  AskNodeList,
  SetClusterState,
  SetNodeState,
  TweakPartitionTable,
} from "../../../gen/packets.ts";
import type { Nid } from "../../../nodes/codec/ids.ts";
import type { SimulatedCluster } from "../cluster.ts";
import { wantsReset } from "../running_nodes.ts";

/**
 * Virtual time in which a cluster has to be RUNNING again, with all cells up to date, from the last
 * fault on: nodes look for each other once a second, and little has to be replicated.
 */
export const RECOVERY_LIMIT_MS = 60_000;
/** How often the operator looks. */
const ROUND_MS = 2000;
/** How long it may take until the admin has heard of what happened last. */
const NEWS_MS = 500;

/** After how long a storage that is not let in is taken for one whose id another one has. */
const STRANGER_MS = 30_000;

/** How often somebody starts what has ended while things go wrong: less often than faults do. */
const WATCH_MS = 10_000;

/** What the operator knows that nobody else can. */
export interface Knowledge {
  /** Storages that will never come back; their ids go to others once they are forgotten. */
  readonly gone: Set<Nid>;
  /**
   * Whether storages were dropped. When all others crash right then, the table that they have may
   * still count on one of those, which has erased its data.
   */
  readonly hasDropped: boolean;
  /** Whether there were storages that asked for an id, and may have got that of one that was away. */
  readonly hasNewcomers: boolean;
}

/** Brings a cluster back to its full strength. Resolves with how long that took. */
export async function recover(cluster: SimulatedCluster, knowledge: Knowledge): Promise<number> {
  const { world } = cluster;
  const startMs = world.clock.nowMs;
  let roundMs = startMs;
  let known = cluster.ends.length;
  await cluster.comeTo(async () => {
    const ends = cluster.ends.slice(known);
    known = cluster.ends.length;
    for (const end of ends) if (wantsReset(end)) cluster.reset(end.host);
    for (const name of cluster.names) await cluster.launch(name);
    // What the admin knows may be a little old.
    if (world.clock.nowMs - startMs > NEWS_MS && await isWhole(cluster)) return true;
    if (world.clock.nowMs - roundMs < ROUND_MS) return false;
    roundMs = world.clock.nowMs;
    await lookAfter(cluster, knowledge);
    if (knowledge.hasNewcomers && roundMs - startMs > STRANGER_MS) await resetStrangers(cluster);
    return false;
  }, RECOVERY_LIMIT_MS);
  return world.clock.nowMs - startMs;
}

/** Whether a cluster works, with all cells up to date: one that is about to stop has those as well. */
async function isWhole(cluster: SimulatedCluster): Promise<boolean> {
  const state = await cluster.state();
  const isWorking = state === "RUNNING" || state === "STARTING_BACKUP" || state === "BACKINGUP";
  return isWorking && await cluster.isComplete();
}

/** Starts nodes again that have ended, now and then, until it is over. */
export async function watch(cluster: SimulatedCluster, isOver: () => boolean): Promise<void> {
  for (;;) {
    await cluster.world.sleep(WATCH_MS);
    if (isOver()) return;
    for (const name of cluster.names) await cluster.launch(name);
  }
}

/**
 * Empties storages that are not let in. One that is blank may come before another one that is away,
 * and be given its id: whichever comes last is refused from then on.
 */
async function resetStrangers(cluster: SimulatedCluster): Promise<void> {
  const state = await cluster.state();
  const known = await cluster.ask(AskNodeList, { nodeType: "STORAGE" });
  if (known === undefined || (state !== "RUNNING" && state !== "BACKINGUP")) return;
  const present = new Set(
    known.nodes.flatMap(({ address, state }) =>
      state === "RUNNING" || state === "PENDING" ? address?.host ?? [] : []
    ),
  );
  for (const name of cluster.storageNames) {
    if (!present.has(cluster.world.host(name).ip)) cluster.reset(name);
  }
}

async function lookAfter(
  cluster: SimulatedCluster,
  { gone, hasDropped }: Knowledge,
): Promise<void> {
  const { nodes } = await cluster.ask(AskNodeList, { nodeType: "STORAGE" }) ?? { nodes: [] };
  const isGone = (nid: Nid | null) => nid !== null && gone.has(nid);
  const state = await cluster.state();
  if (state === "RECOVERING") {
    const waiting = nodes.filter(({ state }) => state === "PENDING");
    const areOthersThere = nodes.every(({ nid, state }) => isGone(nid) || state === "PENDING");
    const areAllThere = waiting.length >= cluster.storageNames.length;
    // Whoever is still waited for will not come.
    const isTime = (gone.size > 0 && areOthersThere) || (hasDropped && areAllThere);
    if (isTime) await cluster.ask(SetClusterState, { state: "VERIFYING" });
  }
  if (state !== "RUNNING" && state !== "BACKINGUP") return;
  const pending = nodes.flatMap(({ nid, state }) => state === "PENDING" ? nid ?? [] : []);
  if (pending.length > 0) await cluster.ask(AddPendingNodes, { nids: pending });
  await cluster.ask(TweakPartitionTable, { nids: [] });
  for (const nid of [...gone]) {
    // What had no cells is forgotten by itself, and another one may have got its id.
    const isForgotten = nodes.every((node) => node.nid !== nid || node.state !== "DOWN");
    const order = { nid, state: "UNKNOWN" } as const;
    if (isForgotten || await cluster.ask(SetNodeState, order) !== undefined) gone.delete(nid);
  }
}
