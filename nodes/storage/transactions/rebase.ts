/**
 * Rebasing: a transaction that may be in a deadlock gets a new locking tid. Its locks are taken
 * again in the new order, and what has become outdated meanwhile is given back to the client, who
 * resolves the conflict and stores it again.
 */

import type { AnswerRebaseObject } from "../../../gen/packets.ts";
import { hexId, MAX_TID, type Oid, type Tid } from "../../codec/ids.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Backend } from "../backend/backend.ts";
import { type Eventual, inTurn, then } from "../backend/eventual.ts";
import type { Transaction } from "./transaction.ts";
import type { Requester, TransactionContext } from "./transactions.ts";
import { WAIT } from "./waiting_queue.ts";

const NO_CONFLICT: AnswerRebaseObject = { conflict: null };

/**
 * Gives a transaction a new locking tid. The result are the objects whose locks it could not take
 * again at once: the client rebases them one by one.
 */
export function rebaseTransaction(
  context: TransactionContext,
  { ttid, lockingTid }: { readonly ttid: Tid; readonly lockingTid: Tid },
  requester: Requester,
): Eventual<Oid[]> {
  const { transactions } = context;
  const { locks } = transactions;
  const transaction = transactions.register(ttid, requester);
  transaction.requireNotVoted();
  if (lockingTid === MAX_TID) {
    throw new Refusal("PROTOCOL_ERROR", `${hexId(lockingTid)} is no locking tid`);
  }
  const candidates = [...transaction.serials.keys()];
  const isFirst = transaction.lockingTid !== MAX_TID;
  transaction.lockingTid = lockingTid;
  const hadLockless = isFirst && letGo(context, transaction);
  transactions.reordered(hadLockless);
  // There was another deadlock, and there will be another locking tid.
  if (transaction.lockingTid !== lockingTid) return [];
  const toRebase: Oid[] = [];
  const free: Oid[] = [];
  for (const oid of candidates) {
    if (transaction.lockless.has(oid)) continue;
    if (locks.isHeld(oid)) toRebase.push(oid);
    else free.push(oid);
  }
  const taken = inTurn(free, (oid) => {
    const serial = transaction.serials.get(oid);
    // A request for this object may have waited, and been answered by a conflict.
    if (serial === undefined) return;
    return then(locks.lock(transaction, oid, serial), (outcome) => {
      if (outcome !== "locked" && outcome !== "lockless") toRebase.push(oid);
    });
  });
  return then(taken, () => toRebase);
}

/**
 * Frees the locks of a transaction. Writes without a lock become ordinary ones, unless their cell
 * is still being replicated. Returns whether there were any.
 */
function letGo(
  { transactions, assignment }: TransactionContext,
  transaction: Transaction,
): boolean {
  transactions.locks.release(transaction);
  let found = false;
  for (const oid of [...transaction.lockless]) {
    if (transactions.catchingUp.isReplicating(assignment.partition(oid))) continue;
    transaction.lockless.delete(oid);
    found = true;
  }
  return found;
}

/** Takes the lock of one object again, or gives back what was stored if that is outdated. */
export function rebaseObject(
  context: TransactionContext,
  { ttid, oid }: { readonly ttid: Tid; readonly oid: Oid },
  { connection }: Requester,
): Reply<AnswerRebaseObject> {
  const { transactions } = context;
  const transaction = transactions.get(ttid);
  if (transaction === undefined) return NO_CONFLICT;
  transaction.requireNotVoted();
  return transactions.whenUnlocked(transaction, { connection, what: "a rebase" }, () => {
    const serial = transaction.serials.get(oid);
    // The transaction was aborted, or another rebase of the object was answered by a conflict.
    if (transaction.ended || serial === undefined) return NO_CONFLICT;
    return then(transactions.locks.lock(transaction, oid, serial), (outcome) => {
      if (outcome === "wait") return WAIT;
      if (typeof outcome === "string") return NO_CONFLICT;
      return giveBack(context.backend, transaction, { oid, serial, conflictSerial: outcome });
    });
  });
}

function giveBack(
  { data }: Backend,
  transaction: Transaction,
  { oid, serial, conflictSerial }: {
    readonly oid: Oid;
    readonly serial: Tid;
    readonly conflictSerial: Tid;
  },
): Eventual<AnswerRebaseObject> {
  const held = transaction.drop(oid);
  const [id] = held;
  if (id === undefined) return { conflict: { serial, conflictSerial, data: null } };
  return then(data.load(id), (stored) => {
    data.discard(held);
    return { conflict: { serial, conflictSerial, data: stored } };
  });
}
