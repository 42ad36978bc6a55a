/** What a client may ask of an operational storage: one object per connection of a client. */

import type {
  AbortTransaction,
  AnswerCheckCurrentSerial,
  AnswerFinalTID,
  AnswerObject,
  AnswerObjectHistory,
  AnswerObjectUndoSerial,
  AnswerRebaseObject,
  AnswerRebaseTransaction,
  AnswerStoreObject,
  AnswerStoreTransaction,
  AnswerTIDs,
  AnswerTransactionInformation,
  AnswerVoteTransaction,
  AskCheckCurrentSerial,
  AskFinalTID,
  AskObject,
  AskObjectHistory,
  AskObjectUndoSerial,
  AskRebaseObject,
  AskRebaseTransaction,
  AskStoreObject,
  AskStoreTransaction,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
  AskVoteTransaction,
} from "../../../gen/packets.ts";
import type { ClientToStorage } from "../../../gen/flows.ts";
import { hexId, MAX_TID, type Oid } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import { then } from "../backend/eventual.ts";
import { checksumOf } from "../checksum.ts";
import { rebaseObject, rebaseTransaction } from "../transactions/rebase.ts";
import { checkSerial, hasNoData, storeObject } from "../transactions/stores.ts";
import type { Requester, TransactionContext } from "../transactions/transactions.ts";
import { Reads } from "./reads.ts";

export class ClientService implements ClientToStorage {
  readonly #context: TransactionContext;
  readonly #requester: Requester;
  readonly #reads: Reads;

  constructor(context: TransactionContext, requester: Requester) {
    this.#context = context;
    this.#requester = requester;
    this.#reads = new Reads(context);
  }

  askObject(packet: AskObject): Reply<AnswerObject> {
    return this.#reads.object(packet, this.#requester);
  }

  askObjectHistory(packet: AskObjectHistory): Reply<AnswerObjectHistory> {
    return this.#reads.history(packet, this.#requester);
  }

  askTransactionInformation(
    { tid }: AskTransactionInformation,
  ): Reply<AnswerTransactionInformation> {
    return this.#reads.transactionInformation(tid, this.#requester);
  }

  askTIDs(packet: AskTIDs): Reply<AnswerTIDs> {
    return this.#reads.tids(packet, MAX_TID, this.#requester);
  }

  askTIDsFrom(packet: AskTIDsFrom): Reply<AnswerTIDs> {
    return this.#reads.tidsFrom(packet, this.#requester);
  }

  askObjectUndoSerial(packet: AskObjectUndoSerial): Reply<AnswerObjectUndoSerial> {
    return this.#reads.undoSerials(packet, this.#requester);
  }

  askFinalTID({ ttid }: AskFinalTID): Reply<AnswerFinalTID> {
    return then(this.#reads.finalTid(ttid), (tid) => ({ tid }));
  }

  askStoreObject(packet: AskStoreObject): Reply<AnswerStoreObject> {
    if (!hasNoData(packet)) {
      if (packet.dataSerial !== null) {
        throw new Refusal("PROTOCOL_ERROR", "a store has data, and the serial of others");
      }
      if (!equal(packet.checksum, checksumOf(packet.data))) {
        throw new Refusal("PROTOCOL_ERROR", `wrong checksum of ${hexId(packet.oid)}`);
      }
    }
    return storeObject(this.#context, packet, this.#requester);
  }

  askCheckCurrentSerial(packet: AskCheckCurrentSerial): Reply<AnswerCheckCurrentSerial> {
    return checkSerial(this.#context, packet, this.#requester);
  }

  askStoreTransaction(packet: AskStoreTransaction): Reply<AnswerStoreTransaction> {
    const { transactions } = this.#context;
    const transaction = transactions.register(packet.ttid, this.#requester);
    return then(transactions.vote(transaction, packet), () => ({}));
  }

  askVoteTransaction({ ttid }: AskVoteTransaction): Reply<AnswerVoteTransaction> {
    return then(this.#context.transactions.voteKnown(ttid), () => ({}));
  }

  askRebaseTransaction(packet: AskRebaseTransaction): Reply<AnswerRebaseTransaction> {
    const oids = rebaseTransaction(this.#context, packet, this.#requester);
    return then(oids, (oids: readonly Oid[]) => ({ oids }));
  }

  askRebaseObject(packet: AskRebaseObject): Reply<AnswerRebaseObject> {
    return rebaseObject(this.#context, packet, this.#requester);
  }

  abortTransaction({ ttid }: AbortTransaction): void {
    if (ttid !== null) this.#context.transactions.abort(ttid);
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
