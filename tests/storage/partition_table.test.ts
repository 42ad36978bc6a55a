/** The partition table on disk, and what happens to the rows of cells that are gone. */

import assert from "node:assert/strict";
import { AskPartitionTable, AskRecovery, StopOperation, Truncate } from "../../gen/packets.ts";
import { C1, C2, isPending, o, S1, S2, Stage, t } from "./support.ts";

const CELLS = "SELECT partition, nid, tid FROM pt ORDER BY partition, nid";

Deno.test("all cells of all nodes are stored, states as negated numbers", async () => {
  await using stage = await Stage.identified({ partitions: 3 });
  stage.ptid = 5;
  stage.sendTable([
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }] },
    { offset: 1, cells: [{ nid: S1, state: "OUT_OF_DATE" }, { nid: S2, state: "FEEDING" }] },
    { offset: 2, cells: [{ nid: S2, state: "CORRUPTED" }] },
  ]);
  const { ptid } = await stage.master.ask(AskRecovery, {});
  assert.equal(ptid, 5);
  assert.deepEqual(
    (await stage.onDisk(CELLS)).map(({ partition, nid, tid }) => [partition, nid, tid]),
    [
      [0n, 1n, -1n],
      [0n, 2n, 0n],
      [1n, 1n, 0n],
      [1n, 2n, -2n],
      [2n, 2n, -3n],
    ],
  );
  await stage.stop();
  await stage.start();
  await stage.next();
  assert.deepEqual((await stage.master.ask(AskPartitionTable, {})).rows, [
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }] },
    { offset: 1, cells: [{ nid: S1, state: "OUT_OF_DATE" }, { nid: S2, state: "FEEDING" }] },
    { offset: 2, cells: [{ nid: S2, state: "CORRUPTED" }] },
  ]);
});

Deno.test("a change is on disk when later orders are answered", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await client.store(t(100), { oid: o(0), data: "0" });
  await client.voteOnly(t(100));
  stage.change({ offset: 1, nid: S2, state: "OUT_OF_DATE" });
  await stage.finish(t(100));
  assert.deepEqual((await stage.onDisk(CELLS)).at(-1), { partition: 1n, nid: 2n, tid: 0n });
  assert.deepEqual(
    await stage.onDisk("SELECT value FROM config WHERE name = 'ptid'"),
    [{ value: "2" }],
  );
});

Deno.test("a backup that ends together with a new table has ended, whatever cells it brings", async () => {
  await using stage = await Stage.identified({ partitions: 2 });
  const [readable, other] = stage.rows("UP_TO_DATE");
  const [, outdated] = stage.rows("OUT_OF_DATE");
  assert.ok(readable && other && outdated);
  stage.sendTable([readable, outdated]);
  await stage.verify();
  await stage.operate({ backup: true });
  stage.master.notify(StopOperation, {});
  assert.equal((await stage.master.ask(AskRecovery, {})).backupTid, t(0));
  stage.ptid += 1;
  stage.sendTable([readable, other]);
  stage.master.notify(Truncate, { tid: t(5) });
  await stage.settled();
  const { backupTid, truncateTid } = await stage.master.ask(AskRecovery, {});
  assert.deepEqual([backupTid, truncateTid], [null, t(5)]);
  assert.deepEqual(await stage.onDisk("SELECT name FROM config WHERE name = 'backup_tid'"), []);
});

Deno.test("an own cell that becomes outdated remembers how far it is complete", async () => {
  await using stage = await Stage.operating({ partitions: 3 });
  const client = await stage.client();
  // The metadata of 100 is in partition 1, its object in partition 0.
  await stage.commit(client, t(100), [{ oid: o(0), data: "0" }]);
  stage.change({ offset: 0, state: "OUT_OF_DATE" });
  stage.change({ offset: 1, state: "OUT_OF_DATE" });
  stage.change({ offset: 2, state: "CORRUPTED" });
  await stage.settled();
  const own = "SELECT tid FROM pt WHERE nid = 1 ORDER BY partition";
  await stage.becomesOnDisk(own, [{ tid: 100n }, { tid: 100n }, { tid: -3n }]);
  // New rows in a cell that was outdated already prove nothing.
  assert.equal(await client.store(t(400), { oid: o(3), data: "3" }), t(0));
  await client.voteOnly(t(400));
  await stage.finish(t(400));
  stage.change({ offset: 0, state: "OUT_OF_DATE" }, { offset: 2, state: "OUT_OF_DATE" });
  await stage.settled();
  await stage.becomesOnDisk(own, [{ tid: 100n }, { tid: 100n }, { tid: 0n }]);
});

