/** Databases of other releases of NEO that are refused, and are as they were afterwards. */
import assert from "node:assert/strict";
import { MariadbDatabase, SqliteFile, type TestDatabase } from "../storage/databases.ts";
import { Cluster } from "../support/cluster.ts";
import { Mariadb } from "../support/mariadb.ts";
import { run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { mariadbGroup } from "./mariadb.ts";
import { clusterOn, NAME, optionsOf, rowsOf } from "./old_databases.ts";
import { inDirectory, ours } from "./peer.ts";
import { environmentOf, release, releaseGroup, type Version } from "./releases.ts";

const REFUSAL_MS = 60_000;

/** Everything in a database, as far as somebody could tell one copy of it from another. */
async function imageOf(database: TestDatabase): Promise<unknown> {
  if (database.address.adapter === "SQLite") return await Deno.readFile(database.address.path);
  const image: unknown[] = [];
  for (const table of (await database.tables()).sort()) {
    image.push(await database.rows(`SHOW CREATE TABLE ${table}`), await rowsOf(database, table));
  }
  return image;
}

/** Our storage ends with an error in one line; returns that. */
async function refusal(database: TestDatabase, name: string): Promise<string> {
  const [program = "", ...words] = ours.command("storage");
  const { code, stderr } = await run(
    [
      ...[program, ...words, "--cluster", name, "--masters", "127.0.0.1:9"],
      ...optionsOf(
        database.address,
      ),
    ],
    { name: "a storage that is refused", timeoutMs: REFUSAL_MS },
  );
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error: [^\n]+\n$/);
  return stderr;
}

/** Fills a database by a release, and kills it with an unfinished transaction. */
async function fill(
  database: TestDatabase,
  { directory, version }: { readonly directory: string; readonly version: Version },
): Promise<void> {
  const nodes = release(version);
  await using cluster = await clusterOn([database], { directory, nodes, ctl: nodes });
  await using client = await PeerClient.open(cluster, environmentOf(version));
  await client.ask("fill");
  await client.ask("vote_only");
  assert.match(await refusal(database, NAME), /database is locked/);
  await cluster.kill();
}

async function keeps(database: TestDatabase, directory: string, version: Version): Promise<void> {
  await fill(database, { directory, version });
  const before = await imageOf(database);
  assert.match(
    await refusal(database, "other"),
    /name 'other' does not match with the database: 'test'/,
  );
  assert.deepEqual(await imageOf(database), before);
  await database.execute("UPDATE config SET value = '4' WHERE name = 'version'");
  const newer = await imageOf(database);
  assert.match(await refusal(database, NAME), /The database can not be downgraded/);
  assert.deepEqual(await imageOf(database), newer);
}

function keepsFile(version: Version) {
  return () =>
    inDirectory((directory) =>
      keeps(new SqliteFile(`${directory}/storage1.sqlite`), directory, version)
    );
}

releaseGroup({ group: "refused databases", versions: ["1.8.1", "1.9", "1.10", "1.12.0"] }, {
  "of NEO 1.8.1": keepsFile("1.8.1"),
  "of NEO 1.10": keepsFile("1.10"),
  "of NEO 1.12, in a cluster with another number of partitions": () =>
    inDirectory(async (directory) => {
      const database = new SqliteFile(`${directory}/storage1.sqlite`);
      await fill(database, { directory, version: "1.12.0" });
      const rows = await rowsOf(database, "obj");
      await using cluster = await Cluster.start({
        directory,
        master: ours,
        storages: [ours],
        ctl: ours,
        name: NAME,
        partitions: 7,
        operational: false,
      });
      const storage = cluster.node("storage1");
      assert.equal((await storage.waitForExit(REFUSAL_MS)).code, 1);
      assert.match(storage.stderr, /the database has 12, the cluster 7/);
      assert.deepEqual(await rowsOf(database, "obj"), rows);
    }),
});

releaseGroup({
  group: "refused databases on MariaDB",
  versions: ["1.8.1"],
  register: mariadbGroup,
}, {
  "of NEO 1.8.1, InnoDB": () =>
    inDirectory(async (directory) => {
      await using server = await Mariadb.start();
      await keeps(await MariadbDatabase.create(server, "InnoDB"), directory, "1.8.1");
    }),
});
