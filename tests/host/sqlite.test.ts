/** SQLite databases of this machine: what they take, give, refuse and keep, and who may have them. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "../../nodes/errors.ts";
import { openSqlite } from "../../nodes/host/sqlite.ts";
import { filesIn, inDirectory } from "../support/directory.ts";
import { Child } from "../support/process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("SQLite: integers are bigints, whole numbers are stored as integers", () =>
  inDirectory((directory) => {
    const { database } = openSqlite(`${directory}/a.sqlite`);
    database.exec("CREATE TABLE t (i INTEGER, r REAL, b BLOB, t TEXT, x)");
    const insert = database.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)");
    const blob = Uint8Array.of(0, 1, 255);
    assert.deepEqual(insert.run(2n ** 63n - 1n, 1.5, blob, "text", 5), { changes: 1 });
    insert.run(-(2n ** 63n), 2, null, 7, null);
    insert.run(2 ** 53 - 1, 0, new Uint8Array(), "", 2 ** 53);
    const select = database.prepare("SELECT * FROM t");
    const rows = [
      { i: 2n ** 63n - 1n, r: 1.5, b: blob, t: "text", x: 5n },
      { i: -(2n ** 63n), r: 2, b: null, t: "7", x: null },
      { i: 2n ** 53n - 1n, r: 0, b: new Uint8Array(), t: "", x: 2 ** 53 },
    ];
    const plain = (row: object | undefined) => ({ ...row });
    assert.deepEqual(select.all().map(plain), rows);
    assert.deepEqual(plain(select.get()), rows[0]);
    assert.equal(database.prepare("SELECT 1 WHERE ?").get(0), undefined);
    assert.deepEqual(database.prepare("DELETE FROM t WHERE i < ?").run(0), { changes: 1 });
    database.close();
  }));

Deno.test("SQLite: what it refuses is a DatabaseError", () =>
  inDirectory((directory) => {
    const { database } = openSqlite(`${directory}/a.sqlite`);
    database.exec("CREATE TABLE t (i INTEGER PRIMARY KEY)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    insert.run(1);
    const all = database.prepare("SELECT abs(-9223372036854775807 - i) FROM t");
    const refused = [
      () => database.exec("nonsense"),
      () => database.prepare("SELECT nothing FROM t"),
      () => insert.run(1),
      () => all.get(),
      () => all.all(),
    ];
    for (const statement of refused) {
      assert.throws(statement, (error: unknown) => {
        assert.ok(error instanceof DatabaseError, String(statement));
        assert.match(error.message, /^SQLite: /);
        assert.ok(error.cause instanceof Error);
        return true;
      });
    }
    database.close();
  }));

Deno.test("SQLite: after closing, the main file alone holds everything", () =>
  inDirectory(async (directory) => {
    const { database } = openSqlite(`${directory}/a.sqlite`);
    database.exec("CREATE TABLE t (i INTEGER)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    for (let i = 0; i < 100; i++) insert.run(i);
    await database.durable();
    assert.deepEqual(filesIn(directory), ["a.sqlite", "a.sqlite-shm", "a.sqlite-wal"]);
    database.exec("BEGIN");
    insert.run(100);
    database.close();
    database.close();
    assert.deepEqual(filesIn(directory), ["a.sqlite"]);

    await Deno.copyFile(`${directory}/a.sqlite`, `${directory}/copy.sqlite`);
    const copy = openSqlite(`${directory}/copy.sqlite`).database;
    // What was not committed is lost.
    assert.equal(copy.prepare("SELECT count(*) AS n FROM t").get()?.n, 100n);
    assert.equal(copy.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
    copy.close();
  }));

Deno.test("SQLite: a file in rollback-journal mode, as NEO writes, is opened in place", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    const before = new DatabaseSync(path);
    before.exec("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
    before.close();
    const { database } = openSqlite(path);
    assert.equal(database.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
    assert.equal(database.prepare("PRAGMA synchronous").get()?.synchronous, 1n);
    assert.equal(database.prepare("SELECT i FROM t").get()?.i, 1n);
    database.close();
    const after = new DatabaseSync(path, { readOnly: true });
    assert.deepEqual({ ...after.prepare("SELECT i FROM t").get() }, { i: 1 });
    after.close();
  }));

Deno.test("SQLite: a reader of another program keeps the main file from being complete", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    const { database } = openSqlite(path);
    database.exec("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
    const reader = new DatabaseSync(path);
    reader.exec("BEGIN");
    reader.prepare("SELECT * FROM t").all();
    database.exec("INSERT INTO t VALUES (2); PRAGMA busy_timeout = 10");
    assert.throws(() => database.close(), {
      name: "DatabaseError",
      message: /^another program has .*\/a\.sqlite open, .* keep the two files together$/,
    });
    reader.exec("COMMIT");
    reader.close();
    const again = openSqlite(path).database;
    assert.equal(again.prepare("SELECT count(*) AS n FROM t").get()?.n, 2n);
    again.close();
  }));

Deno.test("SQLite: what is no database is said, and is not locked for ever", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    Deno.writeTextFileSync(path, "no database".repeat(100));
    for (let i = 0; i < 2; i++) {
      assert.throws(() => openSqlite(path), {
        name: "DatabaseError",
        message: `cannot use the database ${path}: SQLite: file is not a database`,
      });
    }
    assert.throws(() => openSqlite(`${directory}/none/a.sqlite`), {
      name: "DatabaseError",
      message: /^cannot open the database \(.*none\/a\.sqlite.*: choose a file/,
    });
    assert.throws(() => openSqlite(":memory:"), { name: "DatabaseError" });
  }));

Deno.test("SQLite: the lock goes by the file, whatever its name, until it is closed", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    const { database, device } = openSqlite(path);
    assert.equal(device, String(Deno.statSync(path).dev));
    Deno.symlinkSync("a.sqlite", `${directory}/other`);
    for (const name of [path, `${directory}/other`]) {
      assert.throws(() => openSqlite(name), {
        name: "DatabaseError",
        message: "database is locked",
      });
    }
    const { dev, ino } = Deno.statSync(path);
    const name = `\0neostorage:${dev}:${ino}`;
    assert.throws(() => Deno.listen({ transport: "unix", path: name }), Deno.errors.AddrInUse);
    database.close();
    Deno.listen({ transport: "unix", path: name }).close();
    openSqlite(`${directory}/other`).database.close();
  }));

Deno.test("SQLite: another process has the lock until it dies, and what was durable stays", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/a.sqlite`;
    const script = `
      import { openSqlite } from "${ROOT}nodes/host/sqlite.ts";
      const { database } = openSqlite(${JSON.stringify(path)});
      database.exec("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
      await database.durable();
      console.log("durable");
      setInterval(() => {}, 1000);
    `;
    await Deno.writeTextFile(`${directory}/child.ts`, script);
    await using child = Child.start([Deno.execPath(), "run", "-A", `${directory}/child.ts`], {
      name: "child",
    });
    await child.waitForOutput(/durable/, 10_000);
    assert.throws(() => openSqlite(path), { message: "database is locked" });
    await child.kill();
    const { database } = openSqlite(path);
    assert.equal(database.prepare("SELECT i FROM t").get()?.i, 1n);
    database.close();
  }));

Deno.test("SQLite: durable goes on after a checkpoint and ends with the database", () =>
  inDirectory(async (directory) => {
    const { database } = openSqlite(`${directory}/a.sqlite`);
    database.exec("CREATE TABLE t (b BLOB)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    // More than the thousand pages after which SQLite makes a checkpoint by default.
    for (let i = 0; i < 3; i++) {
      insert.run(new Uint8Array(3_000_000));
      await database.durable();
    }
    insert.run(new Uint8Array(1));
    const last = database.durable();
    database.close();
    await last;
    await assert.rejects(database.durable(), { name: "DatabaseError", message: /is closed$/ });
  }));
