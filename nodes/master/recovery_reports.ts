/**
 * What the storages' reports say together. Only storages with readable cells count: others have
 * missed what came since they could be read, and catch up by themselves.
 */

import type { AnswerRecovery } from "../../gen/packets.ts";
import { laterTid, type Nid, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { KnownNode } from "./nodes.ts";
import type { MasterTable } from "./table/master_table.ts";

/** What each storage has said. */
export type Reports = ReadonlyMap<KnownNode, AnswerRecovery>;

/** How far to truncate: what any storage was told and has not done. Null for nothing. */
export function pendingTruncation(table: MasterTable, reports: Reports): Tid | null {
  let least: Tid | null = null;
  for (const [{ nid }, { truncateTid }] of reports) {
    if (nid === null || truncateTid === null || !table.hasReadableCells(nid)) continue;
    if (least === null || truncateTid < least) least = truncateTid;
  }
  return least;
}

/**
 * Up to where each storage of a backup says that it has everything; null where it was not told that
 * the cluster is a backup. That is so as soon as one storage says it: the others may not have been
 * told before everything stopped.
 */
export function backupTids(table: MasterTable, reports: Reports): Map<Nid, Tid | null> {
  const tids = new Map<Nid, Tid | null>();
  for (const [{ nid }, { backupTid }] of reports) {
    if (nid !== null && table.hasReadableCells(nid)) tids.set(nid, backupTid);
  }
  return tids;
}

/**
 * Up to where a storage has everything that was not told that the cluster is a backup. Before that,
 * all were complete, and none of those that were not told has anything since: so each has all that
 * any of them has.
 */
export function untoldTid(
  tids: ReadonlyMap<Nid, Tid | null>,
  lastTids: ReadonlyMap<Nid, Tid>,
): Tid {
  let found = ZERO_TID;
  for (const [nid, backupTid] of tids) {
    if (backupTid === null) found = laterTid(found, lastTids.get(nid) ?? ZERO_TID);
  }
  return found;
}
