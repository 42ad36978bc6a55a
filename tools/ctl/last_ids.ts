/**
 * What `print ids` prints: to the letter as neoctl, and in backup mode one line more, which says
 * how far the backup lags behind.
 */

import { AskClusterState, AskLastIDs, AskLastTransaction, AskRecovery } from "../../gen/packets.ts";
import { timeOfTid } from "../../nodes/cluster/tid_time.ts";
import { type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import type { AdminSession } from "./admin_session.ts";
import { formatTid } from "./format.ts";

/** The last ids of the cluster, or up to where a backup has everything. */
export async function lastIds(admin: AdminSession): Promise<string> {
  const { ptid, backupTid } = await admin.ask(AskRecovery, {});
  if (backupTid !== null) {
    const { tid } = await admin.ask(AskLastTransaction, {});
    const first = `backup_tid = ${formatTid(backupTid)}`;
    return `${idLines(first, tid, ptid)}\nlag = ${await lag(admin, backupTid, tid)}`;
  }
  const { lastOid, lastTid } = await admin.ask(AskLastIDs, {});
  const first = `last_oid = ${lastOid === null ? "None" : `0x${lastOid.toString(16)}`}`;
  return idLines(first, lastTid, ptid);
}

function idLines(first: string, lastTid: Tid | null, ptid: number | null): string {
  return `${first}\nlast_tid = ${formatTid(lastTid)}\nlast_ptid = ${ptid ?? "None"}`;
}

/**
 * For how long there has been something in the original that the backup lacks. While the original
 * is away, nobody knows what it has: then the backup lags by so much at most.
 */
async function lag(admin: AdminSession, backupTid: Tid, lastTid: Tid | null): Promise<string> {
  const { state } = await admin.ask(AskClusterState, {});
  const isFollowing = state === "BACKINGUP";
  if (isFollowing && backupTid >= (lastTid ?? ZERO_TID)) return "0 s";
  if (backupTid === ZERO_TID) return "unknown, nothing is complete yet";
  const lagMs = Math.max(0, admin.nowMs() - timeOfTid(backupTid));
  return `${isFollowing ? "" : "at most "}${(lagMs / 1000).toFixed(3)} s`;
}
