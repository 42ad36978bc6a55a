/**
 * The partition table as the primary master has it, the only node that changes it. Each change is
 * applied at once and returned, so that it can be told to the others as it is; the version grows
 * by one for all cells that change together. Nothing here reads or sends: which nodes run and
 * where they are is told by the caller.
 */

import type { Cell, CellChange, Row } from "../../../gen/packets.ts";
import type { Nid } from "../../codec/ids.ts";
import { isReadable, PartitionTable } from "../../cluster/partition_table.ts";
import { Refusal } from "../../wire/refusal.ts";
import { droppedCells, fedEnough, type IsNeeded, neverNeeded, outdatedCells } from "./losses.ts";
import { type Candidate, changesTowards, wantedTable } from "./tweak.ts";

export class MasterTable {
  readonly #table: PartitionTable;
  readonly #members = new Set<Nid>();
  /** Cells whose node has asked what it has to wait for before it is complete. */
  readonly #updatable: Set<Nid>[];
  #warning: string | null = null;

  /**
   * @param partitions how many partitions the database has
   * @param replicas how many copies of each are wanted besides the first
   */
  constructor(partitions: number, replicas: number) {
    this.#table = new PartitionTable(partitions, replicas);
    this.#updatable = Array.from({ length: partitions }, () => new Set());
  }

  get partitions(): number {
    return this.#table.partitions;
  }

  get replicas(): number {
    return this.#table.replicas;
  }

  /** The version of the table; null before the first. */
  get ptid(): number | null {
    return this.#table.ptid;
  }

  /** Whether each partition has a cell. */
  get filled(): boolean {
    return this.#table.filled;
  }

  /** Nodes that take part: those with cells, and those that were added since. */
  get members(): ReadonlySet<Nid> {
    return this.#members;
  }

  /** What the operator should know of the last {@link create} or {@link tweak}; null for nothing. */
  get warning(): string | null {
    return this.#warning;
  }

