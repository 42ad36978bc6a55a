/**
 * Databases that a cluster must not make a storage delete: those that come from another cluster,
 * that are newer than the cluster, or that were away when it gave their cells to others.
 */

import assert from "node:assert/strict";
import { AskLastIDs, AskRecovery, StopOperation, Truncate } from "../../gen/packets.ts";
import type { Tid } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import { Assignment } from "../../nodes/storage/assignment.ts";
import { Keeping } from "../../nodes/storage/keeping.ts";
import { begin, next } from "./scene.ts";
import { StoragePeer } from "./storage_peer.ts";
import { node, o, S1, S2, Stage, t } from "./support.ts";

const OF_S2 = [{ offset: 0, cells: [{ nid: S2, state: "UP_TO_DATE" as const }] }];
const LATER = 5;

/** A storage with one object, which comes to a cluster whose table is at version `ptid`. */
async function withDatabase(ptid: number, test: (stage: Stage) => Promise<void>): Promise<void> {
  await using stage = await Stage.identified();
  stage.ptid = LATER - 1;
  stage.sendTable();
  await stage.verify();
  await stage.operate();
  await stage.commit(await stage.client(), t(10), [{ oid: o(1), data: "precious" }]);
  await comeAgain(stage);
  stage.ptid = ptid;
  await test(stage);
}

/** The storage stops, and comes to the cluster again, or to another one. */
async function comeAgain(stage: Stage): Promise<void> {
  await stage.stop();
  await stage.start();
  await stage.next();
}

async function stored(stage: Stage): Promise<unknown[]> {
  const rows = await stage.onDisk(
    "SELECT oid, obj.tid, CAST(value AS TEXT) AS text FROM obj JOIN data ON id = data_id " +
      "JOIN trans ON trans.tid = obj.tid",
  );
  return rows.map(({ oid, tid, text }) => [oid, tid, text]);
}

const ALL = [[1n, 10n, "precious"]];

/** The storage ends with an error, and has deleted nothing. */
async function endsWith(stage: Stage, message: RegExp): Promise<void> {
  await assert.rejects(stage.node.ended, (error) => {
    assert.ok(error instanceof DatabaseError);
    assert.match(error.message, message);
    assert.match(error.message, /nothing is deleted.*--reset/);
    return true;
  });
  assert.deepEqual(await stored(stage), ALL);
}

/** The cell is the storage's own again, to be completed by S2 up to a tid. */
async function beginAt(stage: Stage, maxTid: number, source: StoragePeer): Promise<void> {
  stage.tellNodes(source.information);
  begin(stage, [S2]);
  await stage.verify();
  stage.unfinished = { maxTid: t(maxTid), ttids: [] };
  await stage.operate();
}

Deno.test("rows of a cell that was given away meanwhile are kept, and the operator is told", async () => {
  await withDatabase(LATER, async (stage) => {
    for (let time = 0; time < 2; time++) {
      stage.sendTable(OF_S2);
      await stage.verify();
      assert.deepEqual(await stored(stage), ALL);
      assert.ok(
        stage.lines.some((line) =>
          /WARNING.*version 4.*1 cells.*version 5 without 1.*--reset/.test(line)
        ),
        stage.lines.join("\n"),
      );
      await comeAgain(stage);
    }
  });
});

Deno.test("a database that had no part in the cluster is not erased when its node is dropped", async () => {
  await withDatabase(LATER, async (stage) => {
    stage.sendTable(OF_S2);
    await stage.verify();
    stage.tellNodes(node("STORAGE", S1, "UNKNOWN"));
    await stage.node.ended;
    assert.deepEqual(await stored(stage), ALL);
    assert.ok(stage.lines.some((line) => /its database is kept/.test(line)));
  });
});

Deno.test("nor is one of which the cluster knows nothing yet", async () => {
  await withDatabase(LATER, async (stage) => {
    stage.tellNodes(node("STORAGE", S1, "UNKNOWN"));
    await stage.node.ended;
    assert.deepEqual(await stored(stage), ALL);
  });
});

Deno.test("a truncation deletes nothing of a database that may be another cluster's", async () => {
  await withDatabase(LATER - 2, async (stage) => {
    stage.master.notify(Truncate, { tid: t(5) });
    assert.equal((await stage.master.ask(AskRecovery, {})).truncateTid, t(5));
    stage.sendTable();
    stage.master.ask(AskLastIDs, {}).catch(() => {});
    await endsWith(stage, /has transactions up to 0{15}a, and .* was truncated to 0{15}5:/);
    // Where it belongs, nobody is told to truncate by it.
    assert.deepEqual(
      await stage.onDisk("SELECT value FROM config WHERE name = 'truncate_tid'"),
      [],
    );
  });
});

Deno.test("cells that the cluster has used are truncated, also where others' rows are kept", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await stage.commit(client, t(10), [{ oid: o(1), data: "one" }, { oid: o(2), data: "two" }]);
  await stage.commit(client, t(20), [{ oid: o(1), serial: t(10), data: "new" }]);
  await stage.commit(client, t(30), [{ oid: o(2), serial: t(10), data: "new" }]);
  await comeAgain(stage);
  // While it was away, one of its cells was given to another node.
  const [given, ...own] = stage.rows("UP_TO_DATE");
  assert.ok(given);
  stage.ptid = LATER;
  const rows = [{ ...given, cells: [{ nid: S2, state: "UP_TO_DATE" as const }] }, ...own];
  stage.sendTable(rows);
  await stage.verify();
  await stage.operate();
  stage.master.notify(StopOperation, {});
  stage.master.notify(Truncate, { tid: t(15) });
  stage.sendTable(rows);
  assert.equal((await stage.master.ask(AskLastIDs, {})).lastTid, t(10));
  assert.deepEqual(await stage.onDisk("SELECT oid, tid FROM obj ORDER BY oid, tid"), [
    { oid: 1n, tid: 10n },
    { oid: 2n, tid: 10n },
    { oid: 2n, tid: 30n },
  ]);
});

