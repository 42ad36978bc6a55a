/** Databases of older versions, and those that are not to be touched. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AskPartitionTable, AskRecovery } from "../../gen/packets.ts";
import { resetStorage, startStorage } from "../../nodes/storage/node.ts";
import { rowsOf } from "./databases.ts";
import { o, S1, S2, Stage, t } from "./support.ts";

const TRANSACTIONS = (tid: string) =>
  `partition INTEGER NOT NULL, tid INTEGER ${tid}, packed BOOLEAN NOT NULL, oids BLOB NOT NULL,
   user BLOB NOT NULL, description BLOB NOT NULL, ext BLOB NOT NULL, ttid INTEGER NOT NULL`;
const OBJECTS = `partition INTEGER NOT NULL, oid INTEGER NOT NULL, tid INTEGER NOT NULL,
   data_id INTEGER, value_tid INTEGER`;

/** What a database of each version looked like. */
const OLD = {
  0: `CREATE TABLE pt (rid INTEGER NOT NULL, nid INTEGER NOT NULL, state INTEGER NOT NULL,
        PRIMARY KEY (rid, nid));
      CREATE TABLE obj (${OBJECTS}, PRIMARY KEY (partition, tid, oid));
      CREATE INDEX _obj_i1 ON obj(partition, oid, tid);
      CREATE INDEX _obj_i2 ON obj(data_id);
      CREATE TABLE data (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, compression INTEGER,
        value BLOB);
      CREATE TABLE ttrans (${TRANSACTIONS("NOT NULL")});`,
  1: `CREATE TABLE pt (rid INTEGER NOT NULL, nid INTEGER NOT NULL, state INTEGER NOT NULL,
        PRIMARY KEY (rid, nid));
      CREATE TABLE obj (${OBJECTS}, PRIMARY KEY (partition, tid, oid));
      CREATE INDEX _obj_i1 ON obj(partition, oid, tid);
      CREATE TABLE data (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, compression INTEGER NOT NULL,
        value BLOB NOT NULL);
      CREATE UNIQUE INDEX _data_i1 ON data(hash, compression);
      CREATE TABLE ttrans (${TRANSACTIONS("")});`,
  2: `CREATE TABLE pt (rid INTEGER NOT NULL, nid INTEGER NOT NULL, state INTEGER NOT NULL,
        PRIMARY KEY (rid, nid));
      CREATE TABLE obj (${OBJECTS}, PRIMARY KEY (partition, oid, tid));
      CREATE TABLE data (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, compression INTEGER NOT NULL,
        value BLOB NOT NULL);
      CREATE TABLE ttrans (${TRANSACTIONS("")});`,
} as const;

/** The file of a storage that is not started yet. */
function fileOf(stage: Stage): string {
  return `${stage.directory}/storage.sqlite`;
}

/** Makes a database of an old version, with an object of two revisions and four cells. */
function makeOld(path: string, version: keyof typeof OLD, more = ""): void {
  const database = new DatabaseSync(path);
  database.exec(`
    CREATE TABLE config (name TEXT NOT NULL PRIMARY KEY, value TEXT);
    CREATE TABLE trans (${TRANSACTIONS("NOT NULL")}, PRIMARY KEY (partition, tid));
    CREATE TABLE tobj (${OBJECTS}, PRIMARY KEY (tid, oid));
    ${OLD[version]}
    INSERT INTO config VALUES ('name', 'test'), ('partitions', '4'), ('replicas', '0'),
      ('nid', '1'), ('ptid', '7');
    INSERT INTO pt VALUES (0, 1, 1), (1, 1, 0), (1, 2, 1), (2, 1, 2), (2, 2, 0), (3, 2, 4),
      (3, 1, 1);
    INSERT INTO data VALUES (1, zeroblob(20), 0, x'61'), (2, x'${"bb".repeat(20)}', 0, x'62');
    INSERT INTO obj VALUES (1, 1, 100, 1, NULL), (1, 1, 200, 2, NULL);
    INSERT INTO trans VALUES (0, 100, 0, x'0000000000000001', x'', x'', x'', 100),
      (0, 200, 0, x'0000000000000001', x'', x'', x'', 200);`);

  if (version !== 0) database.exec(`INSERT INTO config VALUES ('version', '${version}')`);
  if (more !== "") database.exec(more);
  database.close();
}

