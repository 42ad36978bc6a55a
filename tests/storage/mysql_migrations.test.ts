/** Databases that older versions of NEO left on a server. */

import assert from "node:assert/strict";
import { AskPartitionTable } from "../../gen/packets.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { useMariadb } from "./databases.ts";
import { o, S1, S2, Stage, t } from "./support.ts";

const TRANSACTIONS = (tid: string) =>
  `\`partition\` SMALLINT UNSIGNED NOT NULL, tid BIGINT UNSIGNED ${tid}, packed BOOLEAN NOT NULL,
   oids MEDIUMBLOB NOT NULL, user BLOB NOT NULL, description BLOB NOT NULL, ext BLOB NOT NULL,
   ttid BIGINT UNSIGNED NOT NULL`;
const OBJECTS = `\`partition\` SMALLINT UNSIGNED NOT NULL, oid BIGINT UNSIGNED NOT NULL,
   tid BIGINT UNSIGNED NOT NULL, data_id BIGINT UNSIGNED NULL, value_tid BIGINT UNSIGNED NULL`;
const CELLS = `CREATE TABLE pt (rid INT UNSIGNED NOT NULL, nid INT NOT NULL,
   state TINYINT UNSIGNED NOT NULL, PRIMARY KEY (rid, nid))`;
const BY_TID = `CREATE TABLE obj (${OBJECTS}, PRIMARY KEY (\`partition\`, tid, oid),
   KEY \`partition\` (\`partition\`, oid, tid), KEY (data_id))`;
const DATA = (hash: string, value: string) =>
  `CREATE TABLE data (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
   hash BINARY(20) NOT NULL, compression TINYINT UNSIGNED NULL, value ${value}, ${hash})`;
const BIG = `CREATE TABLE bigdata (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
   value MEDIUMBLOB NOT NULL)`;

/** What a database of each version looked like. */
const OLD = {
  0: [
    CELLS,
    BY_TID,
    DATA("UNIQUE (hash)", "LONGBLOB NULL"),
    `CREATE TABLE ttrans (${TRANSACTIONS("NOT NULL")})`,
  ],
  1: [
    CELLS,
    BY_TID,
    DATA("UNIQUE (hash, compression)", "MEDIUMBLOB NOT NULL"),
    BIG,
    `CREATE TABLE ttrans (${TRANSACTIONS("")})`,
  ],
  2: [
    CELLS,
    `CREATE TABLE obj (${OBJECTS}, PRIMARY KEY (\`partition\`, oid, tid),
       KEY tid (\`partition\`, tid, oid), KEY (data_id))`,
    DATA("KEY (id)", "MEDIUMBLOB NOT NULL"),
    BIG,
    `CREATE TABLE ttrans (${TRANSACTIONS("")})`,
  ],
} as const;

/** Makes a database of an old version, with an object of two revisions and four cells. */
async function makeOld(stage: Stage, version: keyof typeof OLD, ...more: string[]): Promise<void> {
  const hash = (byte: string) => `x'${byte.repeat(20)}'`;
  await stage.database.execute(
    "CREATE TABLE config (name VARBINARY(255) NOT NULL PRIMARY KEY, value VARBINARY(255) NULL)",
    `CREATE TABLE trans (${TRANSACTIONS("NOT NULL")}, PRIMARY KEY (\`partition\`, tid))`,
    `CREATE TABLE tobj (${OBJECTS}, PRIMARY KEY (tid, oid))`,
    ...OLD[version],
    "INSERT INTO config VALUES ('name', 'test'), ('partitions', '4'), ('replicas', '0'), " +
      `('nid', '1'), ('ptid', '7')${version === 0 ? "" : `, ('version', '${version}')`}`,
    "INSERT INTO pt VALUES (0, 1, 1), (1, 1, 0), (1, 2, 1), (2, 1, 2), (2, 2, 0), (3, 2, 4), " +
      "(3, 1, 1)",
    `INSERT INTO data VALUES (1, ${hash("aa")}, 0, 'a'), (2, ${hash("bb")}, 0, 'b')`,
    "INSERT INTO obj VALUES (1, 1, 100, 1, NULL), (1, 1, 200, 2, NULL)",
    "INSERT INTO trans VALUES (0, 100, 0, x'0000000000000001', '', '', '', 100), " +
      "(0, 200, 0, x'0000000000000001', '', '', '', 200)",
    ...more,
  );
}

