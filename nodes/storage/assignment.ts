/**
 * Which partitions this node has, and in which state: its own column of the partition table, kept
 * at hand because each request asks for it.
 */

import type { CellChange, CellState, Row } from "../../gen/packets.ts";
import { isReadable, PartitionTable } from "../cluster/partition_table.ts";
import type { Nid, Oid, Tid } from "../codec/ids.ts";
import { Refusal } from "../wire/refusal.ts";

export class Assignment {
  readonly #table: PartitionTable;
  #own: (CellState | undefined)[] = [];

  /** @param nid this node's id */
  constructor(
    readonly nid: Nid,
    size: { readonly partitions: number; readonly replicas: number },
  ) {
    this.#table = new PartitionTable(size.partitions, size.replicas);
  }

  /** The whole table, which only this object changes. */
  get table(): Readonly<PartitionTable> {
    return this.#table;
  }

  load(ptid: number | null, rows: readonly Row[]): void {
    this.#table.load(ptid, rows);
    this.#own = rows.length === 0 ? [] : Array.from(
      { length: this.#table.partitions },
      (_, offset) => this.#table.cell(offset, this.nid)?.state,
    );
  }

  update(ptid: number, changes: readonly CellChange[]): void {
    this.#table.update(ptid, changes);
    for (const { offset, nid } of changes) {
      if (nid === this.nid) this.#own[offset] = this.#table.cell(offset, nid)?.state;
    }
  }

  partition(id: Oid | Tid): number {
    return this.#table.partition(id);
  }

  /** The state of this node's cell; undefined where it has none. */
  state(offset: number): CellState | undefined {
    return this.#own[offset];
  }

  isReadable(offset: number): boolean {
    const state = this.#own[offset];
    return state !== undefined && isReadable(state);
  }

  /** The partitions whose cell here is in a state that `accept` takes. */
  offsets(accept: (state: CellState) => boolean): number[] {
    const found: number[] = [];
    for (const [offset, state] of this.#own.entries()) {
      if (state !== undefined && accept(state)) found.push(offset);
    }
    return found;
  }

  /** The partitions that can be read here. */
  readable(): number[] {
    return this.offsets(isReadable);
  }

  /** Whether all nodes that have a partition have it completely. */
  isCompleteEverywhere(offset: number): boolean {
    return this.#table.cells(offset).every(({ state }) => isReadable(state));
  }

  /** Refuses what cannot be read here; the peer will find another cell. */
  requireReadable(offset: number): void {
    if (this.isReadable(offset)) return;
    this.requirePartition(offset);
    throw new Refusal("NON_READABLE_CELL", "");
  }

  /** Refuses a partition that the database does not have. */
  requirePartition(offset: number): void {
    if (offset < this.#table.partitions) return;
    throw new Refusal("PROTOCOL_ERROR", `there is no partition ${offset}`);
  }
}
