/**
 * The shape of the best partition table for a number of nodes: one set of partitions ("column")
 * per node. Dealing partitions out like cards gives columns whose sizes differ by one at most, and
 * puts consecutive partitions on different nodes, so that writes go in parallel. Which node gets
 * which column is another question (assignment.ts).
 */

/** The partitions that one node is to have, ascending. */
export type Column = readonly number[];

/** Columns that are equal, once. */
export interface ColumnKind {
  readonly offsets: Column;
  readonly set: ReadonlySet<number>;
  /** How many nodes are to have it. */
  readonly count: number;
}

/** The columns for `nodes` nodes when each partition is wanted `copies` times. */
export function dealColumns(partitions: number, copies: number, nodes: number): Column[] {
  const columns: number[][] = Array.from({ length: nodes }, () => []);
  let card = 0;
  for (let offset = 0; offset < partitions; offset++) {
    for (let copy = 0; copy < copies; copy++) columns[card++ % nodes]?.push(offset);
  }
  return columns;
}

/** The different columns, longest first, then in the order of their partitions. */
export function columnKinds(columns: readonly Column[]): ColumnKind[] {
  const sorted = [...columns].sort(compareColumns);
  const kinds: { offsets: Column; set: ReadonlySet<number>; count: number }[] = [];
  for (const offsets of sorted) {
    const last = kinds.at(-1);
    if (last !== undefined && compareColumns(last.offsets, offsets) === 0) last.count++;
    else kinds.push({ offsets, set: new Set(offsets), count: 1 });
  }
  return kinds;
}

function compareColumns(a: Column, b: Column): number {
  if (a.length !== b.length) return b.length - a.length;
  const at = a.findIndex((offset, i) => offset !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
