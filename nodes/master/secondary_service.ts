/** What every identified node may ask the primary master; a secondary master asks nothing else. */

import type { SecondaryToMaster } from "../../gen/flows.ts";
import type { Primary } from "./primary.ts";

/** Serves questions about the cluster. */
export function secondaryService(primary: Primary): SecondaryToMaster {
  const { table, ids } = primary;
  return {
    askRecovery: () => ({
      ptid: table.ptid,
      backupTid: primary.progress?.backupTid ?? null,
      truncateTid: primary.truncateTid,
    }),
    askLastIDs: () => ({ lastOid: ids.lastOid, lastTid: ids.lastTid }),
    askPartitionTable: () => ({ ptid: table.ptid, rows: table.toRows() }),
    askClusterState: () => ({ state: primary.phase.state }),
    askLastTransaction: () => ({ tid: ids.lastTransaction }),
  };
}
