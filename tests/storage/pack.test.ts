/** Packing: which revisions go, and who gets their data. */

import assert from "node:assert/strict";
import { AskObjectHistory, AskPack, AskTIDs } from "../../gen/packets.ts";
import { STEP_ROWS } from "../../nodes/storage/backend/sql/sliced_work.ts";
import { isPending, o, S2, Stage, t } from "./support.ts";

const REVISIONS = "SELECT oid, tid, data_id, value_tid FROM obj ORDER BY oid, tid";

function rowsOf(rows: Record<string, unknown>[]): unknown[][] {
  return rows.map((row) => Object.values(row));
}

Deno.test("a pack keeps what is needed to see the objects at its tid", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "a" }, { oid: o(2), data: "b" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "aa" }]);
  await stage.commit(client, t(300), [{ oid: o(1), serial: t(200), data: "aaa" }]);
  assert.deepEqual(await stage.master.ask(AskPack, { tid: t(250) }), { status: true });
  assert.deepEqual(rowsOf(await stage.onDisk("SELECT oid, tid FROM obj ORDER BY oid, tid")), [
    [1n, 200n],
    [1n, 300n],
    [2n, 100n],
  ]);
  assert.deepEqual(await stage.onDisk("SELECT value FROM config WHERE name = '_pack_tid'"), [
    { value: "250" },
  ]);
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 3, "the data went as well");
  await assert.rejects(client.load(o(1), t(100)), { code: "OID_NOT_FOUND" });
  assert.equal((await client.load(o(1), t(200))).data, "aa");
  const { tids } = await client.connection.ask(AskTIDs, { first: 0, last: 9, partition: 0 });
  assert.deepEqual(tids, [t(300), t(200), t(100)], "transactions stay");
  const { history } = await client.connection.ask(AskObjectHistory, {
    oid: o(1),
    first: 0,
    last: 9,
  });
  assert.deepEqual(history.map(({ serial }) => serial), [t(300)]);
  await assert.rejects(
    client.connection.ask(AskObjectHistory, { oid: o(2), first: 0, last: 9 }),
    { code: "OID_NOT_FOUND" },
  );
});

Deno.test("an object that was deleted goes whole", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "a" }, { oid: o(2), data: "b" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: null }]);
  await stage.commit(client, t(300), [{ oid: o(2), serial: t(100), data: null }]);
  await stage.master.ask(AskPack, { tid: t(200) });
  assert.deepEqual(rowsOf(await stage.onDisk("SELECT oid, tid FROM obj ORDER BY oid, tid")), [
    [2n, 100n],
    [2n, 300n],
  ]);
});

Deno.test("a deletion that an outdated replica may have missed stays until it is complete", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "a" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: null }]);
  const revisions = async () =>
    rowsOf(await stage.onDisk("SELECT oid, tid FROM obj ORDER BY oid, tid"));
  stage.change({ offset: 0, nid: S2, state: "OUT_OF_DATE" });
  await stage.master.ask(AskPack, { tid: t(200) });
  assert.deepEqual(await revisions(), [[1n, 200n]]);
  stage.change({ offset: 0, nid: S2, state: "UP_TO_DATE" });
  await stage.master.ask(AskPack, { tid: t(200) });
  assert.deepEqual(await revisions(), []);
});

Deno.test("the first undo becomes the owner of the data, later ones point to it", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "a" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "b" }]);
  const undo = { oid: o(1), data: null, dataSerial: t(100) };
  await stage.commit(client, t(300), [{ ...undo, serial: t(200) }]);
  await stage.commit(client, t(400), [{ oid: o(1), serial: t(300), data: "c" }]);
  await stage.commit(client, t(500), [{ ...undo, serial: t(400) }]);
  await stage.master.ask(AskPack, { tid: t(250) });
  assert.deepEqual(rowsOf(await stage.onDisk(REVISIONS)), [
    [1n, 200n, 1n, null],
    [1n, 300n, 0n, null],
    [1n, 400n, 2n, null],
    [1n, 500n, 0n, 300n],
  ]);
  assert.equal((await client.load(o(1))).data, "a");
});

