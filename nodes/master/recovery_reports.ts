/**
 * What the storages' reports say together. Only storages with readable cells count: others have
 * missed what came since they could be read, and catch up by themselves.
 */

import type { AnswerRecovery } from "../../gen/packets.ts";
import type { Nid, Tid } from "../codec/ids.ts";
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
 * Up to where each storage of a backup has everything. The cluster is one as soon as one storage
 * says so: the others may not have been told before everything stopped.
 */
export function backupTids(table: MasterTable, reports: Reports): Map<Nid, Tid> {
  const tids = new Map<Nid, Tid>();
  for (const [{ nid }, { backupTid }] of reports) {
    if (nid === null || backupTid === null || !table.hasReadableCells(nid)) continue;
    tids.set(nid, backupTid);
  }
  return tids;
}
