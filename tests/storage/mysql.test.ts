/** Databases on a server: what they are called, what is in them, and which are refused. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { AskCheckSerialRange, AskCheckTIDRange, AskStoreTransaction } from "../../gen/packets.ts";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { parseMysqlAddress } from "../../nodes/storage/backend/mysql/address.ts";
import type { Backend } from "../../nodes/storage/backend/backend.ts";
import { isIntact } from "../../nodes/storage/intact.ts";
import type { Mariadb } from "../support/mariadb.ts";
import { type Address, dataOf, open, startServer } from "./mysql_support.ts";
import { StoragePeer } from "./storage_peer.ts";
import { o, S1, S2, Stage, t } from "./support.ts";

const testOnServer = await startServer();

Deno.test("connection strings are those of NEO", () => {
  const cases: readonly [string, unknown[]][] = [
    ["neo", [null, null, "neo", null]],
    ["user@db", ["user", null, "db", null]],
    ["user:@db", ["user", "", "db", null]],
    ["u:p@ss:w@db/run/my.sock", ["u", "p@ss:w", "db", "/run/my.sock"]],
    ["db~/my.sock", [null, null, "db", "~/my.sock"]],
    ["u:p@db/a@b.sock", ["u", "p@db/a", "b", ".sock"]],
  ];
  for (const [text, expected] of cases) {
    const { user, password, database, socket } = parseMysqlAddress(text);
    assert.deepEqual([user, password, database, socket], expected, text);
  }
  assert.throws(() => parseMysqlAddress("/run/my.sock"), { name: "ConfigurationError" });
});

testOnServer("a database is used by one node at a time, and told by its name", async (server) => {
  const address = await server.createDatabase("InnoDB");
  {
    await using _first = await open(address);
    await assert.rejects(open(address), { message: "database is locked" });
    await using _other = await open(await server.createDatabase("InnoDB"));
  }
  await using _next = await open(address);
});

testOnServer("a database that is not there is asked for", async (server) => {
  const address = await server.createDatabase("InnoDB");
  await server.query("DROP DATABASE " + address.address.database);
  await assert.rejects(open(address), {
    message: `MySQL error 1049: Unknown database '${address.address.database}': ` +
      "create it, or correct its name",
  });
});

testOnServer("the database of another cluster is left as it is", async (server) => {
  const address = await server.createDatabase("RocksDB");
  {
    await using _mine = await open(address);
  }
  const { database } = address.address;
  const before = await server.query(`CHECKSUM TABLE config, pt, obj`, database);
  for (const reset of [false, true]) {
    await assert.rejects(open(address, { cluster: "other", reset }), {
      message: "name 'other' does not match with the database: 'test'",
    });
  }
  assert.deepEqual(await server.query(`CHECKSUM TABLE config, pt, obj`, database), before);
});

testOnServer("a reset erases, and leaves a new database", async (server) => {
  const address = await server.createDatabase("InnoDB");
  const { database } = address.address;
  {
    await using opened = await open(address);
    await opened.backend.data.store(o(1), dataOf(new Uint8Array(3)));
  }
  await server.query("CREATE TABLE new_pt (id INT)", database);
  {
    await using _erased = await open({ ...address, engine: "RocksDB" }, { reset: true });
  }
  const tables = await server.query(
    "SELECT DISTINCT engine AS name FROM information_schema.tables " +
      `WHERE table_schema = '${database}' AND table_name <> 'new_pt'`,
  );
  assert.deepEqual(tables.map(({ name }) => new TextDecoder().decode(bytes(name))), ["ROCKSDB"]);
  assert.deepEqual(await server.query("SELECT id FROM data", database), []);
  assert.deepEqual(await server.query("SHOW TABLES LIKE 'new_%'", database), []);
});

testOnServer("a newer database, and an engine that is not there, are refused", async (server) => {
  const address = await server.createDatabase("InnoDB");
  await assert.rejects(
    open({ ...address, engine: "TokuDB" }),
    /the database server has no engine TokuDB/,
  );
  assert.deepEqual(await server.query("SHOW TABLES", address.address.database), []);
  {
    await using _mine = await open(address);
  }
  await server.query(
    "UPDATE config SET value = 4 WHERE name = 'version'",
    address.address.database,
  );
  await assert.rejects(open(address), { message: "The database can not be downgraded." });
});

testOnServer("tables have the engine that was chosen", async (server) => {
  for (const engine of ["InnoDB", "RocksDB"] as const) {
    const address = await server.createDatabase(engine);
    {
      await using _made = await open(address);
    }
    const rows = await server.query(
      "SELECT DISTINCT LOWER(engine) AS engine FROM information_schema.tables " +
        `WHERE table_schema = '${address.address.database}'`,
    );
    const engines = rows.map((row) => new TextDecoder().decode(new Uint8Array(bytes(row.engine))));
    assert.deepEqual(engines, [engine.toLowerCase()]);
  }
});

function bytes(value: unknown): Uint8Array {
  assert(value instanceof Uint8Array);
  return value;
}

/** Commits an object, with everything that the second phase writes as well. */
async function commitObject({ data, pending }: Backend, at: number): Promise<void> {
  const empty = new Uint8Array(0);
  const dataId = await data.store(o(at), dataOf(empty));
  pending.vote({
    ttid: t(at),
    stores: new Map([[o(at), { dataId, valueTid: null }]]),
    metadata: { user: empty, description: empty, extension: empty, oids: [o(at)] },
  });
  pending.lock({ ttid: t(at), tid: t(at + 1) });
  pending.unlock({ ttid: t(at), tid: t(at + 1), hasMetadata: true, hasObjects: true });
  data.release([dataId]);
}

