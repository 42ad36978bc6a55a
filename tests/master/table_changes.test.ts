/** How single cells change: nodes are lost, dropped, become complete, are found corrupted. */

import assert from "node:assert/strict";
import type { Nid } from "../../nodes/codec/ids.ts";
import { MasterTable } from "../../nodes/master/table/master_table.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { S, table, texts } from "./tables.ts";

function running(...numbers: number[]): (nid: Nid) => boolean {
  const nids = new Set(numbers.map(S));
  return (nid) => nids.has(nid);
}

function candidates(...numbers: number[]) {
  return numbers.map((number) => ({ nid: S(number), devpath: [] }));
}

Deno.test("the example of the documentation: 5 partitions, 1 replica, 4 nodes", () => {
  const made = new MasterTable(5, 1);
  made.create(candidates(1, 2, 3, 4));
  assert.deepEqual(texts(made), ["S1:U S2:U", "S3:U S4:U", "S1:U S2:U", "S3:U S4:U", "S1:U S2:U"]);
});

Deno.test("nodes that a new table leaves without cells do not take part", () => {
  const made = new MasterTable(2, 0);
  made.create(candidates(1, 2, 3));
  assert.deepEqual([...made.members], [S(1), S(2)]);
  assert.throws(() => made.create(candidates(1)), RangeError);
  assert.throws(() => new MasterTable(2, 0).create([]), RangeError);
});

Deno.test("cells of nodes that do not run become out of date, and fed ones go", () => {
  const outdated = table(1, "S1:U S2:U", "S1:F S2:U S3:O", "S2:U S3:C", "S2:U S3:U");
  const changes = outdated.outdate(running(2, 3));
  assert.deepEqual(texts(outdated), ["S1:O S2:U", "S2:U S3:O", "S2:U S3:C", "S2:U S3:U"]);
  assert.deepEqual(changes, [
    { offset: 0, nid: S(1), state: "OUT_OF_DATE" },
    { offset: 1, nid: S(1), state: "DISCARDED" },
  ]);
  assert.equal(outdated.ptid, 2);
  assert.deepEqual(outdated.outdate(running(2, 3)), []);
  assert.equal(outdated.ptid, 2);
});

Deno.test("a lost node keeps what nobody else can serve, so that it can come back", () => {
  const lost = table(1, "S1:U S2:U", "S1:U S2:O", "S1:U S3:U", "S1:F S3:U");
  lost.outdate(running(2), S(1));
  // S3 does not run either, but it is not the one that was lost.
  assert.deepEqual(texts(lost), ["S1:O S2:U", "S1:U S2:O", "S1:U S3:O", "S1:F S3:O"]);
});

Deno.test("whether a table is operational", () => {
  const some = table(1, "S1:U S2:O", "S1:F S2:U");
  assert.equal(some.isOperational(running(1)), true);
  assert.equal(some.isOperational(running(2)), false);
  assert.equal(some.isOperational(running(1, 2), new Set([S(1)])), false);
  assert.equal(some.isOperational(running(1, 2), new Set([S(2)])), true);
  assert.equal(table(0, "S1:U", "").isOperational(running(1)), false);
  assert.equal(table(0, "S1:U", "").filled, false);
});

Deno.test("dropping takes all cells of a node, and who fed keeps its cell instead", () => {
  const dropped = table(1, "S1:U S2:F S3:O", "S1:O S3:U", "S2:U S3:U", "S1:C S3:U");
  dropped.checkKill([S(1)]);
  const changes = dropped.dropNodes([S(1)]);
  assert.deepEqual(texts(dropped), ["S2:U S3:O", "S3:U", "S2:U S3:U", "S3:U"]);
  assert.deepEqual(changes.filter(({ state }) => state === "UP_TO_DATE"), [
    { offset: 0, nid: S(2), state: "UP_TO_DATE" },
  ]);
  assert.equal(dropped.ptid, 2);
  assert.deepEqual([...dropped.members], [S(2), S(3)]);
  assert.deepEqual(dropped.dropNodes([S(9)]), []);
  assert.equal(dropped.ptid, 2);
});

