/** A WAL that grows: a thread copies it to the main file, and it does not grow for ever. */

import assert from "node:assert/strict";
import { openSqlite } from "../../nodes/host/sqlite.ts";
import { filesIn, inDirectory } from "../support/directory.ts";

const MEGABYTE = 1 << 20;
/** How long the disk may take to copy some megabytes. */
const COPY_MS = 60_000;

/** A database with one table of bytes, and its files. */
class Growing {
  readonly database;
  readonly #insert;

  constructor(readonly directory: string) {
    this.database = openSqlite(`${directory}/a.sqlite`).database;
    this.database.exec("CREATE TABLE t (b BLOB)");
    this.#insert = this.database.prepare("INSERT INTO t VALUES (?)");
  }

  async write(megabytes: number): Promise<void> {
    for (let count = 0; count < megabytes; count++) {
      this.#insert.run(new Uint8Array(MEGABYTE));
      await this.database.durable();
    }
  }

  async writeLittle(): Promise<void> {
    this.#insert.run(new Uint8Array(1));
    await this.database.durable();
  }

  /** How often the WAL was started again, as its head tells. */
  get walStarts(): number {
    const head = Deno.readFileSync(`${this.directory}/a.sqlite-wal`);
    return new DataView(head.buffer).getUint32(12);
  }

  size(end = ""): number {
    return Deno.statSync(`${this.directory}/a.sqlite${end}`).size;
  }
}

Deno.test("a long WAL is copied by a thread, and then written over", () =>
  inDirectory(async (directory) => {
    const growing = new Growing(directory);
    await growing.write(48);
    for (const end = performance.now() + COPY_MS; growing.walStarts === 0;) {
      assert.ok(performance.now() < end, `${growing.size()} bytes are copied`);
      await growing.writeLittle();
    }
    assert.ok(growing.size() > 30 * MEGABYTE);
    const walBytes = growing.size("-wal");
    await growing.write(8);
    assert.equal(growing.size("-wal"), walBytes);
    growing.database.close();
    assert.ok(growing.size() > 56 * MEGABYTE);
    assert.deepEqual(filesIn(directory), ["a.sqlite"]);
  }));

Deno.test("who closes while a thread copies the WAL waits for it", () =>
  inDirectory(async (directory) => {
    const growing = new Growing(directory);
    await growing.write(20);
    growing.database.close();
    assert.deepEqual(filesIn(directory), ["a.sqlite"]);
    const { database } = openSqlite(`${directory}/a.sqlite`);
    assert.equal(database.prepare("SELECT SUM(LENGTH(b)) AS n FROM t").get()?.n, 20n << 20n);
    database.close();
  }));
