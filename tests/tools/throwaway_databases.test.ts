/** Files that `neo simple` is told to erase: only those of storages that do not run. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigurationError } from "../../nodes/errors.ts";
import { openSqlite } from "../../nodes/host/sqlite.ts";
import { eraseFile } from "../../tools/cluster/throwaway_databases.ts";
import { filesIn, inDirectory } from "../support/directory.ts";

/** Makes a database with one table. */
function make(path: string, table: string): void {
  const database = new DatabaseSync(path);
  database.exec(`CREATE TABLE ${table} (name TEXT)`);
  database.close();
}

function assertRefused(path: string, reason: RegExp): void {
  assert.throws(() => eraseFile(path), (error) => {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.match(error.message, /^.* can't be erased: /);
    assert.match(error.message, reason);
    return true;
  });
}

Deno.test("a storage's file is erased with what is beside it, one that is missing needs nothing", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    eraseFile(path);
    assert.deepEqual(filesIn(directory), []);
    make(path, "config");
    Deno.writeTextFileSync(`${path}-wal`, "");
    eraseFile(path);
    assert.deepEqual(filesIn(directory), []);
    // What a storage left that was killed at once.
    Deno.writeTextFileSync(path, "");
    eraseFile(path);
    assert.deepEqual(filesIn(directory), []);
  }));

Deno.test("a file that a storage has open is left alone", () =>
  inDirectory((directory) => {
    const path = `${directory}/a.sqlite`;
    make(path, "config");
    const { database } = openSqlite(path);
    try {
      assertRefused(path, /database is locked/);
      assert.ok(filesIn(directory).includes("a.sqlite"));
    } finally {
      database.close();
    }
    eraseFile(path);
    assert.deepEqual(filesIn(directory), []);
  }));

Deno.test("what no storage made is left alone", () =>
  inDirectory((directory) => {
    const [fileStorage, other] = [`${directory}/Data.fs`, `${directory}/other.sqlite`];
    Deno.writeTextFileSync(fileStorage, "FS21".padEnd(1000, "x"));
    assertRefused(fileStorage, /not a database/);
    assert.equal(Deno.readTextFileSync(fileStorage).length, 1000);
    make(other, "invoices");
    const before = Deno.readFileSync(other);
    assertRefused(other, /expected a storage's tables, found others \(invoices\)/);
    assert.deepEqual(Deno.readFileSync(other), before);
    Deno.mkdirSync(`${directory}/empty`);
    assertRefused(`${directory}/empty`, /directory/);
  }));
