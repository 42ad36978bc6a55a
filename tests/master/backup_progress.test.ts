/** What a backup's storages are ordered, and how far the backup counts as complete. */

import assert from "node:assert/strict";
import type { CellState } from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import { nidText } from "../../nodes/cluster/node_ids.ts";
import { MAX_LATE_TIDS } from "../../nodes/master/backup/limits.ts";
import type { Order } from "../../nodes/master/backup/order.ts";
import { Progress } from "../../nodes/master/backup/progress.ts";
import type { IsNeeded } from "../../nodes/master/table/losses.ts";
import { MasterTable } from "../../nodes/master/table/master_table.ts";
import { S1, S2, S3, tidOf } from "./support.ts";

/** A backup of two partitions, each on S1 and S2, that is complete up to 100. */
class Case {
  readonly table = new MasterTable(2, 1);
  readonly progress = new Progress({ table: this.table, random: () => 0 });

  constructor(cells: readonly (readonly Nid[])[] = [[S1, S2], [S1, S2]], tid = 100) {
    this.table.load(
      1,
      cells.map((nids, offset) => ({
        offset,
        cells: nids.map((nid) => ({ nid, state: "UP_TO_DATE" })),
      })),
    );
    this.progress.begin(() => tidOf(tid));
  }

  connected(tid: number): string[] {
    return texts(this.progress.connected(tidOf(tid), () => true));
  }

  committed(tid: number, ...touched: number[]): string[] {
    return texts(this.progress.committed(tidOf(tid), new Set(touched), () => true));
  }

  done(nid: Nid, offset: number, tid: number): string[] {
    return texts(this.progress.replicated({ nid, offset, tid: tidOf(tid) }));
  }

  joins(nid: Nid, tid: number, needed: number): string[] | null {
    const order = this.progress.joins({ nid, offset: 0, tid: tidOf(tid) }, tidOf(needed));
    return order === null ? null : texts([order]);
  }

  /** What {@link comes} led to be ordered. */
  orders: string[] = [];

  /** A cell of partition 0 that is complete up to a tid becomes readable: returns the changes. */
  comes(nid: Nid, tid: number): CellState[] {
    const cell = { nid, offset: 0, tid: tidOf(tid) };
    this.table.markUpdatable(nid, [0]);
    this.progress.add(cell);
    const changes = this.table.setUpToDate(0, nid, this.isNeeded(null));
    this.orders = texts([...this.progress.tableChanged(), ...this.progress.joined(cell)]);
    return changes.map(({ state }) => state);
  }

  isNeeded(endTid: number | null): IsNeeded {
    return (cell, staying) =>
      this.progress.isNeeded(cell, { staying, endTid: endTid === null ? null : tidOf(endTid) });
  }

  /** The cells that are discarded now. */
  discards(): Nid[] {
    const changes = this.table.discardNeedless(this.isNeeded(null));
    this.progress.tableChanged();
    return changes.map(({ nid }) => nid);
  }

  /** Puts a cell into another state, as the table that all nodes have. */
  cell(offset: number, nid: Nid, state: CellState | null): string[] {
    const rows = this.table.toRows().map((row) => {
      if (row.offset !== offset) return row;
      const others = row.cells.filter((cell) => cell.nid !== nid);
      return { offset, cells: state === null ? others : [...others, { nid, state }] };
    });
    this.table.load(2, rows);
    return texts(this.progress.tableChanged());
  }

  /** Up to where: some cell of each partition; all cells; all as far as their storages know. */
  get tids(): number[] {
    const { backupTid, knownTid } = this.progress;
    return [backupTid, this.progress.completeTid(), knownTid].map(Number);
  }
}

/** `S1: 0 up to 5 from S2`. */
function texts(orders: readonly Order[]): string[] {
  return orders.map(({ nid, offset, tid, source }) =>
    `${nidText(nid)}: ${offset} up to ${tid} from ` +
    (typeof source === "string" ? source : nidText(source))
  );
}

