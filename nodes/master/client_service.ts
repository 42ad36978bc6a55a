/** What the primary master does for a client that may write. */

import type { ClientToMaster } from "../../gen/flows.ts";
import type { KnownNode } from "./nodes.ts";
import type { Operation } from "./operation.ts";
import { secondaryService } from "./secondary_service.ts";

/** Serves one client. */
export function clientService(operation: Operation, client: KnownNode): ClientToMaster {
  const { primary, transactions, votes, packs } = operation;
  return {
    ...secondaryService(primary),
    askBeginTransaction: ({ tid }) => operation.begin(client, tid),
    askNewOIDs: ({ count }) => ({ oids: primary.ids.newOids(count) }),
    failedVote: (packet) => votes.failed(client, packet),
    askFinishTransaction: (packet) => transactions.finish(client, packet),
    abortTransaction: ({ ttid, nids }) => transactions.abort(client, ttid, nids),
    askFinalTID: ({ ttid }) => transactions.finalTid(ttid),
    askPack: ({ tid }) => packs.start(tid),
  };
}
