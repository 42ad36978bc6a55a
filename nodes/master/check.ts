/** Ordering storages to compare the copies of partitions; what they find, they tell later. */

import { CheckPartition, type CheckReplicas, type CheckSource } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { nidText } from "../cluster/node_ids.ts";
import { encodeText } from "../wire/text.ts";
import { type KnownNode } from "./nodes.ts";
import { refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";

/** Copies that there must be to compare any, unless there is an original elsewhere. */
const LEAST_COPIES = 2;

/**
 * Gives each partition to one of the storages that have it, to as few storages as possible. Throws
 * a Refusal, before anything is ordered, for partitions or sources that do not exist.
 */
export function checkReplicas(primary: Primary, order: CheckReplicas): void {
  const { ids, table, turn, phase: { reference } } = primary;
  const { minTid, sources } = order;
  const orders = [...sources].map(([partition, source]) => {
    if (partition >= table.partitions) refuse(`there is no partition ${partition}`);
    return { partition, source: sourceOf(primary, partition, source) };
  });
  const complete = reference?.completeTid(sources.keys()) ?? ids.lastTransaction;
  const maxTid = order.maxTid ?? complete;
  if (maxTid === null || minTid > maxTid) return;
  const inCharge = new Set<KnownNode>();
  for (const { partition, source } of orders) {
    const least = source.upstreamName.length > 0 ? 1 : LEAST_COPIES;
    const storage = chooseStorage(primary, partition, { least, inCharge });
    if (storage === null) continue;
    inCharge.add(storage);
    // The order is acknowledged before any result of it.
    turn.after(() =>
      storage.connection?.notify(CheckPartition, { partition, source, minTid, maxTid })
    );
  }
}

/** What to trust: a storage that the admin names, or one of the cluster that is backed up. */
function sourceOf(primary: Primary, partition: number, nid: Nid | null): CheckSource {
  const { nodes, phase: { reference }, options: { host } } = primary;
  const upstreamName = encodeText("");
  if (nid === null) {
    const originals = reference?.sources(partition) ?? [];
    const address = originals[Math.floor(host.random() * originals.length)];
    if (reference === null || address === undefined) return { upstreamName, address: null };
    return { upstreamName: encodeText(reference.cluster), address };
  }
  const node = nodes.get(nid);
  if (node?.type !== "STORAGE") return refuse(`there is no storage ${nidText(nid)}`);
  return { upstreamName, address: node.address };
}

function chooseStorage(
  { nodes, table }: Primary,
  partition: number,
  { least, inCharge }: { readonly least: number; readonly inCharge: ReadonlySet<KnownNode> },
): KnownNode | null {
  const storages = table.readableCells(partition).flatMap(({ nid }) => {
    const node = nodes.get(nid);
    return node === undefined || node.state !== "RUNNING" ? [] : [node];
  });
  if (storages.length < least) return null;
  return storages.find((storage) => inCharge.has(storage)) ?? storages.at(-1) ?? null;
}