for (const version of [0, 1, 2] as const) {
  Deno.test(`a database of version ${version} is brought to the present one`, async () => {
    await using stage = await Stage.open({ partitions: 4 });
    makeOld(fileOf(stage), version);
    await stage.start();
    await stage.next();
    assert.equal((await stage.master.ask(AskRecovery, {})).ptid, 7);
    const { rows } = await stage.master.ask(AskPartitionTable, {});
    assert.deepEqual(rows, [
      { offset: 0, cells: [{ nid: S1, state: "OUT_OF_DATE" }] },
      { offset: 1, cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }] },
      { offset: 2, cells: [{ nid: S1, state: "FEEDING" }, { nid: S2, state: "UP_TO_DATE" }] },
      { offset: 3, cells: [{ nid: S1, state: "OUT_OF_DATE" }, { nid: S2, state: "CORRUPTED" }] },
    ]);
    stage.ptid = 8;
    stage.sendTable();
    await stage.verify();
    await stage.operate();
    const client = await stage.client();
    assert.equal((await client.load(o(1))).data, "b");
    assert.equal((await client.load(o(1), t(100))).data, "a");
    await stage.commit(client, t(300), [{ oid: o(1), serial: t(200), data: "c" }]);
    assert.equal((await client.load(o(1))).data, "c");
    await stage.stop();
    assert.deepEqual(await stage.onDisk("SELECT value FROM config WHERE name = 'version'"), [
      { value: "3" },
    ]);
    const schema = await stage.onDisk("SELECT name FROM sqlite_master ORDER BY name");
    const names = schema.map(({ name }) => name);
    for (const name of ["_obj_i1", "_obj_i2", "obj", "pt", "ttrans", "tobj"]) {
      assert(names.includes(name), name);
    }
    assert(!names.includes("new_obj") && !names.includes("new_pt"));
    assert.deepEqual(
      await stage.onDisk("SELECT name FROM pragma_table_info('obj') WHERE pk > 0 ORDER BY pk"),
      ["partition", "oid", "tid"].map((name) => ({ name })),
    );
    assert.deepEqual(
      await stage.onDisk(
        "SELECT \"notnull\" AS required FROM pragma_table_info('ttrans') " +
          "WHERE name = 'tid'",
      ),
      [{ required: 0n }],
    );
  });
}

Deno.test("a migration that was cut short is taken up", async () => {
  await using stage = await Stage.open({ partitions: 4 });
  // NEO's own migration had copied everything, and dropped the old table.
  makeOld(
    fileOf(stage),
    2,
    `CREATE TABLE new_pt (partition INTEGER NOT NULL, nid INTEGER NOT NULL, tid INTEGER NOT NULL,
       PRIMARY KEY (partition, nid));
     INSERT INTO new_pt VALUES (0, 1, -1), (1, 1, -1), (2, 1, -1), (3, 1, -1);
     DROP TABLE pt;`,
  );
  await stage.start();
  await stage.next();
  const { rows } = await stage.master.ask(AskPartitionTable, {});
  assert.deepEqual(rows, stage.rows("UP_TO_DATE"));
});

Deno.test("old unfinished transactions, and newer versions, stop the start", async () => {
  await using stage = await Stage.open({ partitions: 4 });
  const unfinished = `${stage.directory}/unfinished.sqlite`;
  makeOld(unfinished, 0, "INSERT INTO tobj VALUES (1, 1, 300, 1, NULL)");
  const before = Deno.readFileSync(unfinished);
  await assert.rejects(
    startStorage(stage.host, {
      ...stage.options,
      database: { adapter: "SQLite", path: unfinished },
    }),
    /you have unfinished transactions/,
  );
  assert.deepEqual(Deno.readFileSync(unfinished), before);
  const newer = `${stage.directory}/newer.sqlite`;
  makeOld(newer, 2, "UPDATE config SET value = '4' WHERE name = 'version'");
  const afterwards = Deno.readFileSync(newer);
  await assert.rejects(
    startStorage(stage.host, { ...stage.options, database: { adapter: "SQLite", path: newer } }),
    /The database can not be downgraded/,
  );
  assert.deepEqual(Deno.readFileSync(newer), afterwards);
});

