/**
 * What a node knows, in lines for people who want to know why a cluster does not do what it should:
 * its nodes, and the partition table with a line for each node.
 */

import type { CellState, NodeState, NodeType, Row } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Address } from "../host/host.ts";
import { addressText } from "./addresses.ts";
import { nidText } from "./node_ids.ts";

/** What is shown of a node. */
interface ShownNode {
  readonly nid: Nid | null;
  readonly type: NodeType;
  readonly address: Address | null;
  readonly state: NodeState;
}

const CELL_LETTERS: Readonly<Record<CellState, string>> = {
  UP_TO_DATE: "U",
  OUT_OF_DATE: "O",
  FEEDING: "F",
  CORRUPTED: "C",
  DISCARDED: ".",
};

/** One line for each node, by id. */
export function nodeLines(nodes: readonly ShownNode[]): string[] {
  return [...nodes].sort((a, b) => (a.nid ?? 0) - (b.nid ?? 0)).map((
    { nid, type, address, state },
  ) => ` * ${nidText(nid)} | ${type} | ${address === null ? "" : addressText(address)} | ${state}`);
}

/** One line for each node that has cells: a letter of its state, and one for each partition. */
export function tableLines(rows: readonly Row[], nodes: readonly ShownNode[]): string[] {
  const states = new Map(nodes.map(({ nid, state }) => [nid, state]));
  const nids = new Set(rows.flatMap(({ cells }) => cells.map(({ nid }) => nid)));
  return [...nids].sort((a, b) => a - b).map((nid) => {
    const letters = rows.map(({ cells }) => {
      const cell = cells.find((cell) => cell.nid === nid);
      return cell === undefined ? "." : CELL_LETTERS[cell.state];
    });
    return `pt: ${nidText(nid)} ${states.get(nid)?.slice(0, 1) ?? "?"} ${letters.join("")}`;
  });
}