Deno.test("one storage of each partition fetches what was missed, the others follow it", () => {
  const backup = new Case();
  assert.deepEqual(backup.connected(150), [
    "S1: 0 up to 150 from UPSTREAM",
    "S1: 1 up to 150 from UPSTREAM",
  ]);
  assert.deepEqual(backup.tids, [100, 100, 100]);
  assert.deepEqual(backup.done(S1, 0, 150), ["S2: 0 up to 150 from S1"]);
  assert.deepEqual(backup.done(S1, 1, 150), ["S2: 1 up to 150 from S1"]);
  assert.deepEqual(backup.tids, [150, 100, 100]);
  assert.deepEqual(backup.done(S2, 0, 150), []);
  assert.deepEqual(backup.done(S2, 1, 150), []);
  assert.deepEqual(backup.tids, [150, 150, 150]);
});

Deno.test("what has everything is not replicated when upstream is reached again", () => {
  const backup = new Case();
  assert.deepEqual(backup.connected(100), []);
  backup.progress.disconnected();
  assert.deepEqual(backup.connected(100), []);
  assert.deepEqual(backup.tids, [100, 100, 100]);
});

Deno.test("a transaction is fetched where it wrote, and other cells only hear of it", () => {
  const backup = new Case();
  backup.connected(100);
  assert.deepEqual(backup.committed(110, 1), [
    "S1: 0 up to 110 from NOTHING",
    "S2: 0 up to 110 from NOTHING",
    "S1: 1 up to 110 from UPSTREAM",
  ]);
  // Nothing was committed between the last one and this.
  assert.deepEqual(backup.tids, [109, 109, 100]);
  backup.done(S1, 1, 110);
  backup.done(S2, 1, 110);
  assert.deepEqual(backup.tids, [110, 110, 110]);
});

Deno.test("a cell that lacks only what comes later counts as complete up to there", () => {
  const backup = new Case([[S1], [S1]]);
  backup.connected(100);
  assert.deepEqual(backup.committed(110, 0), [
    "S1: 0 up to 110 from UPSTREAM",
    "S1: 1 up to 110 from NOTHING",
  ]);
  backup.committed(120, 1);
  assert.deepEqual(backup.committed(130, 0), ["S1: 0 up to 130 from UPSTREAM"]);
  backup.done(S1, 1, 120);
  backup.done(S1, 0, 110);
  // Nothing of partition 0 was between 110 and 130; but its storage knows of 110 only.
  assert.deepEqual(backup.tids, [129, 129, 110]);
  backup.done(S1, 0, 130);
  assert.deepEqual(backup.tids, [130, 130, 130]);
});

Deno.test("nothing is concluded from progress below what was missed", () => {
  const backup = new Case([[S1], [S1]]);
  // Between 100 and 200, any transaction may have touched both.
  backup.connected(200);
  backup.done(S1, 0, 150);
  assert.equal(backup.progress.completeTid([0]), tidOf(150));
  backup.done(S1, 0, 200);
  assert.equal(backup.progress.completeTid([0]), tidOf(200));
});

Deno.test("storages that have replicated all hear of what was committed elsewhere since", () => {
  const backup = new Case([[S1], [S1]]);
  backup.connected(100);
  backup.committed(110, 0);
  backup.committed(120, 1);
  assert.deepEqual(backup.done(S1, 0, 110), ["S1: 0 up to 120 from NOTHING"]);
  assert.equal(backup.progress.completeTid([0]), tidOf(120));
});

Deno.test("a storage that is busy with a cell is not taken to know of anything else", () => {
  const backup = new Case([[S1], [S1]]);
  backup.connected(100);
  backup.committed(110, 0);
  backup.committed(120, 0);
  backup.committed(130, 1);
  backup.done(S1, 0, 110);
  backup.done(S1, 1, 130);
  assert.deepEqual(backup.tids, [119, 119, 110]);
});

Deno.test("of many transactions that are late, only the first are told apart", () => {
  const backup = new Case([[S1], [S1]]);
  backup.connected(100);
  backup.committed(101, 1);
  backup.done(S1, 1, 101);
  const last = 1000 + MAX_LATE_TIDS * 4;
  for (let tid = 1000; tid <= last; tid += 2) backup.committed(tid, 0);
  backup.done(S1, 0, 1000);
  assert.equal(backup.progress.completeTid([0]), tidOf(1001));
  const middle = 1000 + MAX_LATE_TIDS * 3;
  backup.done(S1, 0, middle);
  assert.equal(backup.progress.completeTid([0]), tidOf(middle));
  backup.done(S1, 0, last);
  backup.committed(last + 1, 1);
  assert.equal(backup.progress.completeTid([0]), tidOf(last + 1));
});

