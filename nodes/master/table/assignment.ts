/**
 * Which node gets which column: a depth-first search that takes the first complete assignment.
 * First among those that move nothing, which is what makes a second tweak change nothing; else
 * with columns that cost a node least, the nodes with most to lose first. The search is bounded,
 * since in the worst case it would try every permutation.
 */

import type { CellState } from "../../../gen/packets.ts";
import { isReadable } from "../../cluster/partition_table.ts";
import type { Column, ColumnKind } from "./columns.ts";
import type { Topology } from "./topology.ts";

/** How many times one search gives a column to a node before it is given up. */
export const MAX_ATTEMPTS = 200_000;

/** The cells that a node has: their states by partition. */
export type NodeCells = ReadonlyMap<number, CellState>;

/** One node's columns, as indexes into the kinds, in the order in which they are tried. */
interface Choices {
  readonly node: number;
  readonly kinds: readonly number[];
}

/**
 * Gives each node a column. Null when the topology forbids all assignments (or all that were
 * tried); without a topology there always is one.
 */
export function assignColumns(
  nodes: readonly NodeCells[],
  kinds: readonly ColumnKind[],
  topology: Topology | null,
): Column[] | null {
  const unmoved = choicesWithoutMove(nodes, kinds);
  return (unmoved === null ? null : search(unmoved, kinds, topology)) ??
    search(choicesByCost(nodes, kinds), kinds, topology);
}

/** Columns that hold all that a node has but feeds; null when a node has no such column. */
function choicesWithoutMove(
  nodes: readonly NodeCells[],
  kinds: readonly ColumnKind[],
): Choices[] | null {
  const kept = nodes.map((cells) =>
    [...cells].filter(([, state]) => state !== "FEEDING").map(([offset]) => offset)
  );
  const columnCells = kinds.reduce((sum, { offsets, count }) => sum + offsets.length * count, 0);
  // When there are as many cells as there should be, only equal columns hold them all.
  const isComplete = kept.reduce((sum, { length }) => sum + length, 0) === columnCells;
  const all: Choices[] = [];
  for (const [node, cells] of nodes.entries()) {
    const offsets = kept[node] ?? [];
    const fitting = costsOf(cells, kinds).filter(({ kind }) => {
      const column = kinds[kind];
      return column !== undefined && offsets.every((offset) => column.set.has(offset)) &&
        (!isComplete || column.offsets.length === offsets.length);
    });
    if (fitting.length === 0) return null;
    all.push({ node, kinds: fitting.map(({ kind }) => kind) });
  }
  return all.sort((a, b) => a.kinds.length - b.kinds.length || a.node - b.node);
}

/** What a node loses by a column: cells that can be read count first, then the others. */
interface Cost {
  readonly readable: number;
  readonly others: number;
}

function choicesByCost(nodes: readonly NodeCells[], kinds: readonly ColumnKind[]): Choices[] {
  const all = nodes.map((cells, node) => {
    const costs = costsOf(cells, kinds);
    const best = costs[0] ?? NO_COST;
    const worst = costs.at(-1) ?? NO_COST;
    const gain = {
      readable: best.readable - worst.readable,
      others: best.others - worst.others,
    };
    return { node, gain, kinds: costs.map(({ kind }) => kind) };
  });
  return all.sort((a, b) => compareCosts(a.gain, b.gain) || a.node - b.node);
}

const NO_COST: Cost = { readable: 0, others: 0 };

/** The cost of each column for a node, the least first. */
function costsOf(cells: NodeCells, kinds: readonly ColumnKind[]) {
  return kinds.map(({ set }, kind) => ({ kind, ...costOf(cells, set) }))
    .sort((a, b) => compareCosts(a, b) || a.kind - b.kind);
}

function costOf(cells: NodeCells, column: ReadonlySet<number>): Cost {
  let readable = 0;
  let others = 0;
  for (const [offset, state] of cells) {
    if (column.has(offset)) continue;
    if (isReadable(state)) readable++;
    else others++;
  }
  return { readable, others };
}

function compareCosts(a: Cost, b: Cost): number {
  return a.readable - b.readable || a.others - b.others;
}

/** Depth first, with the depth as an index instead of recursion: there may be many nodes. */
function search(
  choices: readonly Choices[],
  kinds: readonly ColumnKind[],
  topology: Topology | null,
): Column[] | null {
  const left = kinds.map(({ count }) => count);
  const next: number[] = choices.map(() => 0);
  const taken: (number | null)[] = choices.map(() => null);
  const columns: Column[] = choices.map(() => []);
  let depth = 0;
  for (let attempts = 0; attempts < MAX_ATTEMPTS;) {
    const choice = choices[depth];
    if (choice === undefined) return columns;
    const given = taken[depth] ?? null;
    if (given !== null) {
      taken[depth] = null;
      left[given] = (left[given] ?? 0) + 1;
      topology?.remove(choice.node, columns[choice.node] ?? []);
    }
    const kind = choice.kinds[next[depth] ?? 0];
    if (kind === undefined) {
      next[depth] = 0;
      if (--depth < 0) return null;
      continue;
    }
    next[depth] = (next[depth] ?? 0) + 1;
    if ((left[kind] ?? 0) === 0) continue;
    attempts++;
    const offsets = kinds[kind]?.offsets ?? [];
    if (topology !== null && !topology.place(choice.node, offsets)) continue;
    left[kind] = (left[kind] ?? 0) - 1;
    taken[depth] = kind;
    columns[choice.node] = offsets;
    depth++;
  }
  return null;
}
