/** Backends that import: what they serve before, during and after, and what stops an import. */

import assert from "node:assert/strict";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import {
  decodePlacements,
  encodePlacements,
} from "../../nodes/storage/backend/importer/mapping.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { ascii, commit, HISTORY, record, Scene, view } from "./importer_scene.ts";
import { o, t } from "./values.ts";

/** Imports in small steps, with stops, on top of which there are commits. */
async function importInSteps(scene: Scene): Promise<void> {
  await scene.source("root", HISTORY).open();
  const oids = [0, 1, 2, 3, 9];
  const tids = [5, 10, 20, 25, 30, 40, 50, 60, 70, 80];
  await commit(scene.backend, 60, 1, record("new"));
  await commit(scene.backend, 70, 1, record("newer"));
  await commit(scene.backend, 80, 5, record("five"));
  const before = await view(scene.backend, oids, tids);
  for (let slice = 0; slice < 12; slice++) {
    await scene.import(1);
    assert.deepEqual(await view(scene.backend, oids, tids), before, `slice ${slice}`);
    if (slice % 3 === 0) {
      await scene.close();
      await scene.open();
    }
  }
  await scene.import();
  assert.match(scene.lines.join("\n"), /WARNINGAll data are imported/);
  assert.deepEqual(await view(scene.backend, oids, tids), before);
}

Deno.test("the same is served wherever the import is, and after a stop", async () => {
  await using scene = new Scene();
  await importInSteps(scene);
});

if (Mariadb.program === undefined) console.error(`imports to MariaDB: ${NO_MARIADB}`);

Deno.test({
  name: "the same on MariaDB",
  ignore: Mariadb.program === undefined,
  async fn() {
    await using server = await Mariadb.start();
    await using scene = new Scene(await server.createDatabase("InnoDB"));
    await importInSteps(scene);
    const [placement] = decodePlacements(scene.backend.settings.zodb ?? "");
    assert.ok(placement !== undefined);
    // The table has room for 255 characters, and is changed for more.
    scene.backend.settings.zodb = encodePlacements([{ ...placement, name: "x".repeat(300) }]);
    await scene.close();
    await assert.rejects(scene.open(), /began with a ZODB x{300}:/);
  },
});

Deno.test("an object that can't be imported stops the import, is named, and nothing else", async () => {
  const wrong = ascii("cmodule\nName\n.]U\x01nU\x04nameU\x08\0\0\0\0\0\0\0\x01\x86e\x85Q.");
  await using scene = new Scene()
    .source("root", [[10, [0, record("root", 1)]], [20, [1, wrong]], [30, [0, record("new")]]], {
      mounts: { other: 7 },
    })
    .source("other", [[5, [1, record("mounted")]]], { oid: 1 });
  const { objects } = await scene.open();
  await scene.import();
  const line = scene.lines.find((text) => text.startsWith("ERROR")) ?? "";
  assert.match(line, /the import has stopped/);
  assert.match(line, /object 0{15}1 of the transaction 0{14}14 in .*root\.fs \(section root\)/);
  const latest = { at: null, before: null };
  assert.equal((await objects.load(o(0), latest))?.tid, 30n);
  assert.throws(() => objects.load(o(1), latest), Refusal);
});

Deno.test("a thread that can't compress stops the import, and nothing else", async () => {
  const text = record("x".repeat(100));
  await using scene = new Scene().source("root", [[10, [0, text]]]);
  const { objects } = await scene.open({ compress: 99 });
  await scene.import();
  assert.match(
    scene.lines.find((line) => line.startsWith("ERROR")) ?? "",
    /^ERRORthe import has stopped: the thread that compresses has failed: [^\n]*level[^\n]*$/,
  );
  assert.equal((await objects.load(o(0), { at: null, before: null }))?.tid, 10n);
});

Deno.test("what would be wrong during an import has to wait", async () => {
  await using scene = new Scene().source("root", HISTORY);
  const { objects, replica, maintenance, settings } = await scene.open();
  const undo = { ttid: t(90), ltid: null, undoneTid: t(50), pending: undefined };
  assert.throws(() => objects.undoSerial(o(0), undo), Refusal);
  const range = { offset: 0, minTid: t(0), minOid: o(0), maxTid: MAX_TID, count: 9 };
  assert.throws(() => replica.revisions(range), { code: "REPLICATION_ERROR" });
  const order = { tid: t(50), offsets: [0, 1, 2], pause: () => Promise.resolve(true) };
  await maintenance.pack({ ...order, keepsDeletions: () => false, moved: () => false });
  assert.match(scene.lines.join("\n"), /nothing was packed/);
  settings.truncateTid = t(40);
  const pause = () => Promise.resolve(true);
  await assert.rejects(maintenance.truncate([0, 1, 2], pause), DatabaseError);
  assert.equal(settings.truncateTid, null);
  await scene.import();
  assert.ok(await objects.undoSerial(o(0), undo) !== null);
  assert.ok((await replica.revisions(range)).length > 0);
});

Deno.test("an import goes on with what it began with, or not at all", async () => {
  await using scene = new Scene().source("root", HISTORY);
  await scene.open();
  await scene.import(3);
  await scene.close();
  const [source] = scene.sources;
  assert.ok(source !== undefined);
  scene.sources[0] = { ...source, name: "another" };
  await assert.rejects(scene.open(), /began with a ZODB root/);
  scene.sources[0] = source;
  const { size } = Deno.statSync(source.path);
  Deno.truncateSync(source.path, size - 20);
  await assert.rejects(scene.open(), /ends before what the import of root began with/);
});
