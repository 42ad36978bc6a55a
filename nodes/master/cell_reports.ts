/** What storages say of their cells, whether the cluster is a backup or not. */

import type { NotifyPartitionCorrupted, NotifyReplicationDone } from "../../gen/packets.ts";
import { hexId } from "../codec/ids.ts";
import { nidText } from "../cluster/node_ids.ts";
import type { KnownNode } from "./nodes.ts";
import type { Primary } from "./primary.ts";

/** A storage has compared cells of a partition with its own, and found these to differ. */
export function cellsCorrupted(
  primary: Primary,
  storage: KnownNode,
  { partition, nids }: NotifyPartitionCorrupted,
): void {
  const { table, nodes, turn } = primary;
  const { nid, state } = storage;
  // Only a storage that has a cell can have been told to compare it with others.
  if (nid === null || state !== "RUNNING" || table.cell(partition, nid) === undefined) {
    return primary.log(
      "WARNING",
      `ignored ${nidText(nid)}: it has no part in partition ${partition}, ` +
        "which it says is corrupted",
    );
  }
  primary.tellChanges(table.setCorrupted(partition, nids));
  if (!table.isOperational(nodes.isRunning)) turn.after(() => primary.phase.failed());
}

/** A storage says that it has completed a cell that it was not asked for, or not any more. */
export function ignoreReplication(
  primary: Primary,
  { nid }: KnownNode,
  { offset, tid }: NotifyReplicationDone,
): void {
  primary.log(
    "INFO",
    `ignored ${nidText(nid)}: that partition ${offset} is replicated up to ${hexId(tid)} ` +
      "is late news",
  );
}