Deno.test("another storage takes over from a primary that is lost", () => {
  const backup = new Case([[S1, S2, S3], [S2]]);
  backup.connected(150);
  backup.done(S1, 0, 150);
  backup.done(S3, 0, 150);
  backup.committed(160, 0);
  assert.deepEqual(backup.cell(0, S1, "OUT_OF_DATE"), [
    "S2: 0 up to 159 from S3",
    "S3: 0 up to 160 from UPSTREAM",
  ]);
  assert.deepEqual(backup.done(S3, 0, 160), ["S2: 0 up to 160 from S3"]);
});

Deno.test("corrupted cells do not hold back the others", () => {
  const backup = new Case();
  backup.connected(150);
  for (const offset of [0, 1]) backup.done(S1, offset, 150);
  for (const offset of [0, 1]) backup.cell(offset, S2, "CORRUPTED");
  assert.deepEqual(backup.tids, [150, 150, 150]);
});

Deno.test("a cell becomes readable when it has all that readers know of", () => {
  const backup = new Case([[S1], [S1, S2]]);
  backup.cell(0, S2, "OUT_OF_DATE");
  backup.connected(100);
  backup.committed(110, 0);
  backup.done(S1, 0, 110);
  for (const nid of [S1, S2]) backup.done(nid, 1, 110);
  // Readers know of 110, and this one has no more than 105.
  assert.deepEqual(backup.joins(S2, 105, 110), ["S2: 0 up to 110 from S1"]);
  // Nor are they told of anything that it will not have.
  backup.committed(120, 0);
  backup.done(S1, 0, 120);
  for (const nid of [S1, S2]) backup.done(nid, 1, 120);
  assert.deepEqual(backup.tids, [120, 120, 110]);
  assert.equal(backup.joins(S2, 110, 110), null);
  const cell = { nid: S2, offset: 0, tid: tidOf(110) };
  backup.progress.add(cell);
  backup.cell(0, S2, "UP_TO_DATE");
  assert.deepEqual(texts(backup.progress.joined(cell)), ["S2: 0 up to 120 from S1"]);
  assert.deepEqual(backup.tids, [120, 110, 110]);
  backup.done(S2, 0, 120);
  assert.deepEqual(backup.tids, [120, 120, 120]);
});

Deno.test("a cell goes on from upstream when the one that fed it is gone with its coming", () => {
  const backup = new Case([[S2], [S2]]);
  backup.cell(0, S2, "FEEDING");
  backup.cell(0, S1, "OUT_OF_DATE");
  backup.connected(100);
  backup.committed(120, 0);
  backup.done(S2, 0, 120);
  assert.equal(backup.joins(S1, 110, 100), null);
  // What only the other one has is not given up: upstream may be gone before it is fetched.
  assert.deepEqual(backup.comes(S1, 110), ["UP_TO_DATE"]);
  assert.deepEqual(backup.orders, ["S1: 0 up to 120 from UPSTREAM"]);
  assert.deepEqual(backup.tids.slice(0, 2), [120, 110]);
  assert.deepEqual(backup.discards(), []);
  // A backup that ends where this cell does needs no more.
  assert.equal(backup.isNeeded(110)({ offset: 0, nid: S2 }, [S1]), false);
  assert.deepEqual(backup.done(S1, 0, 120), []);
  assert.deepEqual(backup.discards(), [S2]);
  assert.deepEqual(backup.tids.slice(0, 2), [120, 120]);
});

Deno.test("a cell that is to go does not stay ahead of the one that it fed for ever", () => {
  const backup = new Case([[S2], [S2]]);
  backup.cell(0, S2, "FEEDING");
  backup.cell(0, S1, "OUT_OF_DATE");
  backup.connected(100);
  backup.committed(110, 0, 1);
  backup.done(S2, 0, 110);
  backup.comes(S1, 100);
  assert.deepEqual(backup.orders, ["S1: 0 up to 110 from UPSTREAM"]);
  // From now on, it is the one that fetches what is new, also when upstream was away.
  assert.deepEqual(backup.committed(120, 0, 1), [
    "S1: 0 up to 120 from UPSTREAM",
    "S2: 1 up to 120 from UPSTREAM",
  ]);
  backup.progress.disconnected();
  assert.deepEqual(backup.connected(130), [
    "S1: 0 up to 130 from UPSTREAM",
    "S2: 1 up to 130 from UPSTREAM",
  ]);
  assert.deepEqual(backup.discards(), []);
  backup.done(S1, 0, 130);
  assert.deepEqual(backup.discards(), [S2]);
});