/** The columns of an index. */
async function indexOf(stage: Stage, table: string, name: string): Promise<string[]> {
  const rows = await stage.onDisk(
    "SELECT column_name AS name FROM information_schema.statistics " +
      `WHERE table_schema = DATABASE() AND table_name = '${table}' AND index_name = '${name}' ` +
      "ORDER BY seq_in_index",
  );
  return rows.map(({ name }) =>
    new TextDecoder().decode(name instanceof Uint8Array ? name : undefined)
  );
}

if (Mariadb.program === undefined) {
  Deno.test.ignore(`old databases on MariaDB: ${NO_MARIADB}`, () => {});
} else {
  const server = await Mariadb.start(["--default-storage-engine=InnoDB"]);
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  useMariadb(server, "RocksDB");
  for (const version of [0, 1, 2] as const) {
    Deno.test(`a database of version ${version} is migrated`, () => migrates(version));
  }
  Deno.test("a migration that was cut short is taken up", takesUp);
  Deno.test("old unfinished transactions stop the start", stops);
}

async function migrates(version: keyof typeof OLD): Promise<void> {
  await using stage = await Stage.open({ partitions: 4 });
  await makeOld(stage, version);
  await stage.start();
  await stage.next();
  const { ptid, rows } = await stage.master.ask(AskPartitionTable, {});
  assert.equal(ptid, 7);
  assert.deepEqual(rows, [
    { offset: 0, cells: [{ nid: S1, state: "OUT_OF_DATE" }] },
    { offset: 1, cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }] },
    { offset: 2, cells: [{ nid: S1, state: "FEEDING" }, { nid: S2, state: "UP_TO_DATE" }] },
    { offset: 3, cells: [{ nid: S1, state: "OUT_OF_DATE" }, { nid: S2, state: "CORRUPTED" }] },
  ]);
  stage.sendTable();
  await stage.verify();
  await stage.operate();
  const client = await stage.client();
  assert.equal((await client.load(o(1))).data, "b");
  assert.equal((await client.load(o(1), t(100))).data, "a");
  await stage.commit(client, t(300), [{ oid: o(1), serial: t(200), data: "c" }]);
  await stage.commit(client, t(400), [{ oid: o(2), data: "x" }, { oid: o(3), data: "x" }]);
  assert.equal((await client.load(o(1))).data, "c");
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT value FROM config WHERE name = 'version'"), [
    { value: "3" },
  ]);
  assert.deepEqual((await stage.database.tables()).sort(), [
    ...["bigdata", "config", "data", "obj", "pt", "tobj", "trans", "ttrans"],
  ]);
  assert.deepEqual(await indexOf(stage, "obj", "PRIMARY"), ["partition", "oid", "tid"]);
  assert.deepEqual(await indexOf(stage, "obj", "tid"), ["partition", "tid", "oid"]);
  assert.deepEqual(await indexOf(stage, "obj", "data_id"), ["data_id"]);
  // Without being asked, a database with a unique hash is deduplicated.
  const [found] = await stage.onDisk(
    "SELECT COUNT(DISTINCT data_id) AS n FROM obj WHERE tid = 400",
  );
  assert.equal(found?.n, version === 2 ? 2n : 1n);
}

async function takesUp(): Promise<void> {
  await using stage = await Stage.open({ partitions: 4 });
  // NEO's own migration had copied everything, and dropped the old table.
  await makeOld(
    stage,
    2,
    "CREATE TABLE new_pt (`partition` SMALLINT UNSIGNED NOT NULL, nid INT NOT NULL, " +
      "tid BIGINT NOT NULL, PRIMARY KEY (`partition`, nid))",
    "INSERT INTO new_pt VALUES (0, 1, -1), (1, 1, -1), (2, 1, -1), (3, 1, -1)",
    "DROP TABLE pt",
  );
  await stage.start();
  await stage.next();
  const { rows } = await stage.master.ask(AskPartitionTable, {});
  assert.deepEqual(rows, stage.rows("UP_TO_DATE"));
}

async function stops(): Promise<void> {
  await using stage = await Stage.open({ partitions: 4 });
  await makeOld(stage, 0, "INSERT INTO tobj VALUES (1, 1, 300, 1, NULL)");
  await assert.rejects(startStorage(stage.host, stage.options), /you have unfinished transactions/);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM tobj"), [{ tid: 300n }]);
  assert.deepEqual(await stage.onDisk("SELECT rid FROM pt WHERE nid = 2 ORDER BY rid"), [
    { rid: 1n },
    { rid: 2n },
    { rid: 3n },
  ]);
}
