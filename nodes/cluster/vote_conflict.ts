/**
 * A conflict as the refusal of a vote. The protocol knows conflicts only as answers to single writes;
 * a storage that finds one later, when it has caught up, has but the text of an error to tell it.
 */

import { hexId, MAX_ID, type Oid, oid, type Tid, tid } from "../codec/ids.ts";

/** An object that a transaction stores, and a revision that it does not know of. */
export interface VoteConflict {
  readonly oid: Oid;
  readonly committed: Tid;
}

const TEXT = /^TXN [0-9a-f]{16} is in conflict about ([0-9a-f]{16}), committed at ([0-9a-f]{16})$/;

/** What a storage says that refuses a vote because of a conflict. */
export function voteConflictText(ttid: Tid, { oid, committed }: VoteConflict): string {
  return `TXN ${hexId(ttid)} is in conflict about ${hexId(oid)}, committed at ${hexId(committed)}`;
}

/** The conflict that a storage tells of; null where the text is about something else. */
export function readVoteConflict(text: string): VoteConflict | null {
  const [, object, committed] = TEXT.exec(text) ?? [];
  if (object === undefined || committed === undefined) return null;
  const [oidValue, tidValue] = [BigInt(`0x${object}`), BigInt(`0x${committed}`)];
  if (oidValue > MAX_ID || tidValue > MAX_ID) return null;
  return { oid: oid(oidValue), committed: tid(tidValue) };
}
