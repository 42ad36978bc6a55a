/** FileStorages that real ZODB wrote, imported by our storage and by NEO's own. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { inflateSync } from "node:zlib";
import { decodePlacements } from "../../nodes/storage/backend/importer/mapping.ts";
import { PlainLoader } from "../../nodes/pickle/plain.ts";
import { Cluster, type ClusterOptions, ROOT } from "../support/cluster.ts";
import { Child, run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { dump, dumpCluster, visit, visitCluster, zodb } from "./filestorage.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

const IMPORTED = /All data are imported/;
/** How long the import of a small database may take. */
const IMPORT_MS = 60_000;

/** Writes an importer.conf for an SQLite database; `sources` are its other sections. */
function configure(directory: string, sources: string, name = "importer.conf"): string {
  const path = `${directory}/${name}`;
  const database = `${directory}/${name}.sqlite`;
  Deno.writeTextFileSync(path, `[neo]\nadapter: SQLite\ndatabase: ${database}\n\n${sources}`);
  return path;
}

function section(name: string, path: string, ...more: string[]): string {
  const storage = `storage =\n  <filestorage>\n    path ${path}\n  </filestorage>`;
  return [`[${name}]`, storage, ...more, ""].join("\n");
}

function start(
  options: Pick<ClusterOptions, "directory" | "importer"> & Partial<ClusterOptions>,
): Promise<Cluster> {
  return Cluster.start({ master: ours, storages: [ours], ctl: ours, partitions: 3, ...options });
}

/** Imports everything and stops. */
async function importAll(
  options: Pick<ClusterOptions, "directory" | "importer"> & Partial<ClusterOptions>,
): Promise<void> {
  await using cluster = await start(options);
  await cluster.node("storage1").waitForOutput(IMPORTED, IMPORT_MS);
  await cluster.stop();
}

/** What an import left in a database, in the form that data have before they are compressed. */
function contents(path: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const read = (sql: string) => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all();
    };
    const objects = read(
      "SELECT partition, oid, tid, value_tid, compression, value FROM obj " +
        "LEFT JOIN data ON data_id = data.id ORDER BY oid, tid",
    ).map(({ compression, value, ...rest }) => ({
      ...rest,
      value: value instanceof Uint8Array && compression === 1n
        ? new Uint8Array(inflateSync(value))
        : value,
    }));
    // NEO pickles extensions anew, with fewer numbers for values.
    const transactions = read("SELECT * FROM trans ORDER BY tid").map(({ ext, ...rest }) => ({
      ...rest,
      ext: ext instanceof Uint8Array && ext.length > 0 ? new PlainLoader(ext).load() : null,
    }));
    return [transactions, objects];
  } finally {
    database.close();
  }
}

function placements(path: string) {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const row = database.prepare("SELECT value FROM config WHERE name = 'zodb'").get();
    return decodePlacements(String(row?.value));
  } finally {
    database.close();
  }
}

function transactionCount(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(database.prepare("SELECT COUNT(*) AS count FROM trans").get()?.count);
  } finally {
    database.close();
  }
}

/** Waits until real ZODB finds so many transactions in a FileStorage. */
async function untilWritten(path: string, count: number): Promise<void> {
  const deadline = performance.now() + IMPORT_MS;
  for (let found = 0; found < count;) {
    found = (await dump(path)).length;
    if (performance.now() > deadline) throw new Error(`${found} of ${count} were written back`);
  }
}

/** Databases that mount each other, and an importer.conf for all of them. */
async function mounted(directory: string): Promise<string> {
  const oids: Record<string, number> = JSON.parse(await zodb("mounted", directory));
  const at = (name: string) => `${name.split(".")[1]} = ${oids[name]}`;
  return configure(
    directory,
    [
      section("root", `${directory}/root.fs`, at("root.one"), at("root.three")),
      section("one", `${directory}/one.fs`, `oid = ${oids.one}`, at("one.two")),
      section("two", `${directory}/two.fs`, `oid = ${oids.two}`),
      section("three", `${directory}/three.fs`, `oid = ${oids.three}`),
    ].join("\n"),
  );
}

