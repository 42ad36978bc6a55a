/** What the primary master of a backup does for a client: it may look, and is told of news. */

import { clientToMaster } from "../../../gen/flows.ts";
import type { Codecs } from "../../../gen/packets.ts";
import type { Receiver } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import { secondaryService } from "../secondary_service.ts";
import type { Backup } from "./backup.ts";

/** Takes the packets of one client. */
export function readOnlyClientReceiver({ primary, news }: Backup): Receiver<Codecs> {
  return clientToMaster({
    ...secondaryService(primary),
    askLastTransaction: () => news.lastTransaction(),
    askLastIDs: refuse,
    askBeginTransaction: refuse,
    askNewOIDs: refuse,
    failedVote: refuse,
    askFinishTransaction: refuse,
    askFinalTID: refuse,
    askPack: refuse,
    // There is no transaction that could be meant.
    abortTransaction: () => {},
  });
}

function refuse(): never {
  throw new Refusal(
    "READ_ONLY_ACCESS",
    "read-only access because cluster is in backuping mode",
  );
}
