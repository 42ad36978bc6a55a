/** Which databases `neo storage` takes, by its options `-a`, `-d`, `-e` and `-w`. */

import assert from "node:assert/strict";
import { STORAGE } from "../../tools/commands/storage.ts";
import { parseCommandLine } from "../../tools/options.ts";

async function database(...args: string[]) {
  const line = parseCommandLine(STORAGE.spec, ["-c", "test", ...args], () => null, (path) => path);
  assert(line !== null);
  return (await STORAGE.options(line.values, (name) => Promise.resolve(name))).database;
}

const refused = (args: string[], message: RegExp) =>
  assert.rejects(database(...args), (error) => {
    assert(error instanceof Error);
    assert.equal(error.name, "ConfigurationError");
    assert.match(error.message, message);
    return true;
  });

Deno.test("a database on a server has an engine, and a time to wait", async () => {
  const address = { user: null, password: null, database: "neo", socket: null };
  const options = { adapter: "MySQL", address, waitMs: 0, engine: "InnoDB" };
  assert.deepEqual(await database("-d", "neo"), options);
  for (const engine of ["InnoDB", "RocksDB", "TokuDB"]) {
    const chosen = await database("-a", "MySQL", "-d", "neo", "-e", engine, "-w", "-1");
    assert.deepEqual(chosen, { ...options, engine, waitMs: -1000 });
  }
  await refused(["-d", "neo", "-e", "innodb"], /^Unsupported engine: 'innodb' not in \('InnoDB'/);
});

Deno.test("a file has no engine, and nothing to wait for", async () => {
  const file = { adapter: "SQLite", path: "neo.sqlite" };
  assert.deepEqual(await database("-a", "SQLite", "-d", "neo.sqlite", "-w", "5"), file);
  for (const engine of ["InnoDB", "innodb"]) {
    await refused(
      ["-a", "SQLite", "-d", "neo.sqlite", "-e", engine],
      /engine '\w+'.* adapter is SQLite: leave the engine out, or choose the adapter MySQL/,
    );
  }
});

Deno.test("the engine of an import is where the rest of its database is named", async () => {
  await refused(
    ["-a", "Importer", "-d", "importer.conf", "-e", "RocksDB"],
    /engine 'RocksDB'.* adapter is Importer: name the engine in importer\.conf/,
  );
  await refused(["-a", "Importer", "-d", "/nowhere/importer.conf"], /there is no file/);
});

Deno.test("who names a file and forgets the adapter is told so, and no password is shown", async () => {
  for (const path of ["storage.sqlite", "./storage.sqlite", "/run/storage.sqlite", "~/x.sqlite"]) {
    await refused(["-d", path], /for a file, choose the adapter SQLite/);
  }
  await refused(["-d", "neo:s3:c@ret@/run/my.sock.d@/"], /^(?!.*(s3|ret)).*neo:…@/);
});
