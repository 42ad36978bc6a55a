/** Ordering storages to compare the copies of partitions; what they find, they tell later. */

import { CheckPartition, type CheckReplicas, type CheckSource } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { nidText } from "../cluster/node_ids.ts";
import { encodeText } from "../wire/text.ts";
import { type KnownNode } from "./nodes.ts";
import { refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";

/** Copies that there must be to compare any. */
const LEAST_COPIES = 2;

/**
 * Gives each partition to one of the storages that have it, to as few storages as possible. Throws
 * a Refusal, before anything is ordered, for partitions or sources that do not exist.
 */
export function checkReplicas(primary: Primary, order: CheckReplicas): void {
  const { ids, table, turn } = primary;
  const { minTid, sources } = order;
  const orders = [...sources].map(([partition, source]) => {
    if (partition >= table.partitions) refuse(`there is no partition ${partition}`);
    return { partition, source: sourceOf(primary, source) };
  });
  const maxTid = order.maxTid ?? ids.lastTransaction;
  if (maxTid === null || minTid > maxTid) return;
  const inCharge = new Set<KnownNode>();
  for (const { partition, source } of orders) {
    const storage = chooseStorage(primary, partition, inCharge);
    if (storage === null) continue;
    inCharge.add(storage);
    // The order is acknowledged before any result of it.
    turn.after(() =>
      storage.connection?.notify(CheckPartition, { partition, source, minTid, maxTid })
    );
  }
}

function sourceOf({ nodes }: Primary, nid: Nid | null): CheckSource {
  const upstreamName = encodeText("");
  if (nid === null) return { upstreamName, address: null };
  const node = nodes.get(nid);
  if (node?.type !== "STORAGE") return refuse(`there is no storage ${nidText(nid)}`);
  return { upstreamName, address: node.address };
}

function chooseStorage(
  { nodes, table }: Primary,
  partition: number,
  inCharge: ReadonlySet<KnownNode>,
): KnownNode | null {
  const storages = table.readableCells(partition).flatMap(({ nid }) => {
    const node = nodes.get(nid);
    return node === undefined || node.state !== "RUNNING" ? [] : [node];
  });
  if (storages.length < LEAST_COPIES) return null;
  return storages.find((storage) => inCharge.has(storage)) ?? storages.at(-1) ?? null;
}
