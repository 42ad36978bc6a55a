/**
 * What the primary master does for an admin. An order that is refused costs the admin nothing but
 * the answer; a change of the table is told to everyone before the order that caused it is
 * acknowledged, so that orders can be chained.
 */

import type { AdminToMaster } from "../../gen/flows.ts";
import { type ClusterState, FlushLog, NotifyRepair, type Repair } from "../../gen/packets.ts";
import { nidText } from "../cluster/node_ids.ts";
import { ack } from "../wire/refusal.ts";
import { checkReplicas } from "./check.ts";
import { setNodeState } from "./node_orders.ts";
import type { KnownNode } from "./nodes.ts";
import { refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";
import { secondaryService } from "./secondary_service.ts";

/** Serves one admin. */
export function adminService(primary: Primary, admin: KnownNode): AdminToMaster {
  return {
    ...secondaryService(primary),
    setClusterState({ state }) {
      setClusterState(primary, state);
      return ack("Cluster state changed");
    },
    setNodeState: (order) => ack(setNodeState(primary, order)),
    addPendingNodes({ nids }) {
      const added = primary.phase.addStorages(nids);
      if (added.length === 0) return ack("No node added");
      return ack(`Nodes added: ${added.map(({ nid }) => nidText(nid)).join(", ")}`);
    },
    tweakPartitionTable({ nids }) {
      primary.phase.tweak(nids);
      return ack("");
    },
    truncate({ tid }) {
      primary.phase.truncate(tid);
      return ack("");
    },
    checkReplicas(order) {
      checkReplicas(primary, order);
      return ack("");
    },
    repair(order) {
      repair(primary, order);
      return ack("");
    },
    flushLog() {
      for (const node of primary.nodes.allIdentified()) {
        if (node !== admin) node.connection?.notify(FlushLog, {});
      }
      primary.options.host.log.flush?.();
    },
  };
}

function setClusterState(primary: Primary, state: ClusterState): void {
  const { phase } = primary;
  switch (state) {
    case "VERIFYING":
      return phase.start();
    case "STARTING_BACKUP":
      return phase.startBackup();
    case "STOPPING_BACKUP":
      return phase.stopBackup();
    case "STOPPING":
      return primary.turn.after(() => primary.phase.stop());
    default:
      refuse("Invalid state requested");
  }
}

function repair({ nodes }: Primary, { nids, dryRun }: Repair): void {
  const storages = nids.map((nid) => {
    const node = nodes.get(nid);
    if (node?.type === "STORAGE" && node.connection !== null) return node;
    return refuse(`invalid storage node ${nidText(nid)}`);
  });
  for (const { connection } of storages) connection?.notify(NotifyRepair, { dryRun });
}
