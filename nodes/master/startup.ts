/** Which storages a cluster starts with, and whether it may. */

import type { Nid } from "../codec/ids.ts";
import { isReadable } from "../cluster/partition_table.ts";
import type { KnownNode } from "./nodes.ts";
import type { Primary } from "./primary.ts";

/**
 * The storages that become RUNNING when the cluster starts now; null while it may not. With a
 * table, each partition must be readable on a connected storage. Unless an admin said so or
 * operation just ended with this table, all storages with something readable must be there, and
 * all of the table when some data is to be forgotten, since each storage has to do that. Without a
 * table, a new database is made of all.
 *
 * A storage that has no table is blank, and has nothing of what the table says of its id: a master
 * that did not know the table yet may have given it that id, which another one has.
 */
export function storagesToStart(
  primary: Primary,
  isBlank: (storage: KnownNode) => boolean,
): readonly KnownNode[] | null {
  const { table, nodes, startupAllowed, resumableFrom, truncateTid } = primary;
  const connected = [...nodes.identified("STORAGE")];
  if (!table.filled) {
    const autostart = primary.hasSeenTable ? null : primary.options.autostart;
    const needed = startupAllowed ? 1 : autostart ?? Infinity;
    return connected.length >= Math.max(needed, 1) ? connected : null;
  }
  const hasData = (nid: Nid) => {
    const node = nodes.get(nid);
    return node !== undefined && node.connection !== null && !isBlank(node);
  };
  if (!table.isOperational(hasData)) return null;
  const resumes = resumableFrom !== null && (table.ptid ?? 0) >= resumableFrom;
  if (!startupAllowed && !resumes) {
    const awaited = truncateTid === null ? readableNodes(primary) : table.nodeIds();
    for (const nid of awaited) {
      if (!hasData(nid)) return null;
    }
  }
  const cells = table.nodeIds();
  return connected.filter(({ nid }) => nid !== null && cells.has(nid) && hasData(nid));
}

function readableNodes({ table }: Primary): Set<Nid> {
  const nids = new Set<Nid>();
  for (let offset = 0; offset < table.partitions; offset++) {
    for (const { nid, state } of table.cells(offset)) {
      if (isReadable(state)) nids.add(nid);
    }
  }
  return nids;
}
