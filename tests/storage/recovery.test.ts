/** What is left of an operation when the next one starts: verification, and truncation. */

import assert from "node:assert/strict";
import {
  AskFinalTID,
  AskLastIDs,
  AskLockedTransactions,
  AskLockInformation,
  AskPartitionTable,
  AskRecovery,
  StopOperation,
  Truncate,
  ValidateTransaction,
} from "../../gen/packets.ts";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { C1, o, S1, Stage, t } from "./support.ts";

Deno.test("a new database knows nothing", async () => {
  await using stage = await Stage.identified({ partitions: 2 });
  assert.deepEqual(await stage.master.ask(AskRecovery, {}), {
    ptid: null,
    backupTid: null,
    truncateTid: null,
  });
  assert.deepEqual(await stage.master.ask(AskPartitionTable, {}), {
    ptid: null,
    rows: [{ offset: 0, cells: [] }, { offset: 1, cells: [] }],
  });
  assert.deepEqual(await stage.master.ask(AskLastIDs, {}), { lastOid: null, lastTid: null });
});

Deno.test("a crash between vote, lock and unlock leaves what verification needs", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(50), [{ oid: o(7), data: "seven" }]);
  for (const ttid of [100, 200, 300]) {
    await client.store(t(ttid), { oid: o(ttid), data: `${ttid}` });
  }
  await client.vote(t(100), [o(100)]);
  await client.vote(t(200), [o(200)]);
  await client.voteOnly(t(300));
  await stage.master.ask(AskLockInformation, { ttid: t(200), tid: t(210) });
  const image = await stage.database.crashImage();

  await using after = await Stage.identified({ database: image });
  after.sendTable();
  const { ttids } = await after.master.ask(AskLockedTransactions, {});
  assert.deepEqual([...ttids].sort(), [[t(100), null], [t(200), t(210)], [t(300), null]]);
  const finalTid = async (ttid: number) =>
    (await after.master.ask(AskFinalTID, { ttid: t(ttid) })).tid;
  assert.equal(await finalTid(50), t(50));
  assert.equal(await finalTid(200), null);
  // The master knows that 200 was committed, and from another storage that 300 was.
  after.master.notify(ValidateTransaction, { ttid: t(200), tid: t(210) });
  after.master.notify(ValidateTransaction, { ttid: t(300), tid: t(310) });
  assert.equal(await finalTid(200), t(210));
  assert.deepEqual(await after.master.ask(AskLastIDs, {}), { lastOid: o(300), lastTid: t(310) });
  await after.operate();
  const reader = await after.client();
  assert.equal((await reader.load(o(200))).data, "200");
  assert.deepEqual(await reader.load(o(300)), { data: "300", serial: t(310) });
  await assert.rejects(reader.load(o(100)), { code: "OID_DOES_NOT_EXIST" });
  await after.stop();
  assert.deepEqual(await after.onDisk("SELECT * FROM tobj"), []);
  assert.deepEqual(await after.onDisk("SELECT * FROM ttrans"), []);
  assert.deepEqual((await after.onDisk("SELECT hash FROM data")).length, 3, "100's data are gone");
});

Deno.test("a stop of operation forgets transactions, and keeps what was voted on disk", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "voted" });
  await client.vote(t(100), [o(1)]);
  await client.store(t(200), { oid: o(2), data: "not voted" });
  const closed = new Promise<void>((resolve) => client.connection.onClose(resolve));
  stage.master.notify(StopOperation, {});
  await closed;
  const { ttids } = await stage.master.ask(AskLockedTransactions, {});
  assert.deepEqual([...ttids], [[t(100), null]]);
  stage.sendTable();
  await stage.operate();
  const again = await stage.client(C1);
  assert.equal(await again.store(t(300), { oid: o(1), data: "free" }), null);
  await again.vote(t(300), [o(1)]);
  await stage.finish(t(300));
  await stage.stop();
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 1);
});

Deno.test("a truncation is stored, and done when the last ids are asked for", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }, { oid: o(2), data: "two" }]);
  await stage.commit(client, t(200), [{ oid: o(2), serial: t(100), data: "new" }]);
  await stage.commit(client, t(301), [{ oid: o(5), data: "five" }]);
  stage.master.notify(StopOperation, {});
  stage.master.notify(Truncate, { tid: t(150) });
  assert.deepEqual(await stage.master.ask(AskRecovery, {}), {
    ptid: 1,
    backupTid: null,
    truncateTid: t(150),
  });
  assert.deepEqual(
    await stage.onDisk("SELECT value FROM config WHERE name = 'truncate_tid'"),
    [{ value: "0000000000000096" }],
  );
  stage.sendTable();
  assert.deepEqual(await stage.master.ask(AskLastIDs, {}), { lastOid: o(2), lastTid: t(100) });
  assert.deepEqual(await stage.onDisk("SELECT DISTINCT tid FROM obj"), [{ tid: 100n }]);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), [{ tid: 100n }]);
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 2);
  assert.equal((await stage.master.ask(AskRecovery, {})).truncateTid, null);
  assertTold(stage);
});