testOnServer(
  "with RocksDB, a commit looks through no table: deleted rows stay in its way",
  async (server) => {
    await using opened = await open(await server.createDatabase("RocksDB"));
    const rowsLookedThrough = async () => {
      const [row] = await server.query("SHOW GLOBAL STATUS LIKE 'Handler_read_rnd_next'");
      return Number(new TextDecoder().decode(bytes(row?.Value)));
    };
    const lookedThroughBy = async (commits: number) => {
      const before = await rowsLookedThrough();
      for (let at = 0; at < commits; at++) {
        await commitObject(opened.backend, 100 * commits + 2 * at);
        await opened.backend.commit();
      }
      return await rowsLookedThrough() - before;
    };
    await lookedThroughBy(1);
    assert.equal(await lookedThroughBy(10), await lookedThroughBy(0));
  },
);

testOnServer("any bytes come back as they were, big values in pieces", async (server) => {
  const address = await server.createDatabase("InnoDB");
  const { database } = address.address;
  await using opened = await open(address);
  const { data, objects, pending } = opened.backend;
  const all = Uint8Array.from({ length: 512 }, (_, at) => at & 0xff);
  const big = new Uint8Array(randomBytes(0x180_0001));
  const last = new Uint8Array(0xff_ffff).fill(0x27);
  const stores = new Map();
  for (const [at, value] of [all, big, last].entries()) {
    const stored = dataOf(value, at === 1);
    const dataId = await data.store(o(at), stored);
    stores.set(o(at), { dataId, valueTid: null });
    const found = await data.load(dataId);
    assert.equal(found.compression, at === 1);
    assert(equal(found.data, value), `${value.length} bytes`);
  }
  const metadata = { ...{ user: all, description: all, extension: all }, oids: [...stores.keys()] };
  pending.vote({ ttid: t(100), stores, metadata });
  await opened.backend.commit();
  pending.lock({ ttid: t(100), tid: t(100) });
  pending.unlock({ ttid: t(100), tid: t(100), hasMetadata: true, hasObjects: true });
  data.release([...stores.values()].map(({ dataId }) => dataId));
  await opened.backend.commit();
  const row = "SELECT id, compression, HEX(value) AS value FROM data WHERE compression >= 128";
  const [found] = await server.query(row, database);
  assert.equal(found?.compression, 0x81n);
  assert.equal(new TextDecoder().decode(bytes(found?.value)), "0000000101800001");
  const pieces = await server.query("SELECT id, LENGTH(value) AS n FROM bigdata", database);
  assert.deepEqual(pieces.map(({ n }) => n), [0x80_0000n, 0x80_0000n, 0x80_0000n, 1n]);
  const record = await objects.load(o(1), { at: null, before: null });
  assert(record?.value && equal(record.value.data, big));
  const history = await objects.history(o(1), { first: 0, count: 1 });
  assert.deepEqual(history, [{ serial: t(100), size: 0x180_0001 }]);
  // They go with their object.
  await opened.backend.maintenance.dropPartitions({
    offsets: [0, 1],
    isGone: () => true,
    pause: () => Promise.resolve(true),
  });
  await opened.backend.commit();
  assert.deepEqual(
    await server.query("SELECT id FROM bigdata UNION SELECT id FROM data", database),
    [],
  );
});