Deno.test("the database of another cluster is left as it is", async () => {
  await using stage = await Stage.open({ partitions: 4, cluster: "other" });
  makeOld(fileOf(stage), 1);
  const before = Deno.readFileSync(fileOf(stage));
  const error = /name 'other' does not match with the database: 'test'/;
  await assert.rejects(startStorage(stage.host, stage.options), error);
  await assert.rejects(resetStorage(stage.host, stage.options), error);
  assert.deepEqual(Deno.readFileSync(fileOf(stage)), before);
});

Deno.test("a reset erases, and stores the name", async () => {
  await using stage = await Stage.open();
  makeOld(fileOf(stage), 1);
  await resetStorage(stage.host, stage.options);
  assert.deepEqual(rowsOf(fileOf(stage), "SELECT * FROM config ORDER BY name"), [
    { name: "name", value: "test" },
    { name: "version", value: "3" },
  ]);
  assert.deepEqual(rowsOf(fileOf(stage), "SELECT * FROM obj"), []);
});

Deno.test("another number of partitions than the cluster's ends the node", async () => {
  await using stage = await Stage.open({ partitions: 5 });
  makeOld(fileOf(stage), 2);
  const node = await stage.start();
  await assert.rejects(node.ended, /the number of partitions is inconsistent/);
  assert.equal((await stage.onDisk("SELECT * FROM obj")).length, 2);
});

Deno.test("where NEO 1.12 stored no number of partitions, the table says it", async () => {
  const forget = "DELETE FROM config WHERE name = 'partitions'";
  {
    await using stage = await Stage.open({ partitions: 4 });
    makeOld(fileOf(stage), 2, forget);
    await stage.start();
    await stage.next();
    const { rows } = await stage.master.ask(AskPartitionTable, {});
    assert.deepEqual(rows.map(({ cells }) => cells.length), [1, 2, 2, 2]);
  }
  await using stage = await Stage.open({ partitions: 5 });
  makeOld(fileOf(stage), 2, forget);
  const node = await stage.start();
  await assert.rejects(node.ended, /the database has 4, the cluster 5/);
  assert.deepEqual(await stage.onDisk("SELECT * FROM config WHERE name = 'partitions'"), []);
});

Deno.test("with dedup, equal data are stored once, and prunes spare what others need", async () => {
  await using stage = await Stage.operating({ partitions: 2, dedup: true });
  const client = await stage.client();
  await stage.commit(client, t(100), [
    { oid: o(0), data: "same" },
    { oid: o(1), data: "same" },
    { oid: o(2), data: "other" },
  ]);
  await client.store(t(200), { oid: o(3), data: "same" });
  await client.store(t(200), { oid: o(3), data: "more" });
  client.connection.close();
  await stage.stop();
  assert.deepEqual(
    (await stage.onDisk("SELECT id, value FROM data ORDER BY id")).map(({ id }) => id),
    [
      0n,
      1n,
    ],
  );
  assert.deepEqual(
    (await stage.onDisk("SELECT oid, data_id FROM obj ORDER BY oid")).map((row) => row.data_id),
    [0n, 0n, 1n],
  );
});

Deno.test("with dedup, data that the disk has altered become right when they come again", async () => {
  await using stage = await Stage.operating({ partitions: 2, dedup: true });
  const first = await stage.client();
  await stage.commit(first, t(100), [{ oid: o(0), data: "same" }, { oid: o(1), data: "other" }]);
  await stage.stop();
  const database = new DatabaseSync(fileOf(stage));
  database.exec("UPDATE data SET value = CAST('xame' AS BLOB) WHERE value = CAST('same' AS BLOB)");
  database.close();
  await stage.start();
  await stage.next();
  stage.sendTable(stage.rows("UP_TO_DATE"));
  await stage.verify();
  await stage.operate();
  const client = await stage.client();
  await stage.commit(client, t(200), [{ oid: o(2), data: "same" }]);
  assert.equal((await client.load(o(2))).data, "same");
  assert.equal((await client.load(o(0))).data, "same");
  await stage.stop();
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 2);
});

Deno.test("without being asked, an old database with a unique hash is deduplicated", async () => {
  await using stage = await Stage.open({ partitions: 4 });
  makeOld(fileOf(stage), 0);
  await stage.start();
  await stage.next();
  stage.sendTable();
  await stage.verify();
  await stage.operate();
  const client = await stage.client();
  await stage.commit(client, t(300), [{ oid: o(2), data: "x" }, { oid: o(3), data: "x" }]);
  assert.equal((await client.load(o(3))).data, "x");
});
