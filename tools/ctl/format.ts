/** What a control command prints, to the letter as neoctl does: scripts read it. */

import type { NodeInformation, Row } from "../../gen/packets.ts";
import { addressText } from "../../nodes/cluster/addresses.ts";
import { nidText } from "../../nodes/cluster/node_ids.ts";
import { tidTimeText } from "../../nodes/cluster/tid_time.ts";
import type { Tid } from "../../nodes/codec/ids.ts";
import { alignColumns } from "../columns.ts";

const OFFSET_DIGITS = 3;
const MICROSECONDS = 1e6;

/** One line per node, those without an id first, then by id. */
export function formatNodes(nodes: readonly NodeInformation[]): string {
  const sorted = [...nodes].sort((a, b) => (a.nid ?? -Infinity) - (b.nid ?? -Infinity) || 0);
  const table = sorted.map(({ nid, type, address, state, idTimestamp }) => [
    nidText(nid),
    type,
    address === null ? "" : addressText(address),
    state,
    idTimestamp === null ? "None" : formatTime(idTimestamp),
  ]);
  return alignColumns(table, " | ").join("\n") || "Empty list!";
}

/**
 * Unix time in seconds as UTC; microseconds only where there are some. What a peer or a log calls a
 * time and is none stays the number that it is.
 */
export function formatTime(timeS: number): string {
  const whole = Math.floor(timeS);
  const micros = Math.round((timeS - whole) * MICROSECONDS);
  const carried = micros === MICROSECONDS;
  const date = new Date((whole + (carried ? 1 : 0)) * 1000);
  if (Number.isNaN(date.getTime())) return String(timeS);
  const text = date.toISOString().slice(0, 19).replace("T", " ");
  return micros === 0 || carried ? text : `${text}.${String(micros).padStart(6, "0")}`;
}

/** One line per partition. */
export function formatRows(rows: readonly Row[]): string {
  return rows.map(({ offset, cells }) =>
    `${String(offset).padStart(OFFSET_DIGITS, "0")} |` +
    cells.map(({ nid, state }) => ` ${nidText(nid)} - ${state} |`).join("")
  ).join("\n");
}

/** A tid as a number and as a time. */
export function formatTid(id: Tid | null): string {
  return id === null ? "None" : `0x${id.toString(16)} (${tidTimeText(id)})`;
}
