/**
 * An admin's orders about one node: `kill` (DOWN) ends it but keeps its place in the table, `drop`
 * (UNKNOWN) forgets it and lets it erase its database. Neither may take the only readable copy of
 * anything.
 */

import type { SetNodeState } from "../../gen/packets.ts";
import { announce, announceToItself } from "./announcements.ts";
import type { KnownNode } from "./nodes.ts";
import { refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";

/** Obeys, and returns what the admin is told. Throws a Refusal where it can't. */
export function setNodeState(primary: Primary, { nid, state }: SetNodeState): string {
  const node = primary.nodes.get(nid);
  if (node === undefined) return refuse("unknown node");
  const isKill = state === "DOWN" && (node.type === "STORAGE" || node.type === "MASTER");
  const isDrop = state === "UNKNOWN" && node.type === "STORAGE";
  if (!isKill && !isDrop) return refuse("can not switch node to this state");
  if (node === primary.self) return refuse("can not kill primary master node");
  if (isDrop) return drop(primary, node);
  const changed = node.state !== "DOWN";
  if (node.type === "STORAGE") killStorage(primary, node);
  else node.state = "DOWN";
  if (changed) {
    primary.turn.after(() => {
      // Secondary masters are among those who are told, and exit on their own.
      if (node.state === "DOWN") announce(primary.nodes, [node]);
    });
  }
  return changed ? "state changed" : "node already in DOWN state";
}

function killStorage(primary: Primary, node: KnownNode): void {
  if (node.nid === null) return;
  primary.table.checkKill([node.nid]);
  primary.phase.checkLoss(node.nid);
  node.state = "DOWN";
  announceToItself(primary.nodes, node);
  const wasConnected = node.connection !== null;
  primary.cutOff(node);
  primary.tellChanges(primary.phase.outdateKilled(node.nid));
  if (wasConnected) primary.phase.storageLost(node);
}

function drop(primary: Primary, node: KnownNode): string {
  if (node.nid === null) return refuse("unknown node");
  const { nodes, table, phase } = primary;
  phase.checkLoss(node.nid);
  const changes = table.dropNodes([node.nid]);
  const { connection } = node;
  node.state = "UNKNOWN";
  announceToItself(nodes, node);
  primary.cutOff(node);
  nodes.remove(node);
  // Whoever has the node in its table must not hear first that there is no such node.
  primary.tellChanges(changes);
  if (connection !== null) primary.phase.storageLost(node);
  primary.turn.after(() => announce(nodes, [node]));
  return changes.length > 0 ? "node permanently removed" : "state changed";
}