/** The log says what is deleted, and why. */
function assertTold(stage: Stage): void {
  const told = stage.lines.filter((line) => /later than 0000000000000096.*truncated/.test(line));
  assert.equal(told.length, 1, stage.lines.join("\n"));
}

Deno.test("a truncation for which a node came too late is done before it operates", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "given up" }]);
  stage.master.notify(StopOperation, {});
  stage.master.notify(Truncate, { tid: t(150) });
  stage.sendTable();
  await stage.operate();
  assert.deepEqual(await stage.onDisk("SELECT tid FROM obj"), [{ tid: 100n }]);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), [{ tid: 100n }]);
  assert.deepEqual(await stage.onDisk("SELECT * FROM config WHERE name = 'truncate_tid'"), []);
  assertTold(stage);
});

Deno.test("a truncation lowers the progress of outdated cells, and spares other leftovers", async () => {
  await using stage = await Stage.operating({ partitions: 2, dropPartitions: false });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(0), data: "0" }, { oid: o(1), data: "1" }]);
  await stage.commit(client, t(200), [
    { oid: o(0), serial: t(100), data: "00" },
    { oid: o(1), serial: t(100), data: "11" },
  ]);
  stage.change({ offset: 0, state: "OUT_OF_DATE" }, { offset: 1, state: "DISCARDED" });
  await stage.becomesOnDisk("SELECT partition, tid FROM pt", [{ partition: 0n, tid: 200n }]);
  stage.master.notify(StopOperation, {});
  stage.master.notify(Truncate, { tid: t(150) });
  await stage.master.ask(AskLastIDs, {});
  assert.deepEqual(await stage.onDisk("SELECT partition, tid FROM pt"), [{
    partition: 0n,
    tid: 150n,
  }]);
  assert.deepEqual(await stage.onDisk("SELECT partition, tid FROM obj ORDER BY partition, tid"), [
    { partition: 0n, tid: 100n },
    { partition: 1n, tid: 100n },
    { partition: 1n, tid: 200n },
  ]);
});

Deno.test("a truncation goes for what is yet to be dropped, too: the cell may come back", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(0), data: "0" }, { oid: o(1), data: "1" }]);
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "11" }]);
  stage.change({ offset: 1, state: "DISCARDED" });
  stage.master.notify(StopOperation, {});
  stage.master.notify(Truncate, { tid: t(150) });
  await stage.master.ask(AskLastIDs, {});
  assert.deepEqual(await stage.onDisk("SELECT partition, tid FROM obj ORDER BY partition, tid"), [
    { partition: 0n, tid: 100n },
    { partition: 1n, tid: 100n },
  ]);
});

Deno.test("last ids are those of readable cells only", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(2), data: "2" }]);
  await stage.commit(client, t(201), [{ oid: o(3), data: "3" }]);
  stage.change({ offset: 1, state: "CORRUPTED" });
  stage.master.notify(StopOperation, {});
  assert.deepEqual(await stage.master.ask(AskLastIDs, {}), { lastOid: o(2), lastTid: t(100) });
});

Deno.test("the node asks for the id that it had", async () => {
  await using stage = await Stage.operating();
  await stage.stop();
  await stage.start();
  await stage.next();
  assert.deepEqual(stage.requests.map(({ nid }) => nid), [null, S1]);
  const [request] = stage.requests;
  assert.equal(request?.devpath.length, 2);
  assert.equal(request?.idTimestamp, null);
  assert.notEqual(request?.address?.port, 0);
});

Deno.test("a lost master is looked for again", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  const closed = new Promise<void>((resolve) => client.connection.onClose(resolve));
  stage.master.close();
  await closed;
  await stage.next();
  assert.equal((await stage.master.ask(AskRecovery, {})).ptid, 1);
});

Deno.test("the greatest tid of the database is stored as it is", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await stage.finish(t(100), MAX_TID);
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT tid FROM obj"), [{ tid: MAX_TID }]);
});
