/** An admin's orders about which storages take part in the database, and with what. */

import type { Nid } from "../codec/ids.ts";
import { announce } from "./announcements.ts";
import type { KnownNode } from "./nodes.ts";
import type { Primary } from "./primary.ts";
import type { Readiness } from "./readiness.ts";
import { type IsNeeded, neverNeeded } from "./table/losses.ts";

/**
 * Lets PENDING storages take part, and tells each to start. Returns those that do now; the others
 * that are named are left as they are.
 */
export function addStorages(
  { nodes, table }: Primary,
  nids: readonly Nid[],
  start: (storage: KnownNode) => void,
): KnownNode[] {
  const added = new Set<KnownNode>();
  for (const nid of nids) {
    const node = nodes.get(nid);
    if (node !== undefined && node.type === "STORAGE" && node.state === "PENDING") {
      added.add(node);
    }
  }
  const storages = [...added];
  table.addMembers(storages.flatMap(({ nid }) => nid ?? []));
  for (const storage of storages) {
    storage.state = "RUNNING";
    start(storage);
  }
  announce(nodes, storages);
  return storages;
}

/**
 * Spreads the database over all storages that run, but for those that are excluded. Cells for which
 * `isNeeded` holds stay until others have what they have.
 */
export function tweak(
  primary: Primary,
  readiness: Readiness,
  { excluded, isNeeded = neverNeeded }: {
    readonly excluded: readonly Nid[];
    readonly isNeeded?: IsNeeded;
  },
): void {
  const { nodes, table } = primary;
  const candidates = nodes.list("STORAGE").flatMap(({ nid, state, devpath }) =>
    nid !== null && state === "RUNNING" ? [{ nid, devpath }] : []
  );
  const changes = table.tweak(candidates, new Set(excluded), isNeeded);
  // A cell that a tweak makes outdated is new, or was corrupted and got no writes until now.
  for (const { nid, offset, state } of changes) {
    if (state === "OUT_OF_DATE") readiness.assigned(nid, offset);
  }
  primary.tellChanges(changes);
  if (table.warning !== null) primary.log("WARNING", table.warning);
}
