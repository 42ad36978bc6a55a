/** Answers to a storage that compares replicas. */

import type {
  AnswerCheckSerialRange,
  AnswerCheckTIDRange,
  AskCheckSerialRange,
  AskCheckTIDRange,
} from "../../../gen/packets.ts";
import type { Reply } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Background } from "../background.ts";
import type { TransactionContext } from "../transactions/transactions.ts";
import type { Waiting } from "../transactions/waiting_queue.ts";
import { DamagedCellError } from "./damage.ts";
import { checkSerialRange, checkTidRange } from "./ranges.ts";

export interface CheckingContext extends TransactionContext {
  readonly background: Background;
  /** Tells of damage that was found here. */
  damaged(error: DamagedCellError): void;
}

/** Answers as soon as all transactions up to the range's end are unlocked. */
export function serveTidRange(
  context: CheckingContext,
  packet: AskCheckTIDRange,
  connection: Waiting["connection"],
): Reply<AnswerCheckTIDRange> {
  const { transactions } = context;
  requireComplete(context, packet.partition);
  return transactions.readLocks.serve(
    { connection, what: "a check of replicas" },
    () => transactions.lockedUpTo(packet.maxTid).length > 0,
    () => checkTidRange(context, packet),
  );
}

/** Answers; the peer must have asked for the transactions before. */
export function serveSerialRange(
  context: CheckingContext,
  packet: AskCheckSerialRange,
): Reply<AnswerCheckSerialRange> {
  requireComplete(context, packet.partition);
  if (context.transactions.lockedUpTo(packet.maxTid).length > 0) {
    throw new Refusal("PROTOCOL_ERROR", "transactions must be checked before objects");
  }
  return checkSerialRange(context, packet).catch((error) => {
    if (!(error instanceof DamagedCellError)) throw error;
    context.damaged(error);
    // The peer leaves this copy alone, and suspects no other because of it.
    throw new Refusal("CHECKING_ERROR", `partition ${packet.partition} is damaged`);
  });
}

function requireComplete({ assignment }: CheckingContext, partition: number): void {
  const state = assignment.state(partition);
  if (state !== undefined && state !== "OUT_OF_DATE") return;
  throw new Refusal("CHECKING_ERROR", `partition ${partition} not readable`);
}
