/** What becomes of a row when nodes of it go: for a time (outdating) or for good (dropping). */

import type { Cell, CellChange, Row } from "../../../gen/packets.ts";
import type { Nid } from "../../codec/ids.ts";
import { isReadable } from "../../cluster/partition_table.ts";
import { Refusal } from "../../wire/refusal.ts";

/**
 * Whether a readable cell that could go must stay: it has something that none of `staying` has,
 * other cells of its partition.
 */
export type IsNeeded = (
  cell: { readonly offset: number; readonly nid: Nid },
  staying: readonly Nid[],
) => boolean;

/** Outside a backup, all readable cells have everything. */
export const neverNeeded: IsNeeded = () => false;

/**
 * Takes readability from cells whose node does not run. Where `lost` had the last readable copy,
 * its cells stay as they are: the database comes back with it, and with it alone.
 */
export function outdatedCells(
  { offset, cells }: Row,
  isRunning: (nid: Nid) => boolean,
  lost: Nid | undefined,
): CellChange[] {
  const readable = cells.filter(({ state }) => isReadable(state));
  const servedStill = readable.some(({ nid }) => isRunning(nid));
  return readable
    .filter(({ nid }) => !isRunning(nid) && (servedStill || nid !== lost))
    .map(({ nid, state }) => ({
      offset,
      nid,
      state: state === "FEEDING" ? "DISCARDED" : "OUT_OF_DATE",
    }));
}

/**
 * Takes nodes out of a row; a node that was about to hand its cell over keeps it instead. Throws a
 * Refusal when the only readable copies would go.
 */
export function droppedCells({ offset, cells }: Row, dropped: ReadonlySet<Nid>): CellChange[] {
  const isDropped = ({ nid }: Cell) => dropped.has(nid);
  const gone = cells.filter(isDropped);
  if (gone.length === 0) return [];
  const staying = cells.filter((cell) => !isDropped(cell));
  const feeding = staying.findLast(({ state }) => state === "FEEDING");
  const changes: CellChange[] = gone.map(({ nid }) => ({ offset, nid, state: "DISCARDED" }));
  if (feeding !== undefined) {
    changes.push({ offset, nid: feeding.nid, state: "UP_TO_DATE" });
  } else if (
    gone.some(({ state }) => isReadable(state)) &&
    !staying.some(({ state }) => state === "UP_TO_DATE")
  ) {
    throw new Refusal(
      "PROTOCOL_ERROR",
      `Refuse to drop nodes that contain the only readable copies of partition ${offset}`,
      false,
    );
  }
  return changes;
}

/**
 * The FEEDING cells of a row that are no longer needed once a cell of it became readable: all when
 * nothing is left to replicate, else so many that the wanted number of copies stays. Nodes for
 * which `onlyFeeds` holds go first: it was decided to empty them.
 */
export function fedEnough(
  { offset, cells }: Row,
  { replicas, onlyFeeds, isNeeded }: {
    readonly replicas: number;
    readonly onlyFeeds: (nid: Nid) => boolean;
    readonly isNeeded: IsNeeded;
  },
): CellChange[] {
  const readable = cells.filter(({ state }) => isReadable(state));
  const feeding = readable.filter(({ state }) => state === "FEEDING").map(({ nid }) => nid);
  const staying = readable.map(({ nid }) => nid).filter((nid) => !feeding.includes(nid));
  const isReplicated = readable.length === cells.length;
  const spare = isReplicated ? feeding.length : readable.length - (replicas + 1);
  if (staying.length === 0 || spare <= 0) return [];
  const first = feeding.filter(onlyFeeds);
  return [...first, ...feeding.filter((nid) => !first.includes(nid))]
    .slice(0, spare)
    .filter((nid) => !isNeeded({ offset, nid }, staying))
    .map((nid) => ({ offset, nid, state: "DISCARDED" }));
}
