/**
 * The partition table on disk. In `pt.tid`, a state is stored as its negated number; only an own
 * cell that is OUT_OF_DATE has a tid there: up to it, the cell is complete.
 */

import { CELL_STATES, type CellChange, type CellState, type Row } from "../../../../gen/packets.ts";
import { type Nid, nid, type Tid, tid, ZERO_TID } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { SqlStatement } from "../../../host/host.ts";
import type { StoredTable } from "../backend.ts";
import { integerOf } from "./columns.ts";
import type { Connection, WriteStatement } from "./connection.ts";
import type { LastIds } from "./last_ids.ts";
import type { SqliteSettings } from "./settings.ts";

/** What is stored for a readable cell is from -2 to this. */
const UP_TO_DATE = -1n;
const CORRUPTED = -3n;

export class SqlitePartitionTable implements StoredTable {
  readonly #settings: SqliteSettings;
  readonly #lastIds: LastIds;
  readonly #all: SqlStatement;
  readonly #own: SqlStatement;
  readonly #set: WriteStatement;
  readonly #delete: WriteStatement;
  readonly #clear: WriteStatement;
  readonly #setProgress: WriteStatement;

  constructor(connection: Connection, settings: SqliteSettings, lastIds: LastIds) {
    this.#settings = settings;
    this.#lastIds = lastIds;
    this.#all = connection.read("SELECT partition, nid, tid FROM pt ORDER BY partition, nid");
    this.#own = connection.read("SELECT partition, tid FROM pt WHERE nid = ?");
    this.#set = connection.write("REPLACE INTO pt (partition, nid, tid) VALUES (?, ?, ?)");
    this.#delete = connection.write("DELETE FROM pt WHERE partition = ? AND nid = ?");
    this.#clear = connection.write("DELETE FROM pt");
    this.#setProgress = connection.write(
      "UPDATE pt SET tid = ? WHERE partition = ? AND nid = ? AND tid >= 0",
    );
  }

  load(): Row[] {
    const rows = Array.from(
      { length: this.#settings.knownPartitions },
      (_, offset): { offset: number; cells: { nid: Nid; state: CellState }[] } => ({
        offset,
        cells: [],
      }),
    );
    for (const row of this.#all.all()) {
      const offset = Number(integerOf(row.partition));
      const cells = rows[offset]?.cells;
      if (cells === undefined) {
        throw new DatabaseError(
          `the database has a cell of partition ${offset}, and only ${rows.length} partitions`,
        );
      }
      cells.push({ nid: nid(Number(integerOf(row.nid))), state: stateOf(integerOf(row.tid)) });
    }
    return rows;
  }

  replace(ptid: number, rows: readonly Row[]): void {
    const own = this.#ownCells();
    this.#clear.run();
    this.#settings.ptid = ptid;
    for (const { offset, cells } of rows) {
      for (const { nid, state } of cells) this.#store({ offset, nid, state }, own);
    }
  }

  change(ptid: number, changes: readonly CellChange[]): void {
    const own = this.#ownCells();
    this.#settings.ptid = ptid;
    for (const change of changes) this.#store(change, own);
  }

  progress(): Map<number, Tid> {
    const found = new Map<number, Tid>();
    for (const [offset, value] of this.#ownCells()) {
      if (value >= 0n) found.set(offset, tid(value));
    }
    return found;
  }

  setProgress(offset: number, tid: Tid): void {
    this.#setProgress.run(tid, offset, this.#settings.nid);
  }

  #ownCells(): Map<number, bigint> {
    const own = new Map<number, bigint>();
    for (const row of this.#own.all(this.#settings.nid)) {
      own.set(Number(integerOf(row.partition)), integerOf(row.tid));
    }
    return own;
  }

  #store({ offset, nid, state }: CellChange, own: ReadonlyMap<number, bigint>): void {
    if (state === "DISCARDED") {
      this.#delete.run(offset, nid);
      return;
    }
    const value = state === "OUT_OF_DATE" && nid === this.#settings.nid
      ? this.#progressOf(offset, own.get(offset))
      : -BigInt(CELL_STATES.indexOf(state));
    this.#set.run(offset, nid, value);
  }

  /** Up to where an own cell that is now OUT_OF_DATE is complete; `stored` is what it was. */
  #progressOf(offset: number, stored: bigint | undefined): bigint {
    // A cell that was outdated already has got newer rows, with holes before them.
    if (stored !== undefined && stored >= 0n) return stored;
    if (stored === undefined || stored <= CORRUPTED) return 0n;
    const { backupTid } = this.#settings;
    if (backupTid !== null && backupTid !== ZERO_TID) return backupTid;
    return this.#lastIds.tidOfPartition(offset) ?? ZERO_TID;
  }
}

function stateOf(value: bigint): CellState {
  const state = value > UP_TO_DATE ? "OUT_OF_DATE" : CELL_STATES[Number(-value)];
  if (state !== undefined) return state;
  throw new DatabaseError(`the database is damaged: expected a state of a cell, found ${value}`);
}
