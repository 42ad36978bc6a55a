/** What the primary master does for a storage in operation. */

import { storageToMaster } from "../../gen/flows.ts";
import type { Codecs } from "../../gen/packets.ts";
import type { Receiver } from "../codec/packet.ts";
import { nidText } from "../cluster/node_ids.ts";
import { cellsCorrupted, ignoreReplication } from "./cell_reports.ts";
import type { KnownNode } from "./nodes.ts";
import type { Operation } from "./operation.ts";

/** Takes the packets of one storage. */
export function storageReceiver(operation: Operation, storage: KnownNode): Receiver<Codecs> {
  const { primary, transactions } = operation;
  const { table, ids } = primary;
  const { nid } = storage;
  if (nid === null) throw new Error("a storage without an id can't be served");
  return storageToMaster({
    askUnfinishedTransactions({ offsets }) {
      // The last committed tid, not the last given: an imported one may still be below that.
      const answer = { maxTid: ids.lastTransaction, ttids: transactions.watch(storage) };
      table.markUpdatable(nid, offsets);
      return answer;
    },

    notifyDeadlock({ ttid, lockingTid }) {
      transactions.deadlock(ttid, lockingTid);
    },

    notifyPartitionCorrupted: (packet) => cellsCorrupted(primary, storage, packet),

    notifyReady() {
      if (operation.ready(nid)) return;
      primary.log("WARNING", `${nidText(nid)} says that it is ready, but was not told to start`);
    },

    notifyReplicationDone({ offset, tid }) {
      const changes = table.setUpToDate(offset, nid);
      if (changes.length > 0) return primary.tellChanges(changes);
      ignoreReplication(primary, storage, { offset, tid });
    },
  });
}