Deno.test("the only readable copy can't be dropped or killed", () => {
  for (const row of ["S1:U S2:O", "S1:F S2:O", "S1:U", "S1:U S2:C", "S1:U S3:U"]) {
    const refusing = table(1, "S1:U S2:U", row);
    const nids = [S(1), S(3)];
    const expected = {
      code: "PROTOCOL_ERROR",
      fatal: false,
      message: "Refuse to drop nodes that contain the only readable copies of partition 1",
    };
    assert.throws(() => refusing.checkKill(nids), expected);
    assert.throws(() => refusing.dropNodes(nids), expected);
    assert.deepEqual(texts(refusing), ["S1:U S2:U", row]);
    assert.equal(refusing.ptid, 1);
    assert.equal(refusing.members.has(S(1)), true);
  }
});

Deno.test("a cell becomes complete only if its node asked what it has to wait for", () => {
  const fresh = table(1, "S1:U S2:O", "S1:U S2:U");
  assert.deepEqual(fresh.setUpToDate(0, S(2)), []);
  fresh.markUpdatable(S(2), [0, 1]);
  assert.deepEqual(fresh.setUpToDate(1, S(2)), []);
  assert.deepEqual(fresh.setUpToDate(0, S(2)), [{ offset: 0, nid: S(2), state: "UP_TO_DATE" }]);
  assert.equal(fresh.ptid, 2);
  fresh.outdate(running(1));
  assert.equal(fresh.isCompleting(0, S(2)), false);
  assert.deepEqual(fresh.setUpToDate(0, S(2)), []);
  // A tweak may have taken the cell meanwhile.
  assert.deepEqual(fresh.setUpToDate(0, S(3)), []);
  assert.throws(
    () => fresh.setUpToDate(2, S(2)),
    (error: unknown) =>
      error instanceof Refusal && error.fatal && error.message === "Non-assigned partition",
  );
});

/** Completes one cell and tells what the row is then. */
function completed(replicas: number, storage: number, ...rows: string[]): string | undefined {
  const completing = table(replicas, ...rows);
  completing.markUpdatable(S(storage), [0]);
  completing.setUpToDate(0, S(storage));
  return texts(completing)[0];
}

Deno.test("feeding cells go as soon as they are not needed", () => {
  assert.equal(completed(0, 2, "S1:F S2:O"), "S2:U");
  assert.equal(completed(1, 3, "S1:F S2:U S3:O"), "S2:U S3:U");
  assert.equal(completed(1, 3, "S1:F S2:F S3:O S4:O"), "S2:F S3:U S4:O");
  assert.equal(completed(1, 4, "S1:F S2:U S3:U S4:O S5:O"), "S2:U S3:U S4:U S5:O");
  assert.equal(completed(2, 3, "S1:F S3:O S4:O"), "S1:F S3:U S4:O");
  // A corrupted cell does not count as a copy.
  assert.equal(completed(1, 3, "S1:F S2:C S3:O"), "S1:F S2:C S3:U");
  // S2 is about to be emptied: it goes first.
  assert.equal(completed(1, 3, "S1:F S2:F S3:O S4:O", "S1:U S2:F"), "S1:F S3:U S4:O");
});

Deno.test("corrupted cells stay, and are not read", () => {
  const checked = table(2, "S1:U S2:U S3:C");
  assert.deepEqual(checked.setCorrupted(0, [S(2), S(3), S(9)]), [
    { offset: 0, nid: S(2), state: "CORRUPTED" },
  ]);
  assert.deepEqual(checked.readableCells(0), [{ nid: S(1), state: "UP_TO_DATE" }]);
  assert.equal(checked.cell(0, S(2))?.state, "CORRUPTED");
});

Deno.test("a tweak has corrupted cells replicated again, as long as there is a good copy", () => {
  const nodes = candidates(1, 2);
  const some = table(1, "S1:U S2:C", "S1:C S2:U", "S1:C S2:C");
  const changes = some.tweak(nodes, new Set());
  assert.deepEqual(texts(some), ["S1:U S2:O", "S1:O S2:U", "S1:C S2:C"]);
  assert.equal(changes.length, 2);
  assert.deepEqual(some.tweak(nodes, new Set()), []);
});

Deno.test("a member without cells can be forgotten, others stay", () => {
  const some = table(0, "S1:U");
  some.addMembers([S(2)]);
  some.removeMember(S(1));
  some.removeMember(S(2));
  assert.deepEqual([...some.members], [S(1)]);
  some.clear();
  assert.deepEqual([some.ptid, some.members.size, some.nodeIds().size], [null, 0, 0]);
});
