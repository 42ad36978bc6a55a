/** What the primary master does for a storage in operation. */

import { storageToMaster } from "../../gen/flows.ts";
import type { Codecs } from "../../gen/packets.ts";
import { hexId } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import { nidText } from "../cluster/node_ids.ts";
import type { KnownNode } from "./nodes.ts";
import type { Operation } from "./operation.ts";

/** Takes the packets of one storage. */
export function storageReceiver(operation: Operation, storage: KnownNode): Receiver<Codecs> {
  const { primary, transactions } = operation;
  const { table, ids, nodes, turn } = primary;
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

    notifyPartitionCorrupted({ partition, nids }) {
      // Only a storage that has a cell can have been told to compare it with others.
      if (storage.state !== "RUNNING" || table.cell(partition, nid) === undefined) {
        return primary.log(
          "WARNING",
          `ignored ${nidText(nid)}: it has no part in partition ${partition}, ` +
            "which it says is corrupted",
        );
      }
      primary.tellChanges(table.setCorrupted(partition, nids));
      if (!table.isOperational(nodes.isRunning)) turn.after(() => primary.phase.failed());
    },

    notifyReady() {
      if (operation.ready(nid)) return;
      primary.log("WARNING", `${nidText(nid)} says that it is ready, but was not told to start`);
    },

    notifyReplicationDone({ offset, tid }) {
      const changes = table.setUpToDate(offset, nid);
      if (changes.length > 0) return primary.tellChanges(changes);
      primary.log(
        "INFO",
        `ignored ${nidText(nid)}: that partition ${offset} is replicated up to ${hexId(tid)} ` +
          "is late news",
      );
    },
  });
}
