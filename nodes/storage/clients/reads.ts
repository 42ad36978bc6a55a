/**
 * What clients read of an operational storage. An object is not read between the lock and the
 * unlock of a transaction that stores it: a reader that knows of the new revision already would
 * take the old one for the last.
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
  UndoSerial,
} from "../../../gen/packets.ts";
import { hexId, MAX_TID, type Oid, type Tid } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { ObjectRecord, Revision } from "../backend/backend.ts";
import { type Eventual, inTurn, then } from "../backend/eventual.ts";
import { NO_CHECKSUM, NO_DATA } from "../checksum.ts";
import type { Requester, TransactionContext } from "../transactions/transactions.ts";
import { MAX_HISTORY, MAX_TIDS } from "./limits.ts";

/** For AskTIDs: all partitions that can be read here. */
const ALL_PARTITIONS = 0xffff_ffff;

export class Reads {
  readonly #context: TransactionContext;

  constructor(context: TransactionContext) {
    this.#context = context;
  }

  object(packet: AskObject, requester: Requester): Reply<AnswerObject> {
    const { transactions } = this.#context;
    const { oid } = packet;
    if (!transactions.readLocks.isLocked(oid)) return this.#load(oid, packet);
    return this.#whenFinished([oid], requester, () => this.#load(oid, packet));
  }

  #whenFinished<A>(
    oids: readonly Oid[],
    { connection }: Requester,
    read: () => Eventual<A>,
  ): Reply<A> {
    const { transactions } = this.#context;
    const mustWait = () => oids.some((oid) => transactions.readLocks.isLocked(oid));
    return transactions.readLocks.serve({ connection, what: "a read" }, mustWait, read);
  }

  #load(oid: Oid, revision: Revision): Eventual<AnswerObject> {
    const { assignment, backend } = this.#context;
    assignment.requireReadable(assignment.partition(oid));
    return then(backend.objects.load(oid, revision), (found) => {
      if (found !== null) return answerObject(oid, found);
      return then(backend.objects.exists(oid), (exists) => {
        throw new Refusal(exists ? "OID_NOT_FOUND" : "OID_DOES_NOT_EXIST", hexId(oid));
      });
    });
  }

  history(packet: AskObjectHistory, requester: Requester): Reply<AnswerObjectHistory> {
    const { oid, first } = packet;
    const count = Math.min(countOf(packet), MAX_HISTORY);
    return this.#whenFinished([oid], requester, () => {
      const { assignment, backend } = this.#context;
      assignment.requireReadable(assignment.partition(oid));
      return then(backend.objects.history(oid, { first, count }), (history) => {
        if (history.length === 0) throw new Refusal("OID_NOT_FOUND", hexId(oid));
        return { oid, history };
      });
    });
  }

  /**
   * A client may know of a commit before this node does. Reads of transactions wait for those that
   * are locked when they are asked for, so that nobody misses what he has just committed.
   */
  #afterLocked<A>(upTo: Tid, { connection }: Requester, read: () => Eventual<A>): Reply<A> {
    const { transactions } = this.#context;
    const locked = transactions.lockedUpTo(upTo);
    if (locked.length === 0) return read();
    const mustWait = () => locked.some(({ ended }) => !ended);
    return transactions.readLocks.serve({ connection, what: "a list" }, mustWait, read);
  }

  transactionInformation(tid: Tid, requester: Requester): Reply<AnswerTransactionInformation> {
    return this.#afterLocked(tid, requester, () => {
      const { assignment, backend } = this.#context;
      assignment.requireReadable(assignment.partition(tid));
      return then(backend.transactions.load(tid), (record) => {
        if (record === null) throw new Refusal("TID_NOT_FOUND", `${hexId(tid)} does not exist`);
        return { tid, ...record };
      });
    });
  }

  /** @param upTo the greatest tid to be seen */
  tids(packet: AskTIDs, upTo: Tid, requester: Requester): Reply<AnswerTIDs> {
    const { first, partition } = packet;
    const count = Math.min(countOf(packet), MAX_TIDS);
    return this.#afterLocked(upTo, requester, () => {
      const { assignment, backend } = this.#context;
      if (partition !== ALL_PARTITIONS) assignment.requireReadable(partition);
      const offsets = partition === ALL_PARTITIONS ? assignment.readable() : [partition];
      return then(backend.transactions.newest({ offsets, first, count }), (tids) => ({
        tids: upTo === MAX_TID ? tids : tids.filter((tid) => tid <= upTo),
      }));
    });
  }

  tidsFrom(packet: AskTIDsFrom, requester: Requester): Reply<AnswerTIDs> {
    const { minTid, maxTid, length, partition } = packet;
    return this.#afterLocked(maxTid, requester, () => {
      const { assignment, backend } = this.#context;
      assignment.requireReadable(partition);
      const range = {
        offset: partition,
        min: minTid,
        max: maxTid,
        count: Math.min(length, MAX_TIDS),
      };
      return then(backend.transactions.range(range), (tids) => ({ tids }));
    });
  }

  undoSerials(packet: AskObjectUndoSerial, requester: Requester): Reply<AnswerObjectUndoSerial> {
    return this.#whenFinished(packet.oids, requester, () => this.#undoSerials(packet));
  }

  #undoSerials({ ttid, ltid, undoneTid, oids }: AskObjectUndoSerial): Eventual<
    AnswerObjectUndoSerial
  > {
    const { assignment, backend, transactions } = this.#context;
    for (const oid of oids) assignment.requireReadable(assignment.partition(oid));
    const { packTid } = backend.settings;
    if (packTid !== null && undoneTid <= packTid) {
      // What it replaced may be packed: it would look like a creation, whose undo is a deletion.
      throw new Refusal("OID_NOT_FOUND", `${hexId(undoneTid)} is not after the last pack`);
    }
    const undoSerials = new Map<Oid, UndoSerial>();
    const stores = transactions.get(ttid)?.stores;
    const found = inTurn(oids, (oid) => {
      const undo = { ttid, ltid, undoneTid, pending: stores?.get(oid) };
      return then(backend.objects.undoSerial(oid, undo), (serial) => {
        if (serial === null) throw new Refusal("OID_NOT_FOUND", hexId(oid));
        undoSerials.set(oid, serial);
      });
    });
    return then(found, () => ({ undoSerials }));
  }

  finalTid(ttid: Tid): Eventual<Tid | null> {
    const { assignment, backend, transactions } = this.#context;
    const pending = transactions.get(ttid);
    if (pending !== undefined) {
      // A master that asks relies on what it told before to be on the disk. What it tells meanwhile
      // may get there later.
      const { tid } = pending;
      return backend.commit().then(() => tid);
    }
    assignment.requireReadable(assignment.partition(ttid));
    return backend.transactions.finalTid(ttid);
  }
}

function answerObject(oid: Oid, { tid, nextTid, value, valueTid }: ObjectRecord): AnswerObject {
  return {
    oid,
    serial: tid,
    nextSerial: nextTid,
    compression: value?.compression ?? false,
    checksum: value?.checksum ?? NO_CHECKSUM,
    data: value?.data ?? NO_DATA,
    dataSerial: valueTid,
  };
}

/** How many items are asked for. */
function countOf({ first, last }: { readonly first: number; readonly last: number }): number {
  if (first < last) return last - first;
  throw new Refusal("PROTOCOL_ERROR", "invalid offsets");
}
