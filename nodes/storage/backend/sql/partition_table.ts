/**
 * The partition table on disk. In `pt.tid`, a state is stored as its negated number; only an own
 * cell that is OUT_OF_DATE has a tid there: up to it, the cell is complete.
 */

import { CELL_STATES, type CellChange, type CellState, type Row } from "../../../../gen/packets.ts";
import { type Nid, nid, type Tid, tid, ZERO_TID } from "../../../codec/ids.ts";
import { isReadable } from "../../../cluster/partition_table.ts";
import { DatabaseError } from "../../../errors.ts";
import type { SqlRow } from "../../../host/host.ts";
import type { StoredTable } from "../backend.ts";
import { type Eventual, eventually, got, type Steps, then, unawaited } from "../eventual.ts";
import { integerOf } from "./columns.ts";
import type { ReadStatement, SqlConnection, WriteStatement } from "./connection.ts";
import type { LastIds } from "./last_ids.ts";
import type { SqlSettings } from "./settings.ts";

/** What is stored for a readable cell is from -2 to this. */
const UP_TO_DATE = -1n;
const CORRUPTED = -3n;

/** For more there is no room in any kind of database. */
const MAX_PARTITIONS = 65_535n;

export class SqlPartitionTable implements StoredTable {
  readonly #connection: SqlConnection;
  readonly #settings: SqlSettings;
  readonly #lastIds: LastIds;
  readonly #all: ReadStatement;
  readonly #own: ReadStatement;
  readonly #set: WriteStatement;
  readonly #delete: WriteStatement;
  readonly #clear: WriteStatement;
  readonly #setProgress: WriteStatement;

  constructor(connection: SqlConnection, settings: SqlSettings, lastIds: LastIds) {
    this.#connection = connection;
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

  load(): Eventual<Row[]> {
    return then(this.#connection.inOrder(() => this.#all.all()), (found) => {
      const rows = Array.from(
        { length: this.#settings.partitions ?? partitionsOf(found) },
        (_, offset): { offset: number; cells: { nid: Nid; state: CellState }[] } => ({
          offset,
          cells: [],
        }),
      );
      for (const row of found) {
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
    });
  }

  replace(ptid: number, rows: readonly Row[]): void {
    unawaited(this.#connection.atomically(() => eventually(this.#replace(ptid, rows))));
  }

  *#replace(ptid: number, rows: readonly Row[]): Steps<void> {
    const own = yield* got(this.#ownCells());
    this.#lowerBackupTid(rows, own);
    this.#clear.run();
    this.#settings.writePtid(ptid);
    for (const { offset, cells } of rows) {
      for (const { nid, state } of cells) yield* this.#store({ offset, nid, state }, own);
    }
  }

  /**
   * Cells that became readable while nobody could tell this node are as far as they were
   * replicated, which may be less than its other cells have.
   */
  #lowerBackupTid(rows: readonly Row[], own: ReadonlyMap<number, bigint>): void {
    const { backupTid, nid } = this.#settings;
    if (backupTid === null) return;
    const wasReadable = (value: bigint | undefined) =>
      value !== undefined && isReadable(stateOf(value));
    const tids = [...own.values()].some(wasReadable) ? [backupTid] : [];
    let hasNew = false;
    for (const { offset, cells } of rows) {
      const value = own.get(offset);
      if (wasReadable(value)) continue;
      if (!cells.some((cell) => cell.nid === nid && isReadable(cell.state))) continue;
      hasNew = true;
      tids.push(value !== undefined && value >= 0n ? tid(value) : ZERO_TID);
    }
    if (hasNew) this.#settings.writeBackupTid(tids.reduce((a, b) => a < b ? a : b));
  }

  change(ptid: number, changes: readonly CellChange[]): void {
    unawaited(this.#connection.atomically(() => eventually(this.#change(ptid, changes))));
  }

  *#change(ptid: number, changes: readonly CellChange[]): Steps<void> {
    const own = yield* got(this.#ownCells());
    this.#settings.writePtid(ptid);
    for (const change of changes) yield* this.#store(change, own);
  }

  progress(): Eventual<Map<number, Tid>> {
    return then(this.#connection.inOrder(() => this.#ownCells()), (cells) => {
      const found = new Map<number, Tid>();
      for (const [offset, value] of cells) {
        if (value >= 0n) found.set(offset, tid(value));
      }
      return found;
    });
  }

  setProgress(offset: number, tid: Tid): void {
    this.#connection.inOrder(() => this.#setProgress.run(tid, offset, this.#settings.nid));
  }

  #ownCells(): Eventual<Map<number, bigint>> {
    return then(this.#own.all(this.#settings.nid), (rows) => {
      const own = new Map<number, bigint>();
      for (const row of rows) own.set(Number(integerOf(row.partition)), integerOf(row.tid));
      return own;
    });
  }

  *#store({ offset, nid, state }: CellChange, own: ReadonlyMap<number, bigint>): Steps<void> {
    if (state === "DISCARDED") {
      this.#delete.run(offset, nid);
      return;
    }
    const value = state === "OUT_OF_DATE" && nid === this.#settings.nid
      ? yield* this.#progressOf(offset, own.get(offset))
      : -BigInt(CELL_STATES.indexOf(state));
    this.#set.run(offset, nid, value);
  }

  /** Up to where an own cell that is now OUT_OF_DATE is complete; `stored` is what it was. */
  *#progressOf(offset: number, stored: bigint | undefined): Steps<bigint> {
    // A cell that was outdated already has got newer rows, with holes before them.
    if (stored !== undefined && stored >= 0n) return stored;
    if (stored === undefined || stored <= CORRUPTED) return 0n;
    const { backupTid } = this.#settings;
    // Behind the last row of a backup's cell, there are holes.
    if (backupTid !== null) return backupTid;
    return (yield* got(this.#lastIds.tidOfPartition(offset))) ?? ZERO_TID;
  }
}

/** NEO 1.12 stores no number of partitions: each has cells in the table, in order. */
function partitionsOf(rows: readonly SqlRow[]): number {
  const last = rows.at(-1)?.partition;
  if (last === undefined) return 0;
  const offset = integerOf(last);
  if (offset >= 0n && offset < MAX_PARTITIONS) return Number(offset) + 1;
  throw new DatabaseError(`the database is damaged: expected a partition, found ${offset}`);
}

function stateOf(value: bigint): CellState {
  const state = value > UP_TO_DATE ? "OUT_OF_DATE" : CELL_STATES[Number(-value)];
  if (state !== undefined) return state;
  throw new DatabaseError(`the database is damaged: expected a state of a cell, found ${value}`);
}