Deno.test("the rows of partitions that are not assigned are deleted with a whole table", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(0), data: "0" }, { oid: o(1), data: "1" }]);
  await stage.commit(client, t(201), [{ oid: o(1), serial: t(100), data: "11" }]);
  stage.change({ offset: 1, state: "DISCARDED" }, { offset: 1, nid: S2, state: "UP_TO_DATE" });
  await stage.becomesOnDisk("SELECT nid FROM pt ORDER BY partition", [{ nid: 1n }, { nid: 2n }]);
  assert.equal((await stage.onDisk("SELECT * FROM obj")).length, 3, "not while it operates");
  stage.master.notify(StopOperation, {});
  stage.sendTable([
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }] },
    { offset: 1, cells: [{ nid: S2, state: "UP_TO_DATE" }] },
  ]);
  await stage.verify();
  assert.ok(stage.lines.some((line) => /deletes the rows .* 1 of 2 partitions now/.test(line)));
  assert.deepEqual(await stage.onDisk("SELECT oid, tid FROM obj"), [{ oid: 0n, tid: 100n }]);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), [{ tid: 100n }]);
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 1);
});

Deno.test("--disable-drop-partitions keeps them", async () => {
  await using stage = await Stage.operating({ partitions: 2, dropPartitions: false });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "1" }]);
  stage.master.notify(StopOperation, {});
  stage.sendTable([
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }] },
    { offset: 1, cells: [{ nid: S2, state: "UP_TO_DATE" }] },
  ]);
  await stage.verify();
  assert.equal((await stage.onDisk("SELECT * FROM obj")).length, 1);
});

Deno.test("a partial table, and one that names unknown nodes, are refused", async () => {
  await using stage = await Stage.identified({ partitions: 2 });
  const refused = async (send: () => void, reason: string) => {
    const closed = new Promise<void>((resolve) => stage.master.onClose(resolve));
    send();
    await closed;
    await stage.next();
    assert(stage.lines.some((line) => line.includes(reason)), reason);
    assert.deepEqual(await stage.onDisk(CELLS), []);
  };
  const cell = { nid: S1, state: "UP_TO_DATE" } as const;
  await refused(
    () => stage.sendTable([{ offset: 0, cells: [cell] }, { offset: 1, cells: [] }]),
    "Partial partition table received",
  );
  await refused(
    () => stage.sendTable([{ offset: 0, cells: [cell] }]),
    "Partial partition table received",
  );
  await refused(
    () => stage.sendTable([{ offset: 0, cells: [cell] }, { offset: 7, cells: [cell] }]),
    "there is no partition 7",
  );
  await refused(
    () =>
      stage.sendTable([{ offset: 0, cells: [cell] }, {
        offset: 1,
        cells: [{ nid: C1, state: "UP_TO_DATE" }],
      }]),
    "C1 is no storage",
  );
});

Deno.test("a change that is not the next one is refused", async () => {
  await using stage = await Stage.operating();
  const closed = new Promise<void>((resolve) => stage.master.onClose(resolve));
  stage.ptid += 1;
  stage.change({ offset: 0, nid: S2, state: "OUT_OF_DATE" });
  await closed;
  assert(stage.lines.some((line) => line.includes("wrong partition table id")));
  assert.equal((await stage.onDisk(CELLS)).length, 1);
});

Deno.test("a cell that is discarded frees its locks, and what waited goes on", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const [first, second] = [await stage.client(C1), await stage.client(C2)];
  await first.store(t(100), { oid: o(1), data: "one" });
  await first.vote(t(100), [o(1)]);
  const waiting = second.store(t(200), { oid: o(1), data: "two" });
  assert(await isPending(waiting, second));
  stage.change({ offset: 1, state: "DISCARDED" });
  assert.equal(await waiting, t(0));
  await stage.finish(t(100));
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT id FROM data"), []);
  assert.deepEqual(await stage.onDisk("SELECT oid FROM obj"), []);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), [{ tid: 100n }]);
});
