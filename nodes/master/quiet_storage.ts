/**
 * A storage outside of operation has nothing to say. What still comes was sent before it heard that
 * operation is over: it is of no use, but no fault either. Its questions stay without an answer,
 * since it has forgotten them.
 */

import { type StorageToMaster, storageToMaster } from "../../gen/flows.ts";
import type { AnswerUnfinishedTransactions, Codecs } from "../../gen/packets.ts";
import { LaterAnswer, type Receiver } from "../codec/packet.ts";

const QUIET: StorageToMaster = {
  askUnfinishedTransactions: () => new LaterAnswer<AnswerUnfinishedTransactions>(),
  notifyDeadlock: () => {},
  notifyPartitionCorrupted: () => {},
  notifyReady: () => {},
  notifyReplicationDone: () => {},
};

/** Ignores what storages have to say about an operation that is over. */
export function quietStorage(): Receiver<Codecs> {
  return storageToMaster(QUIET);
}
