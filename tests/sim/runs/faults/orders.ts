/** What operators order at the wrong moment: none of it may cost anybody anything. */

import {
  AddPendingNodes,
  AskNodeList,
  CheckReplicas,
  type NodeState,
  Repair,
  SetClusterState,
  SetNodeState,
  TweakPartitionTable,
} from "../../../../gen/packets.ts";
import { type Nid, tidAfter } from "../../../../nodes/codec/ids.ts";
import { NeoError } from "../../../../nodes/errors.ts";
import { away, type Fault, type FaultOptions, pick } from "./fault.ts";

/** How many storages there may be. */
const MAX_STORAGES = 8;

/** A storage must give all its cells to others, and gets some back. */
export const tweak: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const nids = await storageNids(faults);
  if (nids.length === 0) return;
  const nid = pick(nids, random);
  happens("tweak", `without ${nid}`);
  await cluster.ask(TweakPartitionTable, { nids: [nid] });
  await away(faults);
  await cluster.ask(TweakPartitionTable, { nids: [] });
};

/** A storage is told to end, or to forget everything and to come back as a new one. */
function nodeState(state: NodeState, kind: string): Fault {
  return async (faults) => {
    const { cluster, random, happens } = faults;
    const nids = await storageNids(faults);
    if (nids.length === 0) return;
    const nid = pick(nids, random);
    happens(kind, String(nid));
    await cluster.ask(SetNodeState, { nid, state });
    await away(faults);
    for (const name of cluster.storageNames) await cluster.launch(name);
  };
}

/** One more storage comes, and gets its share. */
const add: Fault = async (faults) => {
  const { cluster, happens } = faults;
  if (cluster.storageNames.length >= MAX_STORAGES) return;
  const name = cluster.addStorage();
  happens("add storage", name);
  await cluster.launch(name);
  await away(faults);
  await cluster.ask(AddPendingNodes, { nids: await storageNids(faults) });
  await cluster.ask(TweakPartitionTable, { nids: [] });
};

/** The cluster is stopped in order, and started again. */
const stop: Fault = async (faults) => {
  const { cluster, happens } = faults;
  happens("stop", "all");
  await cluster.ask(SetClusterState, { state: "STOPPING" });
  await away(faults);
  for (const name of cluster.names) await cluster.launch(name);
};

/**
 * All replicas are compared, from the last pack on: a replica that was away meanwhile has more than
 * the others of what came before, and would be taken for a corrupted one.
 */
const check: Fault = async ({ cluster, recorder, happens }) => {
  const rows = await cluster.table();
  if (rows === undefined) return;
  happens("check", "all");
  recorder.comparesReplicas = true;
  const sources = new Map(rows.map(({ offset }) => [offset, null]));
  await cluster.ask(CheckReplicas, { sources, minTid: tidAfter(recorder.packTid), maxTid: null });
};

/** Storages look for data that nobody needs. */
const repair: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const nids = await storageNids(faults);
  happens("repair", nids.join(" "));
  await cluster.ask(Repair, { nids, dryRun: random.oneIn(2) });
};

/** What nobody can need any more is packed: nobody looks so far back. */
export const pack: Fault = async (faults) => {
  const { cluster: { world }, recorder, random, clients, happens } = faults;
  if (clients().size === 0 || !faults.mayPack || recorder.comparesReplicas) return;
  const client = pick([...clients().values()], random);
  const tid = recorder.packs(new Map([...clients()].map(([name, { client }]) => [name, client])));
  happens("pack", client.name);
  try {
    await Promise.race([client.client.pack(tid), world.host(client.name).died]);
  } catch (error) {
    if (!(error instanceof NeoError)) throw error;
  }
};

const ORDERS: readonly Fault[] = [
  tweak,
  nodeState("DOWN", "kill storage"),
  nodeState("UNKNOWN", "drop storage"),
  add,
  stop,
  check,
  repair,
];

/** Any order. */
export const order: Fault = (faults) => pick(ORDERS, faults.random)(faults);

/** A backup becomes a cluster of its own, and a backup again. */
const leave: Fault = async (faults) => {
  const { cluster, happens } = faults;
  happens("leave", "all");
  await cluster.ask(SetClusterState, { state: "STOPPING_BACKUP" });
  await away(faults);
  await cluster.ask(SetClusterState, { state: "STARTING_BACKUP" });
};

/** Any order that is given to a backup. */
export const orderOfABackup: Fault = (faults) => pick([...ORDERS, leave], faults.random)(faults);

async function storageNids({ cluster }: FaultOptions): Promise<Nid[]> {
  const { nodes } = await cluster.ask(AskNodeList, { nodeType: "STORAGE" }) ?? { nodes: [] };
  return nodes.flatMap(({ nid }) => nid ?? []);
}