peerGroup("importer", {
  "the same is imported as by NEO's own storage": () =>
    inDirectory(async (directory) => {
      for (const kind of ["trees", "packed"]) {
        const source = `${directory}/${kind}.fs`;
        await zodb(kind, source);
        const sections = section("root", source);
        const mine = configure(directory, sections, `ours-${kind}.conf`);
        const theirs = configure(directory, sections, `real-${kind}.conf`);
        await importAll({ directory, importer: mine });
        const nodes = { master: real, storages: [real], ctl: real };
        await importAll({ directory, importer: theirs, ...nodes });
        assert.deepEqual(contents(`${mine}.sqlite`), contents(`${theirs}.sqlite`));
        assert.deepEqual(placements(`${mine}.sqlite`), placements(`${theirs}.sqlite`));
      }
    }),

  "a real client sees the same during the import, after it, and with the native backend": () =>
    inDirectory(async (directory) => {
      const source = `${directory}/Data.fs`;
      await zodb("packed", source);
      const expected = await dump(source);
      const reached = await visit(source);
      const importer = configure(directory, section("root", source));
      {
        await using cluster = await start({ directory, importer });
        assert.deepEqual(await visitCluster(cluster), reached);
        assert.deepEqual(await dumpCluster(cluster), expected);
        await cluster.node("storage1").waitForOutput(IMPORTED, IMPORT_MS);
        assert.deepEqual(await dumpCluster(cluster), expected);
        await cluster.stop();
      }
      await Deno.rename(`${importer}.sqlite`, `${directory}/storage1.sqlite`);
      await using cluster = await start({ directory });
      assert.deepEqual(await dumpCluster(cluster), expected);
      assert.deepEqual(await visitCluster(cluster), reached);
      await cluster.stop();
    }),

  "several databases become one, at the places that NEO gives them": () =>
    inDirectory(async (directory) => {
      const importer = await mounted(directory);
      {
        await using cluster = await start({ directory, importer });
        // Four trees of 60 numbers each, and all of the objects between them.
        assert.equal((await visitCluster(cluster)).numbers, 240);
        await cluster.node("storage1").waitForOutput(IMPORTED, IMPORT_MS);
        assert.equal((await visitCluster(cluster)).numbers, 240);
        await cluster.stop();
      }
      const mine = placements(`${importer}.sqlite`);
      await Deno.remove(`${importer}.sqlite`);
      // NEO can't rewrite what ZODB 5 wrote, but first it places the databases.
      await using theirs = await start({
        ...{ directory, importer, master: real, storages: [real], ctl: real },
      });
      assert.deepEqual(placements(`${importer}.sqlite`), mine);
      await theirs.kill();
    }),

  "an import that is cut short again and again goes on, also under NEO's placements": () =>
    inDirectory(async (directory) => {
      const source = `${directory}/Data.fs`;
      await zodb("big", source, "20000");
      const expected = await dump(source);
      const importer = configure(directory, section("root", source));
      {
        await using theirs = await start({
          ...{ directory, importer, master: real, storages: [real], ctl: real },
        });
        await theirs.kill();
      }
      const counts: number[] = [];
      for (let life = 0; life < 3; life++) {
        await using cluster = await start({ directory, importer });
        await cluster.kill();
        counts.push(transactionCount(`${importer}.sqlite`));
      }
      assert.ok((counts[0] ?? 0) < expected.length, `${counts} of ${expected.length}`);
      await using cluster = await start({ directory, importer });
      await cluster.node("storage1").waitForOutput(IMPORTED, IMPORT_MS);
      assert.deepEqual(await dumpCluster(cluster), expected);
      await cluster.stop();
    }),

  "what is committed is written back to the source, undos included, and after a stop": () =>
    inDirectory(async (directory) => {
      const source = `${directory}/Data.fs`;
      await zodb("trees", source, "100");
      const before = await dump(source);
      const sections = section("root", source);
      const importer = configure(directory, sections);
      const text = await Deno.readTextFile(importer);
      await Deno.writeTextFile(importer, text.replace("[neo]", "[neo]\nwriteback: true"));
      for (let life = 0; life < 2; life++) {
        await using cluster = await start({ directory, importer });
        await cluster.node("storage1").waitForOutput(IMPORTED, IMPORT_MS);
        await using client = await PeerClient.open(cluster);
        await client.ask("set", { key: "life", value: life });
        if (life === 0) await client.ask("fill");
        const expected = await dumpCluster(cluster);
        assert.ok(expected.length > before.length);
        await untilWritten(source, expected.length);
        const written = await dump(source);
        assert.deepEqual(written.map(([tid]) => tid), expected.map(([tid]) => tid));
        assert.deepEqual(
          written.map((transaction) => transaction.at(-1)),
          expected.map((t) => t.at(-1)),
        );
        await cluster.stop();
      }
      assert.deepEqual((await dump(source)).slice(0, before.length), before);
    }),

  "a source that another program writes to is not imported": () =>
    inDirectory(async (directory) => {
      const source = `${directory}/Data.fs`;
      await zodb("trees", source, "50");
      const importer = configure(directory, section("root", source));
      await using holder = Child.start(
        [`${venv()}/bin/python`, `${ROOT}tests/peer/filestorage.py`, "hold", source],
        { name: "a program that writes" },
      );
      await holder.waitForOutput(/open/, IMPORT_MS);
      const argv = [...ours.command("storage"), "-c", "x", "-a", "Importer", "-d", importer];
      const refused = await run(argv, { name: "storage", timeoutMs: IMPORT_MS });
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /error: .*Data\.fs is in use: stop the Zope, ZEO or other/);
    }),
});
