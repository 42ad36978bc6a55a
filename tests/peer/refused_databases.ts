/** What our storages refuse of other releases of NEO, and leave as it was. */
import assert from "node:assert/strict";
import type { TestDatabase } from "../storage/databases.ts";
import { run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { clusterOn, NAME, optionsOf, rowsOf } from "./old_databases.ts";
import { ours } from "./peer.ts";
import { environmentOf, release, type Version } from "./releases.ts";

/** How long a storage may take to find out. */
export const REFUSAL_MS = 60_000;

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
  const command = [...ours.command("storage"), "--cluster", name, "--masters", "127.0.0.1:9"];
  const { code, stderr } = await run([...command, ...optionsOf(database.address)], {
    name: "a storage that is refused",
    timeoutMs: REFUSAL_MS,
  });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error: [^\n]+\n$/);
  return stderr;
}

/** Fills a database by a release, and kills it with an unfinished transaction. */
export async function fill(
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

/** A database of a release that is in use, or another cluster's, or a newer one, is left alone. */
export async function keeps(
  database: TestDatabase,
  { directory, version }: { readonly directory: string; readonly version: Version },
): Promise<void> {
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
