/**
 * The partition table as every node but the primary master has it: which node has which partition,
 * and how complete. It only changes by what the primary master sends.
 */

import type { Cell, CellChange, CellState, Row } from "../../gen/packets.ts";
import { type Nid, type Oid, partitionOf, type Tid } from "../codec/ids.ts";
import { Refusal } from "../wire/refusal.ts";

/** Whether a cell in this state can be read. */
export function isReadable(state: CellState): boolean {
  return state === "UP_TO_DATE" || state === "FEEDING";
}

export class PartitionTable {
  #ptid: number | null = null;
  #rows: Cell[][];

  /**
   * @param partitions how many partitions the database has
   * @param replicas how many copies of each are wanted besides the first
   */
  constructor(readonly partitions: number, readonly replicas: number) {
    this.#rows = emptyRows(partitions);
  }

  /** The version of the table; null before the first. */
  get ptid(): number | null {
    return this.#ptid;
  }

  /** Whether each partition has a cell. */
  get filled(): boolean {
    return this.#rows.every((cells) => cells.length > 0);
  }

  /** Forgets everything. */
  clear(): void {
    this.#ptid = null;
    this.#rows = emptyRows(this.partitions);
  }

  /** Takes a whole table. Throws a Refusal for a partition that the database does not have. */
  load(ptid: number | null, rows: readonly Row[]): void {
    const loaded = emptyRows(this.partitions);
    for (const { offset, cells } of rows) {
      this.#check(offset);
      loaded[offset] = [...cells];
    }
    this.#ptid = ptid;
    this.#rows = loaded;
  }

  /** Takes changes. Throws a Refusal for a partition that the database does not have. */
  update(ptid: number, changes: readonly CellChange[]): void {
    for (const { offset } of changes) this.#check(offset);
    this.#ptid = ptid;
    for (const { offset, nid, state } of changes) {
      const cells = this.cells(offset).filter((cell) => cell.nid !== nid);
      if (state !== "DISCARDED") {
        const at = this.cells(offset).findIndex((cell) => cell.nid === nid);
        cells.splice(at < 0 ? cells.length : at, 0, { nid, state });
      }
      this.#rows[offset] = cells;
    }
  }

  #check(offset: number): void {
    if (offset >= this.partitions) {
      throw new Refusal(
        "PROTOCOL_ERROR",
        `expected a partition below ${this.partitions}, found ${offset}`,
      );
    }
  }

  /** The partition of an oid or a tid. */
  partition(id: Oid | Tid): number {
    return partitionOf(id, this.partitions);
  }

  /** The cells of a partition. */
  cells(offset: number): readonly Cell[] {
    return this.#rows[offset] ?? [];
  }

  /** The cells of a partition that can be read. */
  readableCells(offset: number): readonly Cell[] {
    return this.cells(offset).filter(({ state }) => isReadable(state));
  }

  /** A node's cell of a partition. */
  cell(offset: number, nid: Nid): Cell | undefined {
    return this.cells(offset).find((cell) => cell.nid === nid);
  }

  /** Whether each partition has a readable cell on a node for which `isRunning` holds. */
  isOperational(isRunning: (nid: Nid) => boolean): boolean {
    return this.#rows.every((cells) =>
      cells.some(({ nid, state }) => isReadable(state) && isRunning(nid))
    );
  }

  /** The ids of all nodes that have cells. */
  nodeIds(): Set<Nid> {
    return new Set(this.#rows.flatMap((cells) => cells.map(({ nid }) => nid)));
  }

  /** The whole table as it is sent. */
  toRows(): Row[] {
    return this.#rows.map((cells, offset) => ({ offset, cells }));
  }
}

function emptyRows(partitions: number): Cell[][] {
  return Array.from({ length: partitions }, () => []);
}