/** Deletes a piece of each big value. */
const losePiece = (server: Mariadb, { address: { database } }: Address) =>
  server.query("DELETE FROM bigdata WHERE LENGTH(value) < 8388608", database);

testOnServer("a big value whose pieces are missing is damage, which is mended", async (server) => {
  for (const dedup of [false, true]) {
    const address = await server.createDatabase("InnoDB");
    await using opened = await open(address, { dedup });
    const { backend } = opened;
    const value = dataOf(new Uint8Array(randomBytes(0x100_0001)));
    const keys = [{ oid: o(0), tid: t(100) }, { oid: o(2), tid: t(100) }];
    await backend.replica.addObjects(keys.map((key) => ({ ...key, value, valueTid: null })));
    await backend.commit();
    await losePiece(server, address);
    for (const key of keys) {
      assert.equal(await backend.objects.load(key.oid, { at: null, before: null }), null);
      assert.equal(await isIntact(backend, key), false);
    }
    // As a copy is repaired: what is damaged is deleted, and comes again.
    for (const key of keys) {
      await backend.replica.deleteObjects([key]);
      await backend.replica.addObjects([{ ...key, value, valueTid: null }]);
      assert.equal(await isIntact(backend, key), true);
    }
    await backend.commit();
    for (const { oid } of keys) {
      const record = await backend.objects.load(oid, { at: null, before: null });
      assert(record?.value && equal(record.value.data, value.data));
    }
    assert.deepEqual(opened.failures, []);
  }
});

testOnServer("a check finds that pieces of a big value are missing", async (server) => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "x".repeat(0x100_0001) }]);
  await stage.becomesOnDisk("SELECT oid FROM obj", [{ oid: 1n }]);
  const { address } = stage.database;
  assert(address.adapter === "MySQL");
  await losePiece(server, address);
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  stage.tellNodes(peer.information);
  stage.change({ offset: 0, nid: S2, state: "UP_TO_DATE" });
  await stage.settled();
  const { link: { connection } } = await peer.connect(stage.node.address);
  const range = { partition: 0, length: 100, minTid: t(0), maxTid: MAX_TID };
  await connection.ask(AskCheckTIDRange, range);
  await assert.rejects(connection.ask(AskCheckSerialRange, { ...range, minOid: o(0) }), {
    ...{ code: "CHECKING_ERROR", message: "partition 0 is damaged" },
  });
  assert.deepEqual(await stage.notices.next(), { is: "corrupted", partition: 0, nids: [S1] });
  // It goes on.
  await stage.commit(client, t(200), [{ oid: o(1), serial: t(100), data: "y" }]);
  assert.equal((await client.load(o(1))).data, "y");
});

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

testOnServer("a transaction that tells too much of itself is refused, and no more", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  const texts = { user: new Uint8Array(0), extension: new Uint8Array(0) };
  const vote = (length: number) =>
    client.connection.ask(AskStoreTransaction, {
      ...{ ttid: t(100), ...texts, oids: [o(1)], description: new Uint8Array(length) },
    });
  await assert.rejects(vote(65536), /this database has room for 65535 bytes/);
  await vote(65535);
  await stage.finish(t(100));
  assert.equal((await client.load(o(1))).data, "one");
});
