/** What the primary master does for a client that may write. */

import { clientToMaster } from "../../gen/flows.ts";
import type { Codecs } from "../../gen/packets.ts";
import type { Receiver } from "../codec/packet.ts";
import type { KnownNode } from "./nodes.ts";
import type { Operation } from "./operation.ts";
import { secondaryService } from "./secondary_service.ts";

/** Takes the packets of one client. */
export function clientReceiver(operation: Operation, client: KnownNode): Receiver<Codecs> {
  const { primary, transactions, votes, packs } = operation;
  return clientToMaster({
    ...secondaryService(primary),
    askBeginTransaction: ({ tid }) => operation.begin(client, tid),
    askNewOIDs: ({ count }) => ({ oids: primary.ids.newOids(count) }),
    failedVote: (packet) => votes.failed(client, packet),
    askFinishTransaction: (packet) => transactions.finish(client, packet),
    abortTransaction({ ttid, nids }) {
      // Real clients also abort what they could not begin.
      if (ttid !== null) transactions.abort(client, ttid, nids);
    },
    askFinalTID: ({ ttid }) => transactions.finalTid(ttid),
    askPack: ({ tid }) => packs.start(tid),
  });
}
