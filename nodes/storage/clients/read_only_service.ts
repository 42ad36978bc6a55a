/**
 * What a client may ask of a storage of a backup cluster: to read what has arrived completely,
 * which is up to the backup tid. One object per connection of a client.
 */

import type {
  AnswerObject,
  AnswerObjectHistory,
  AnswerObjectUndoSerial,
  AnswerTIDs,
  AnswerTransactionInformation,
  AskObject,
  AskObjectHistory,
  AskObjectUndoSerial,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
} from "../../../gen/packets.ts";
import type { ClientToStorage } from "../../../gen/flows.ts";
import { hexId, MAX_TID, type Tid, tid, ZERO_TID } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Requester, TransactionContext } from "../transactions/transactions.ts";
import { Reads } from "./reads.ts";

export class ReadOnlyClientService implements ClientToStorage {
  readonly #context: TransactionContext;
  readonly #requester: Requester;
  readonly #reads: Reads;

  constructor(context: TransactionContext, requester: Requester) {
    this.#context = context;
    this.#requester = requester;
    this.#reads = new Reads(context);
  }

  get #backupTid(): Tid {
    return this.#context.backend.settings.backupTid ?? ZERO_TID;
  }

  askObject({ oid, at, before }: AskObject): Reply<AnswerObject> {
    const last = this.#backupTid;
    const limit = last === MAX_TID ? last : tid(last + 1n);
    // There is nothing at 0: the answer then tells whether the object exists.
    if (at !== null) at = at > last ? ZERO_TID : at;
    else before = before === null || before > limit ? limit : before;
    return this.#reads.object({ oid, at, before }, this.#requester);
  }

  askObjectHistory(packet: AskObjectHistory): Reply<AnswerObjectHistory> {
    return this.#reads.history(packet, this.#requester);
  }

  askTransactionInformation(
    { tid }: AskTransactionInformation,
  ): Reply<AnswerTransactionInformation> {
    const last = this.#backupTid;
    if (tid <= last) return this.#reads.transactionInformation(tid, this.#requester);
    throw new Refusal("TID_NOT_FOUND", `tids > ${hexId(last)} are not fully fetched yet`);
  }

  askTIDs(packet: AskTIDs): Reply<AnswerTIDs> {
    return this.#reads.tids(packet, this.#backupTid, this.#requester);
  }

  askTIDsFrom(packet: AskTIDsFrom): Reply<AnswerTIDs> {
    const last = this.#backupTid;
    const maxTid = packet.maxTid < last ? packet.maxTid : last;
    return this.#reads.tidsFrom({ ...packet, maxTid }, this.#requester);
  }

  askObjectUndoSerial(packet: AskObjectUndoSerial): Reply<AnswerObjectUndoSerial> {
    return this.#reads.undoSerials(packet, this.#requester);
  }

  askFinalTID(): never {
    return refuse();
  }

  askStoreObject(): never {
    return refuse();
  }

  askCheckCurrentSerial(): never {
    return refuse();
  }

  askStoreTransaction(): never {
    return refuse();
  }

  askVoteTransaction(): never {
    return refuse();
  }

  askRebaseTransaction(): never {
    return refuse();
  }

  askRebaseObject(): never {
    return refuse();
  }

  /** There is no transaction that could be meant. */
  abortTransaction(): void {}
}

function refuse(): never {
  throw new Refusal(
    "READ_ONLY_ACCESS",
    "read-only access because cluster is in backuping mode",
  );
}