Deno.test("a tweak takes no cell that has more than those that stay", () => {
  const backup = new Case([[S1, S2, S3], [S1, S2, S3]]);
  backup.connected(100);
  backup.committed(110, 0);
  backup.done(S1, 0, 110);
  backup.done(S3, 0, 110);
  const isNeeded = backup.isNeeded(null);
  const candidates = [S1, S2, S3].map((nid) => ({ nid, devpath: [] }));
  const tweak = () =>
    backup.table.tweak(candidates, new Set([S1, S3]), isNeeded)
      .map(({ offset, nid, state }) => `${offset} ${nidText(nid)} ${state}`);
  // Of two that have it, one stays until the last one has it, too.
  assert.deepEqual(tweak(), ["0 S1 FEEDING", "0 S3 DISCARDED", "1 S1 DISCARDED", "1 S3 DISCARDED"]);
  assert.deepEqual(tweak(), []);
  assert.deepEqual(texts(backup.progress.tableChanged()), []);
  assert.deepEqual(backup.done(S2, 0, 110), []);
  assert.deepEqual(backup.discards(), [S1]);
});

Deno.test("without upstream, a cell becomes readable only with all that the backup has", () => {
  const backup = new Case([[S2], [S2]]);
  backup.cell(0, S1, "OUT_OF_DATE");
  backup.connected(100);
  backup.committed(120, 0, 1);
  for (const offset of [0, 1]) backup.done(S2, offset, 120);
  assert.equal(backup.joins(S1, 110, 100), null);
  backup.progress.disconnected();
  assert.deepEqual(backup.joins(S1, 110, 100), ["S1: 0 up to 120 from S2"]);
  assert.equal(backup.joins(S1, 120, 100), null);
});

Deno.test("readers wait no more for a cell whose storage is lost again", () => {
  const backup = new Case([[S1], [S1]]);
  backup.cell(0, S2, "OUT_OF_DATE");
  backup.connected(100);
  assert.deepEqual(backup.joins(S2, 90, 100), ["S2: 0 up to 100 from S1"]);
  backup.committed(110, 0);
  backup.done(S1, 0, 110);
  assert.deepEqual(backup.tids, [110, 110, 100]);
  backup.progress.storageLost(S2);
  assert.deepEqual(backup.tids, [110, 110, 110]);
});

Deno.test("a cell that was being completed from a storage that is lost gets another source", () => {
  const backup = new Case([[S1, S3], [S1, S3]]);
  backup.cell(0, S2, "OUT_OF_DATE");
  backup.connected(100);
  assert.deepEqual(backup.joins(S2, 90, 100), ["S2: 0 up to 100 from S1"]);
  assert.deepEqual(backup.cell(0, S1, "OUT_OF_DATE"), ["S2: 0 up to 100 from S3"]);
});

Deno.test("before a backup ends, all cells get what the best one of their partition has", () => {
  const backup = new Case();
  backup.connected(150);
  for (const offset of [0, 1]) backup.done(S1, offset, 150);
  const { progress } = backup;
  progress.disconnected();
  progress.cancelled();
  assert.deepEqual(texts(progress.level(tidOf(150))), [
    "S2: 0 up to 150 from S1",
    "S2: 1 up to 150 from S1",
  ]);
  assert.deepEqual(progress.level(tidOf(150)), []);
  for (const offset of [0, 1]) assert.deepEqual(backup.done(S2, offset, 150), []);
  assert.deepEqual(backup.tids, [150, 150, 150]);
});

Deno.test("a backup that ends does not wait for what a lost storage was to give", () => {
  const backup = new Case([[S1, S2, S3], [S1]]);
  backup.connected(150);
  for (const offset of [0, 1]) backup.done(S1, offset, 150);
  backup.done(S3, 0, 150);
  const { progress } = backup;
  progress.disconnected();
  progress.cancelled();
  assert.deepEqual(texts(progress.level(tidOf(150))), ["S2: 0 up to 150 from S1"]);
  backup.cell(0, S1, "OUT_OF_DATE");
  progress.cancelled();
  assert.deepEqual(texts(progress.level(tidOf(150))), ["S2: 0 up to 150 from S3"]);
});
