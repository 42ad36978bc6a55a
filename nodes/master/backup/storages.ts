/** What the primary master of a backup does for a storage. */

import { storageToMaster } from "../../../gen/flows.ts";
import type { Codecs } from "../../../gen/packets.ts";
import { ZERO_TID } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import { nidText } from "../../cluster/node_ids.ts";
import { isReadable } from "../../cluster/partition_table.ts";
import { cellsCorrupted, ignoreReplication } from "../cell_reports.ts";
import type { KnownNode } from "../nodes.ts";
import type { Backup } from "./backup.ts";

/** Takes the packets of one storage. `ready` is called when it has become ready. */
export function backupStorageReceiver(
  backup: Backup,
  storage: KnownNode,
  ready: () => void,
): Receiver<Codecs> {
  const { primary, progress, readiness } = backup;
  const { table, ids } = primary;
  const { nid } = storage;
  if (nid === null) throw new Error("a storage without an id can't be served");
  return storageToMaster({
    askUnfinishedTransactions({ offsets }) {
      table.markUpdatable(nid, offsets);
      return { maxTid: progress.completeTid(), ttids: [] };
    },

    notifyReplicationDone({ offset, tid: reached }) {
      // Whatever a storage says, it has no more than there is.
      const last = ids.lastTransaction ?? ZERO_TID;
      const tid = reached > last ? last : reached;
      const cell = { nid, offset, tid };
      const { state } = table.cell(offset, nid) ?? {};
      if (state !== undefined && isReadable(state)) {
        return backup.replicated(cell, { isNew: false });
      }
      if (!table.isCompleting(offset, nid)) {
        return ignoreReplication(primary, storage, { offset, tid });
      }
      if (!backup.mayJoin(cell)) return;
      // It counts before all others hear of it: cells that only fed this one may be gone then.
      progress.add(cell);
      primary.tellChanges(table.setUpToDate(offset, nid, backup.isNeeded));
      backup.replicated(cell, { isNew: true });
    },

    notifyPartitionCorrupted: (packet) => cellsCorrupted(primary, storage, packet),

    notifyReady() {
      if (readiness.becameReady(nid)) {
        backup.order(progress.told(nid));
        return ready();
      }
      primary.log("WARNING", `${nidText(nid)} says that it is ready, but was not told to start`);
    },

    // There are no transactions.
    notifyDeadlock: () => {},
  });
}