  /** Takes a whole table. Throws a Refusal for a partition that the database does not have. */
  load(ptid: number | null, rows: readonly Row[]): void {
    this.#table.load(ptid, rows);
    this.#members.clear();
    for (const nid of this.#table.nodeIds()) this.#members.add(nid);
    for (const nids of this.#updatable) nids.clear();
  }

  /** Forgets everything. */
  clear(): void {
    this.load(null, []);
  }

  /** The whole table as it is sent. */
  toRows(): Row[] {
    return this.#table.toRows();
  }

  /** The cells of a partition. */
  cells(offset: number): readonly Cell[] {
    return this.#table.cells(offset);
  }

  /** The cells of a partition that can be read. */
  readableCells(offset: number): readonly Cell[] {
    return this.#table.readableCells(offset);
  }

  /** A node's cell of a partition. */
  cell(offset: number, nid: Nid): Cell | undefined {
    return this.#table.cell(offset, nid);
  }

  /** Whether a node has a cell that can be read. */
  hasReadableCells(nid: Nid): boolean {
    return this.toRows().some(({ cells }) =>
      cells.some((cell) => cell.nid === nid && isReadable(cell.state))
    );
  }

  /** The ids of all nodes that have cells. */
  nodeIds(): Set<Nid> {
    return this.#table.nodeIds();
  }

  /** Lets nodes take part; they get cells by the next {@link tweak}. */
  addMembers(nids: Iterable<Nid>): void {
    for (const nid of nids) this.#members.add(nid);
  }

  /** Forgets a node that takes part without cells; one that has cells stays. */
  removeMember(nid: Nid): void {
    if (!this.nodeIds().has(nid)) this.#members.delete(nid);
  }

  /** Whether each partition has a readable cell on a node that runs and is not in `without`. */
  isOperational(isRunning: (nid: Nid) => boolean, without?: ReadonlySet<Nid>): boolean {
    return this.#table.isOperational((nid) => isRunning(nid) && without?.has(nid) !== true);
  }

  /** Makes the table of a new database: the best one for these nodes, complete from the start. */
  create(nodes: readonly Candidate[]): void {
    if (nodes.length === 0 || this.ptid !== null) {
      throw new RangeError("expected nodes and no table, to create one");
    }
    const rows = this.toRows();
    const wanted = wantedTable({ rows, replicas: this.replicas, candidates: nodes });
    this.#warning = wanted.warning;
    this.load(
      1,
      rows.map(({ offset }) => ({
        offset,
        cells: [...wanted.offsets].filter(([, column]) => column.has(offset))
          .map(([nid]) => ({ nid, state: "UP_TO_DATE" })),
      })),
    );
  }

  /**
   * Takes readability from the cells of nodes that do not run; when it is called because `lost`
   * was lost, that one keeps what nobody else has.
   */
  outdate(isRunning: (nid: Nid) => boolean, lost?: Nid): CellChange[] {
    return this.#apply(this.toRows().flatMap((row) => outdatedCells(row, isRunning, lost)));
  }

  /**
   * Removes nodes for good. Throws a Refusal, and changes nothing, when the only readable copies of
   * a partition would go.
   */
  dropNodes(nids: Iterable<Nid>): CellChange[] {
    const dropped = new Set(nids);
    const changes = this.#drops(dropped);
    for (const nid of dropped) this.#members.delete(nid);
    return this.#apply(changes);
  }

  /** Throws the Refusal that {@link dropNodes} would throw, and changes nothing. */
  checkKill(nids: Iterable<Nid>): void {
    this.#drops(new Set(nids));
  }

  #drops(dropped: ReadonlySet<Nid>): CellChange[] {
    return this.toRows().flatMap((row) => droppedCells(row, dropped));
  }

  /**
   * Spreads the database evenly over the members that are candidates (nodes that run) and not
   * excluded; the others lose their cells as soon as they can be spared. Changes nothing when it is
   * called again with the same nodes. Throws a Refusal when no node would be left.
   */
  tweak(
    candidates: Iterable<Candidate>,
    excluded: ReadonlySet<Nid>,
    isNeeded = neverNeeded,
  ): CellChange[] {
    const staying = [...candidates].filter(({ nid }) =>
      this.#members.has(nid) && !excluded.has(nid)
    );
    if (staying.length === 0) {
      throw new Refusal("PROTOCOL_ERROR", "No node would be left in the partition table", false);
    }
    const rows = this.toRows();
    const wanted = wantedTable({ rows, replicas: this.replicas, candidates: staying });
    this.#warning = wanted.warning;
    return this.#apply(changesTowards(wanted, { rows, isNeeded }));
  }

  /** A node has asked what is unfinished in these partitions: it may become complete in them. */
  markUpdatable(nid: Nid, offsets: Iterable<number>): void {
    for (const offset of offsets) {
      const cell = this.cell(offset, nid);
      if (cell !== undefined && !isReadable(cell.state)) this.#updatable[offset]?.add(nid);
    }
  }

  /**
   * Whether a cell may become readable: it is OUT_OF_DATE, and {@link markUpdatable} was called
   * since it could last be read. Throws a Refusal for what is no partition.
   */
  isCompleting(offset: number, nid: Nid): boolean {
    if (offset >= this.partitions) throw new Refusal("PROTOCOL_ERROR", "Non-assigned partition");
    return this.cell(offset, nid)?.state === "OUT_OF_DATE" &&
      this.#updatable[offset]?.has(nid) === true;
  }

  /**
   * A node says that its cell is complete; FEEDING cells that are no longer needed go. Nothing
   * happens for a cell that is not {@link isCompleting | completing}: the news is late. Throws a
   * Refusal for what is no partition.
   */
  setUpToDate(offset: number, nid: Nid, isNeeded = neverNeeded): CellChange[] {
    if (!this.isCompleting(offset, nid)) return [];
    const complete: Cell = { nid, state: "UP_TO_DATE" };
    const cells = this.cells(offset).map((other) => other.nid === nid ? complete : other);
    return this.#apply([{ offset, ...complete }, ...this.#fedEnough({ offset, cells }, isNeeded)]);
  }

  /** FEEDING cells that were kept because they were needed go from these partitions, or all. */
  discardNeedless(isNeeded: IsNeeded, offsets?: Iterable<number>): CellChange[] {
    const changes: CellChange[] = [];
    for (const offset of offsets ?? Array.from({ length: this.partitions }, (_, at) => at)) {
      changes.push(...this.#fedEnough({ offset, cells: this.cells(offset) }, isNeeded));
    }
    return this.#apply(changes);
  }

  #fedEnough(row: Row, isNeeded: IsNeeded): CellChange[] {
    const onlyFeeds = (nid: Nid) => this.#onlyFeeds(nid);
    return fedEnough(row, { replicas: this.replicas, onlyFeeds, isNeeded });
  }

  #onlyFeeds(nid: Nid): boolean {
    return this.toRows().every(({ cells }) =>
      cells.every((cell) => cell.nid !== nid || cell.state === "FEEDING")
    );
  }

  /** A check found the cells of these nodes to differ from the others'. */
  setCorrupted(offset: number, nids: Iterable<Nid>): CellChange[] {
    const corrupted = new Set(nids);
    return this.#apply(
      this.cells(offset)
        .filter(({ nid, state }) => corrupted.has(nid) && state !== "CORRUPTED")
        .map(({ nid }) => ({ offset, nid, state: "CORRUPTED" })),
    );
  }

  #apply(changes: CellChange[]): CellChange[] {
    if (changes.length === 0) return changes;
    this.#table.update((this.ptid ?? 0) + 1, changes);
    for (const { offset, nid, state } of changes) {
      if (state !== "DISCARDED") this.#members.add(nid);
      this.#updatable[offset]?.delete(nid);
    }
    return changes;
  }
}
