/** The databases of `neo simple`: they are made where they are missing, and erased when told. */

import assert from "node:assert/strict";
import { oid, tid } from "../../nodes/codec/ids.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { takeLock } from "../../nodes/storage/backend/mysql/server.ts";
import { makeDatabase } from "../../tools/cluster/throwaway_databases.ts";
import { ROOT } from "../support/cluster.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { Child, run } from "../support/process.ts";

const NEO = [Deno.execPath(), "run", "-A", `--config=${ROOT}deno.json`, `${ROOT}tools/neo.ts`];
const WAIT_MS = 60_000;

/** Runs `neo simple` for a cluster of that name, until it operates. */
async function operates(cluster: string, ...words: string[]): Promise<void> {
  const child = Child.start([...NEO, "simple", "--name", cluster, ...words], {
    name: "neo simple",
  });
  try {
    const [, admin = ""] = await child.waitForOutput(/neo ctl -a (\S+) start/, WAIT_MS);
    const isPending = () =>
      run([...NEO, "ctl", "-a", admin, "print", "node", "storage"], {
        name: "neo ctl",
        timeoutMs: WAIT_MS,
      }).then(({ stdout }) => stdout.includes("PENDING"));
    while (!await isPending()) assert(child.running, child.tail());
    await run([...NEO, "ctl", "-a", admin, "start"], { name: "neo ctl", timeoutMs: WAIT_MS });
    await child.waitForOutput(/Cluster running/, WAIT_MS);
  } finally {
    child.signal("SIGINT");
    await child.terminate();
  }
}

/** What it says that can't start. */
async function refused(cluster: string, ...words: string[]): Promise<string> {
  const { code, stderr } = await run([...NEO, "simple", "--name", cluster, ...words], {
    name: "neo simple",
    timeoutMs: WAIT_MS,
  });
  assert.equal(code, 1, stderr);
  return stderr.trim().split("\n").at(-1) ?? "";
}

/** Another cluster gets the databases only when they may be erased. */
async function takesOver(...words: string[]): Promise<void> {
  await operates("first", ...words);
  assert.match(await refused("second", ...words), /name 'second' does not match .* 'first'/);
  await operates("second", "--clear_databases", ...words);
  await operates("third", "--clear_databases", ...words);
}

/** What a storage uses, or no storage made, is not erased. */
async function sparesOthers(server: Mariadb): Promise<void> {
  const host = createNodeHost({ log: { log() {} } });
  const erase = (database: string) =>
    makeDatabase(host, { user: "root", password: null, database, socket: server.socket }, {
      erase: true,
    });
  await server.query("CREATE DATABASE shop");
  await server.query("CREATE TABLE shop.invoices (number INT)");
  await assert.rejects(erase("shop"), /expected a storage's tables, found others \(invoices\)/);
  await assert.rejects(erase("mysql"), /expected a storage's tables, found others/);
  const storage = await host.connectDatabase({
    ...{ user: "root", password: null, database: "simple", socket: server.socket },
  });
  await takeLock(storage, "simple");
  await assert.rejects(erase("simple"), /database is locked/);
  await storage.close();
  assert.equal((await server.query("SHOW TABLES", "shop")).length, 1);
  assert.notEqual((await server.query("SHOW TABLES", "simple")).length, 0);
}

Deno.test("neo simple erases files when it is told so", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo-simple-" });
  try {
    await takesOver("--adapter", "SQLite", "--temp_dir", directory, "a");
    await takesOver("--adapter", "SQLite", "--temp_dir", directory, `${directory}/b.sqlite`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("neo simple erases what an import has made when it is told so", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo-simple-" });
  try {
    const source = fileSystem.open(`${directory}/Data.fs`, "create");
    assert(source !== null);
    const writer = new FileStorageWriter({ file: source });
    const nothing = new Uint8Array(0);
    const texts = { user: nothing, description: nothing, extension: nothing };
    writer.begin({ tid: tid(1n), packed: false, ...texts });
    writer.store({ oid: oid(0n), data: new TextEncoder().encode("root"), dataTid: null });
    writer.end();
    writer.flush();
    source.close();
    const importer = `${directory}/importer.conf`;
    Deno.writeTextFileSync(
      importer,
      `[neo]\nadapter = SQLite\ndatabase = ${directory}/a.sqlite\n` +
        `[root]\nstorage =\n  <filestorage>\n    path ${directory}/Data.fs\n  </filestorage>\n`,
    );
    await takesOver("--importer", importer, "--temp_dir", directory, "any");
    assert(Deno.statSync(`${directory}/Data.fs`).size > 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

const onServer = "neo simple makes and erases databases of a server";
if (Mariadb.program === undefined) Deno.test.ignore(`${onServer}: ${NO_MARIADB}`, () => {});
else {
  Deno.test(onServer, async () => {
    await using server = await Mariadb.start();
    const directory = await Deno.makeTempDir({ prefix: "neo-simple-" });
    try {
      const place = ["--temp_dir", directory];
      await takesOver(...place, "--db_user", "root", `simple${server.socket}`);
      // A user may stand before the database, as for a storage.
      await operates("fourth", "--clear_databases", ...place, `root@simple${server.socket}`);
      // What is wrong with one of them is found before another one is erased.
      const both = ["--clear_databases", ...place, `root@simple${server.socket}`, "b@"];
      assert.match(await refused("fifth", ...both), /expected a database as .*, found b@/);
      await sparesOthers(server);
      await server.query("CREATE USER test@localhost");
      const denied = await refused("fourth", ...place, `nothing${server.socket}`);
      assert.match(denied, /^error: the database nothing can't be made: .*Access denied/);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