Deno.test("an undo that is pending keeps the data that a pack would delete", async () => {
  for (const voted of [false, true]) {
    await using stage = await Stage.operating();
    const client = await stage.client();
    await stage.commit(client, t(100), [{ oid: o(1), data: "a" }]);
    await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "b" }]);
    const undo = { oid: o(1), serial: t(200), data: null, dataSerial: t(100) };
    assert.equal(await client.store(t(300), undo), null);
    if (voted) await client.vote(t(300), [o(1)]);
    await stage.master.ask(AskPack, { tid: t(250) });
    assert.deepEqual(rowsOf(await stage.onDisk(REVISIONS)), [[1n, 200n, 1n, null]]);
    if (!voted) await client.vote(t(300), [o(1)]);
    await stage.finish(t(300));
    assert.equal((await client.load(o(1))).data, "a");
    await stage.stop();
    assert.deepEqual(rowsOf(await stage.onDisk(REVISIONS)), [
      [1n, 200n, 1n, null],
      [1n, 300n, 0n, null],
    ]);
  }
});

Deno.test("a pack does not touch what is not readable, and never fails", async () => {
  await using stage = await Stage.operating({ partitions: 2, dropPartitions: false });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(0), data: "a" }, { oid: o(1), data: "b" }]);
  await stage.commit(client, t(200), [
    { oid: o(0), serial: t(100), data: "aa" },
    { oid: o(1), serial: t(100), data: "bb" },
  ]);
  stage.change({ offset: 1, nid: S2, state: "UP_TO_DATE" }, { offset: 1, state: "DISCARDED" });
  assert.deepEqual(await stage.master.ask(AskPack, { tid: t(300) }), { status: true });
  assert.deepEqual(rowsOf(await stage.onDisk("SELECT oid, tid FROM obj ORDER BY oid, tid")), [
    [0n, 200n],
    [1n, 100n],
    [1n, 200n],
  ]);
});

Deno.test("an object of more revisions than a step looks at is packed like any", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  const last = STEP_ROWS * 2 + 3;
  for (let at = 1; at <= last; at++) {
    await stage.commit(client, t(at), [{ oid: o(1), serial: t(at - 1), data: `at ${at}` }]);
  }
  // One of them is committed when the pack begins, the other one is not.
  const undo = { oid: o(1), data: null, dataSerial: t(2) };
  await stage.commit(client, t(last + 1), [{ ...undo, serial: t(last) }]);
  assert.equal(await client.store(t(last + 2), { ...undo, serial: t(last + 1) }), null);
  await stage.master.ask(AskPack, { tid: t(last - 1) });
  assert.equal((await client.load(o(1))).data, "at 2");
  await client.vote(t(last + 2), [o(1)]);
  await stage.finish(t(last + 2));
  assert.equal((await client.load(o(1))).data, "at 2");
  await stage.stop();
  assert.deepEqual(rowsOf(await stage.onDisk("SELECT tid, value_tid FROM obj ORDER BY tid")), [
    [BigInt(last - 1), null],
    [BigInt(last), null],
    [BigInt(last + 1), null],
    [BigInt(last + 2), BigInt(last + 1)],
  ]);
  assert.equal((await stage.onDisk("SELECT id FROM data")).length, 3);
});

Deno.test("clients are served while a database is packed", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  const oids = Array.from({ length: 2000 }, (_, at) => o(at));
  await stage.commit(client, t(100), oids.map((oid) => ({ oid, data: "a" })));
  await stage.commit(client, t(200), oids.map((oid) => ({ oid, serial: t(100), data: "b" })));
  const packed = stage.master.ask(AskPack, { tid: t(250) });
  let served = 0;
  while (await isPending(packed, client)) {
    assert.equal((await client.load(o(served % 2000))).data, "b");
    served++;
  }
  assert(served > 1, `served ${served} requests`);
  assert.equal((await stage.onDisk("SELECT * FROM obj")).length, 2000);
});
