/** Partition tables as short texts, one per row: `S1:U S2:O`, for the tests of the master's. */

import type { CellState, Row } from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import { nidText, nodeId, parseNid } from "../../nodes/cluster/node_ids.ts";
import { MasterTable } from "../../nodes/master/table/master_table.ts";

const STATES: Readonly<Record<string, CellState>> = {
  U: "UP_TO_DATE",
  O: "OUT_OF_DATE",
  F: "FEEDING",
  C: "CORRUPTED",
};

/** The id of the `number`-th storage. */
export function S(number: number): Nid {
  return nodeId("STORAGE", number);
}

/** A table of these rows, at version 1. */
export function table(replicas: number, ...rows: string[]): MasterTable {
  const made = new MasterTable(rows.length, replicas);
  made.load(1, rows.map(row));
  return made;
}

function row(text: string, offset: number): Row {
  return {
    offset,
    cells: text.split(" ").filter((part) => part !== "").map((part) => {
      const [name = "", letter = ""] = part.split(":");
      const nid = parseNid(name);
      const state = STATES[letter];
      if (nid === null || state === undefined) throw new Error(`no cell: ${part}`);
      return { nid, state };
    }),
  };
}

/** A table's rows. */
export function texts(of: MasterTable): string[] {
  return of.toRows().map(({ cells }) =>
    cells.map(({ nid, state }) => `${nidText(nid)}:${state.charAt(0)}`).join(" ")
  );
}

/** A table's rows with their cells in the order of the nodes. */
export function sortedTexts(of: MasterTable): string[] {
  return texts(of).map(sorted);
}

/** A row's cells in the order of the nodes. */
export function sorted(row: string): string {
  return row.split(" ").sort((a, b) => Number.parseInt(a.slice(1)) - Number.parseInt(b.slice(1)))
    .join(" ");
}
