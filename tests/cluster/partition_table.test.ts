import assert from "node:assert/strict";
import { CELL_STATES, type CellChange } from "../../gen/packets.ts";
import { oid } from "../../nodes/codec/ids.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { isReadable, PartitionTable } from "../../nodes/cluster/partition_table.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";

const S1 = nodeId("STORAGE", 1);
const S2 = nodeId("STORAGE", 2);
const S3 = nodeId("STORAGE", 3);

function loaded(): PartitionTable {
  const table = new PartitionTable(2, 1);
  table.load(7, [
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }] },
    { offset: 1, cells: [{ nid: S2, state: "FEEDING" }] },
  ]);
  return table;
}

Deno.test("a new table has no version and no cell", () => {
  const table = new PartitionTable(3, 0);
  assert.equal(table.ptid, null);
  assert.equal(table.filled, false);
  assert.equal(table.isOperational(() => true), false);
  assert.deepEqual(table.toRows(), [0, 1, 2].map((offset) => ({ offset, cells: [] })));
});

Deno.test("a table is loaded whole, and replaces the one before", () => {
  const table = loaded();
  assert.equal(table.ptid, 7);
  assert.equal(table.filled, true);
  assert.deepEqual(table.cell(0, S2), { nid: S2, state: "OUT_OF_DATE" });
  assert.equal(table.cell(1, S1), undefined);
  assert.deepEqual([...table.nodeIds()], [S1, S2]);
  table.load(8, [{ offset: 1, cells: [{ nid: S3, state: "UP_TO_DATE" }] }]);
  assert.equal(table.ptid, 8);
  assert.equal(table.filled, false);
  assert.deepEqual([...table.nodeIds()], [S3]);
  table.clear();
  assert.equal(table.ptid, null);
  assert.deepEqual([...table.nodeIds()], []);
});

Deno.test("changes add, change and discard cells, each at its place", () => {
  const table = loaded();
  const change = (offset: number, nid: typeof S1, state: CellChange["state"]) => ({
    offset,
    nid,
    state,
  });
  table.update(8, [
    change(0, S1, "FEEDING"),
    change(0, S3, "OUT_OF_DATE"),
    change(1, S2, "DISCARDED"),
    change(1, S1, "UP_TO_DATE"),
  ]);
  assert.equal(table.ptid, 8);
  assert.deepEqual(table.toRows(), [
    {
      offset: 0,
      cells: [
        { nid: S1, state: "FEEDING" },
        { nid: S2, state: "OUT_OF_DATE" },
        { nid: S3, state: "OUT_OF_DATE" },
      ],
    },
    { offset: 1, cells: [{ nid: S1, state: "UP_TO_DATE" }] },
  ]);
  table.update(9, [change(1, S3, "DISCARDED")]);
  assert.equal(table.cells(1).length, 1);
});

Deno.test("a partition that the database does not have changes nothing", () => {
  const table = loaded();
  const before = table.toRows();
  const bad = { offset: 2, nid: S1, state: "UP_TO_DATE" } as const;
  const good = { offset: 0, nid: S1, state: "OUT_OF_DATE" } as const;
  assert.throws(() => table.update(8, [good, bad]), Refusal);
  assert.throws(() => table.load(8, [{ offset: 2, cells: [] }]), {
    name: "Refusal",
    message: "expected a partition below 2, found 2",
  });
  assert.equal(table.ptid, 7);
  assert.deepEqual(table.toRows(), before);
});

Deno.test("cells can be read where they are complete", () => {
  assert.deepEqual(CELL_STATES.filter(isReadable), ["UP_TO_DATE", "FEEDING"]);
  const table = loaded();
  assert.deepEqual(table.readableCells(0).map(({ nid }) => nid), [S1]);
  assert.deepEqual(table.readableCells(1).map(({ nid }) => nid), [S2]);
});

Deno.test("a table is operational when each partition can be read somewhere", () => {
  const table = loaded();
  assert.equal(table.isOperational(() => true), true);
  assert.equal(table.isOperational((id) => id === S1), false);
  assert.equal(table.isOperational((id) => id === S2), false);
  assert.equal(table.isOperational((id) => id !== S3), true);
});

Deno.test("ids belong to partitions by their remainder", () => {
  const table = loaded();
  assert.equal(table.partition(oid(4n)), 0);
  assert.equal(table.partition(oid(5n)), 1);
});