Deno.test("a truncation that has nothing to delete is done whatever is kept", async () => {
  await withDatabase(LATER - 2, async (stage) => {
    stage.master.notify(Truncate, { tid: t(10) });
    stage.sendTable();
    assert.equal((await stage.master.ask(AskLastIDs, {})).lastTid, t(10));
    assert.equal((await stage.master.ask(AskRecovery, {})).truncateTid, null);
    assert.deepEqual(await stored(stage), ALL);
  });
});

Deno.test("a database with later transactions than the cluster ends the node", async () => {
  await withDatabase(LATER, async (stage) => {
    stage.sendTable(OF_S2);
    await stage.verify();
    await comeAgain(stage);
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    stage.ptid++;
    await beginAt(stage, 9, source);
    await endsWith(stage, /up to 000000000000000a and the cluster only up to 0000000000000009/);
  });
});

Deno.test("a database with transactions that the cluster lacks ends the node", async () => {
  // Its table is older than that of the database.
  await withDatabase(LATER - 2, async (stage) => {
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    await beginAt(stage, 50, source);
    const link = await source.links.next();
    const asked = await link.transactions.next();
    assert.deepEqual([asked.packet.minTid, asked.packet.tids], [t(0), [t(10)]]);
    asked.answer.give({ packTid: null, nextTid: null, tids: [t(10)] });
    await endsWith(stage, /transactions that the cluster has not, such as 000000000000000a/);
  });
});

Deno.test("a database with revisions that the cluster lacks ends the node", async () => {
  await withDatabase(LATER - 2, async (stage) => {
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    await beginAt(stage, 50, source);
    const link = await source.links.next();
    await link.noTransactions();
    const asked = await link.objects.next();
    const objects = new Map([[t(10), [o(1)]]]);
    asked.answer.give({ packTid: null, nextTid: null, nextOid: null, objects });
    await endsWith(stage, /revisions that the cluster has not, such as 000000000000000a/);
  });
});

Deno.test("what the source has not looked at yet is not deleted before it has", async () => {
  await withDatabase(LATER - 2, async (stage) => {
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    await beginAt(stage, 50, source);
    const link = await source.links.next();
    const asked = await link.transactions.next();
    // Sources return all that is listed and that they have not looked at, too.
    asked.answer.give({ packTid: null, nextTid: t(5), tids: [t(10)] });
    assert.deepEqual((await link.noTransactions()).packet.tids, [t(10)]);
    const first = await link.objects.next();
    const objects = new Map([[t(10), [o(1)]]]);
    first.answer.give({ packTid: null, nextTid: t(5), nextOid: o(1), objects });
    const second = await link.objects.next();
    assert.deepEqual(second.packet.objects, objects);
    second.answer.give({ packTid: null, nextTid: null, nextOid: null, objects });
    await endsWith(stage, /revisions that the cluster has not, such as 000000000000000a/);
  });
});

Deno.test("a database that has nothing else becomes one like any other", async () => {
  await withDatabase(LATER - 2, async (stage) => {
    const kept = () => stage.onDisk("SELECT value FROM config WHERE name = 'keep_rows'");
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    await beginAt(stage, 50, source);
    assert.equal((await kept()).length, 1);
    const link = await source.links.next();
    await link.noTransactions();
    await link.noObjects();
    assert.deepEqual(await next(stage), { is: "replicated", offset: 0, tid: t(50) });
    stage.change({ offset: 0, state: "UP_TO_DATE" });
    await stage.settled();
    await comeAgain(stage);
    stage.sendTable(stage.rows("UP_TO_DATE"));
    await stage.verify();
    await stage.operate();
    assert.deepEqual(await kept(), []);
    assert.deepEqual(await stored(stage), ALL);
  });
});

Deno.test("a short absence is no reason to begin anew", async () => {
  await withDatabase(LATER, async (stage) => {
    using source = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
    await beginAt(stage, 50, source);
    const asked = await (await source.links.next()).transactions.next();
    assert.deepEqual([asked.packet.minTid, asked.packet.tids], [t(11), []]);
  });
});

Deno.test("what an operation finds out after its end is no reason to keep rows no more", async () => {
  const settings = { keepsRows: true, backupTid: null };
  const assignment = new Assignment(S1, { partitions: 1, replicas: 0 });
  assignment.load(1, [{ offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }] }]);
  const found = Promise.withResolvers<{ oid: null; tid: Tid | null }>();
  const maintenance = { lastIds: () => found.promise };
  const keeping = new Keeping({ backend: { settings, maintenance }, assignment, log() {} });
  let isOver = false;
  const begun = keeping.begin(() => isOver);
  isOver = true;
  found.resolve({ oid: null, tid: t(10) });
  await begun;
  assert.ok(settings.keepsRows);
  await keeping.begin(() => false);
  assert.ok(!settings.keepsRows);
});
