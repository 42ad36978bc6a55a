/** What transactions store and check before their vote. */

import type { AskStoreObject } from "../../../gen/packets.ts";
import { hexId, type Oid, type Tid, ZERO_TID } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { PendingStore } from "../backend/backend.ts";
import { type Eventual, then } from "../backend/eventual.ts";
import type { Transaction } from "./transaction.ts";
import type { Requester, TransactionContext } from "./transactions.ts";
import { WAIT } from "./waiting_queue.ts";
import type { LockOutcome } from "./write_locks.ts";

/** An answer to a store or a check: null for a lock, ZERO_TID without one, or the newer tid. */
export interface StoreAnswer {
  readonly conflict: Tid | null;
}

const LOCKED: StoreAnswer = { conflict: null };
const NOT_LOCKED: StoreAnswer = { conflict: ZERO_TID };

/** Stores an object, as soon as nobody else has its lock. */
export function storeObject(
  context: TransactionContext,
  packet: AskStoreObject,
  requester: Requester,
): Reply<StoreAnswer> {
  const { transactions } = context;
  const { oid, serial, ttid } = packet;
  const transaction = transactions.register(ttid, requester);
  transaction.requireNotVoted();
  let kept = packet;
  const waiting = {
    connection: requester.connection,
    what: "a store",
    keep: () => {
      kept = withOwnBytes(packet);
    },
  };
  return transactions.whenUnlocked(transaction, waiting, () => {
    // A transaction that ended meanwhile stores nothing.
    if (transaction.ended) return NOT_LOCKED;
    return then(transactions.locks.lock(transaction, oid, serial), (outcome) => {
      const answer = answerTo(outcome);
      if (outcome !== "locked" && outcome !== "lockless") return answer;
      return then(keep(context, transaction, kept), () => answer);
    });
  });
}

/** Checks that an object's revision is the last one, and keeps it so until the end. */
export function checkSerial(
  { transactions }: TransactionContext,
  { ttid, oid, serial }: { readonly ttid: Tid; readonly oid: Oid; readonly serial: Tid },
  requester: Requester,
): Reply<StoreAnswer> {
  const transaction = transactions.register(ttid, requester);
  transaction.requireNotVoted();
  const waiting = { connection: requester.connection, what: "a check" };
  return transactions.whenUnlocked(transaction, waiting, () => {
    if (transaction.ended) return NOT_LOCKED;
    if (transaction.serials.has(oid)) {
      throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(ttid)} has ${hexId(oid)} already`);
    }
    return then(transactions.locks.lock(transaction, oid, serial), answerTo);
  });
}

/** Whether a store is an undo or a deletion. */
export function hasNoData({ data, checksum }: AskStoreObject): boolean {
  return data.length === 0 && checksum.every((byte) => byte === 0);
}

function answerTo(outcome: LockOutcome): StoreAnswer | typeof WAIT {
  switch (outcome) {
    case "locked":
      return LOCKED;
    case "lockless":
    case "unreadable":
      return NOT_LOCKED;
    case "wait":
      return WAIT;
    default:
      return { conflict: outcome };
  }
}

function keep(
  context: TransactionContext,
  transaction: Transaction,
  packet: AskStoreObject,
): Eventual<void> {
  const { assignment, backend } = context;
  const { oid, dataSerial } = packet;
  // A cell that is not complete gets by replication what an undo goes back to.
  if (dataSerial === null || !assignment.isReadable(assignment.partition(oid))) {
    return put(context, transaction, packet);
  }
  return then(backend.objects.has(oid, dataSerial), (found) => {
    if (found) return put(context, transaction, packet);
    throw new Refusal("OID_NOT_FOUND", `${hexId(oid)} at ${hexId(dataSerial)}`);
  });
}

function put(
  { backend: { data } }: TransactionContext,
  transaction: Transaction,
  packet: AskStoreObject,
): Eventual<void> {
  const { oid, dataSerial } = packet;
  const replaced = transaction.stores.get(oid)?.dataId ?? null;
  if (replaced !== null) data.discard([replaced]);
  const store: PendingStore = { dataId: null, valueTid: dataSerial };
  transaction.stores.set(oid, store);
  if (hasNoData(packet)) return;
  return then(data.store(oid, packet), (id) => {
    if (transaction.stores.get(oid) === store) store.dataId = id;
    else data.discard([id]);
  });
}

/** The packet, no longer as views of the buffer in which it came with many others. */
function withOwnBytes(packet: AskStoreObject): AskStoreObject {
  return { ...packet, data: packet.data.slice(), checksum: packet.checksum.slice() };
}
