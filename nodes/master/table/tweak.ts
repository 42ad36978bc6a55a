/**
 * Moving cells to where the best table has them, without ever having fewer readable copies than
 * before or than wanted: a cell that is in the way stays as FEEDING until others can be read.
 */

import type { Cell, CellChange, Row } from "../../../gen/packets.ts";
import type { Nid } from "../../codec/ids.ts";
import { isReadable } from "../../cluster/partition_table.ts";
import type { IsNeeded } from "./losses.ts";
import { assignColumns } from "./assignment.ts";
import { columnKinds, dealColumns } from "./columns.ts";
import { type Devpath, Topology } from "./topology.ts";

/** A node that can have cells, and where it is. */
export interface Candidate {
  readonly nid: Nid;
  readonly devpath: Devpath;
}

/** The table that is wanted: the partitions of each node. */
export interface WantedTable {
  /** How many copies of each partition it has. */
  readonly copies: number;
  readonly offsets: ReadonlyMap<Nid, ReadonlySet<number>>;
  /** What the operator should know: the topology could not be kept. Null when all is well. */
  readonly warning: string | null;
}

/** The best table for these nodes, as near as possible to the present one. */
export function wantedTable(
  { rows, replicas, candidates }: {
    rows: readonly Row[];
    replicas: number;
    candidates: readonly Candidate[];
  },
): WantedTable {
  const nodes = [...candidates].sort((a, b) => a.nid - b.nid);
  const copies = Math.min(replicas + 1, nodes.length);
  const kinds = columnKinds(dealColumns(rows.length, copies, nodes.length));
  const cells = cellsOfNodes(rows, nodes);
  const devpaths = nodes.map(({ devpath }) => devpath);
  const topology = copies > 1 ? Topology.of({ devpaths, copies, partitions: rows.length }) : null;
  const apart = topology === null ? null : assignColumns(cells, kinds, topology);
  const columns = apart ?? assignColumns(cells, kinds, null) ?? [];
  return {
    copies,
    offsets: new Map(nodes.map(({ nid }, node) => [nid, new Set(columns[node])])),
    warning: copies > 1 && apart === null ? topologyWarning(copies - 1) : null,
  };
}

function topologyWarning(failures: number): string {
  return "Can't maximize resiliency: fix the topology of your storage nodes and make sure " +
    `they're all running. ${failures} storage device failure(s) may be enough to lose all the ` +
    "database.";
}

function cellsOfNodes(rows: readonly Row[], nodes: readonly Candidate[]) {
  const cells = new Map(nodes.map(({ nid }) => [nid, new Map<number, Cell["state"]>()]));
  for (const row of rows) {
    for (const { nid, state } of row.cells) cells.get(nid)?.set(row.offset, state);
  }
  return [...cells.values()];
}

/** What has to change for the wanted table to come. */
export function changesTowards(
  wanted: WantedTable,
  { rows, isNeeded }: { readonly rows: readonly Row[]; readonly isNeeded: IsNeeded },
): CellChange[] {
  return rows.flatMap((row) => rowChanges(wanted, row, isNeeded));
}

function rowChanges(
  { copies, offsets }: WantedTable,
  { offset, cells }: Row,
  isNeeded: IsNeeded,
): CellChange[] {
  const changes: CellChange[] = [];
  const kept = cells.filter(({ nid }) => offsets.get(nid)?.has(offset));
  const isServed = cells.some(({ state }) => isReadable(state));
  for (const { nid, state } of kept) {
    if (state === "FEEDING") changes.push({ offset, nid, state: "UP_TO_DATE" });
    // NEO leaves these as they are for ever; here they are replicated from a good copy.
    if (state === "CORRUPTED" && isServed) changes.push({ offset, nid, state: "OUT_OF_DATE" });
  }
  for (const [nid, column] of offsets) {
    if (column.has(offset) && !kept.some((cell) => cell.nid === nid)) {
      changes.push({ offset, nid, state: "OUT_OF_DATE" });
    }
  }
  const staying = kept.filter(({ state }) => isReadable(state)).map(({ nid }) => nid);
  let missing = copies - staying.length;
  // Nodes that stay feed rather than those that are on their way out.
  const superfluous = [
    ...cells.filter((cell) => !kept.includes(cell) && offsets.has(cell.nid)),
    ...cells.filter((cell) => !kept.includes(cell) && !offsets.has(cell.nid)),
  ];
  for (const { nid, state } of superfluous) {
    if (isReadable(state) && (missing > 0 || isNeeded({ offset, nid }, staying))) {
      missing--;
      staying.push(nid);
      if (state !== "FEEDING") changes.push({ offset, nid, state: "FEEDING" });
    } else changes.push({ offset, nid, state: "DISCARDED" });
  }
  return changes;
}
