/** The ways out of a cluster and back, compared record by record by real ZODB. */
import assert from "node:assert/strict";
import { Cluster, type ClusterOptions } from "../support/cluster.ts";
import { neo } from "../support/neo.ts";
import { run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { dump, dumpCluster, type Transaction, visit, zodb } from "./filestorage.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

/** How long one command may take. */
const COMMAND_MS = 120_000;

/** Runs a command of `neo` that has to succeed; returns what it prints. */
async function done(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await neo(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Runs a command of `neo` that has to fail in one line; returns that line. */
async function refused(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await neo(...words);
  assert.equal(code, 1, `${words.join(" ")}: ${stdout}${stderr}`);
  assert.match(stderr, /^(WARNING.*\n)*error: [^\n]+\n$/);
  return stderr;
}

function start(directory: string, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  return Cluster.start({
    ...{ directory, master: ours, storages: [ours], ctl: ours, partitions: 5 },
    ...options,
  });
}

function url({ name, masters }: Cluster): string {
  return `neo://${name}@${masters.replaceAll(" ", ",")}`;
}

/** Transactions without what a commit does not keep: what revisions went back to, their order. */
function withoutUndos(transactions: readonly Transaction[]): unknown[] {
  return transactions.map(([tid, , user, description, extension, records]) => [
    ...[tid, user, description, extension],
    records.map(([oid, serial, sha1]) => [oid, serial, sha1])
      .sort(([a], [b]) => Number(a) - Number(b)),
  ]);
}

function hex(tid: number | bigint): string {
  return BigInt(tid).toString(16).padStart(16, "0");
}

/** The tids in the order of a dump; JSON has no integers of 64 bits, so they come as texts. */
async function tids(path: string): Promise<string[]> {
  const lines = (await zodb("dump", path)).trim().split("\n");
  return lines.map((line) => hex(BigInt(/^\[(\d+)/.exec(line)?.[1] ?? 0)));
}

peerGroup("way out", {
  "a FileStorage that was imported is exported as it was, also during the import": () =>
    inDirectory(async (directory) => {
      for (const kind of ["packed", "big"]) {
        const source = `${directory}/${kind}.fs`;
        await zodb(kind, source, ...kind === "big" ? ["5000"] : []);
        const importer = `${directory}/${kind}.conf`;
        await Deno.writeTextFile(
          importer,
          `[neo]\nadapter = SQLite\ndatabase = ${directory}/${kind}.sqlite\n` +
            `[root]\nstorage = <filestorage>\n  path ${source}\n  </filestorage>\n`,
        );
        await using cluster = await start(directory, { importer });
        const during = `${directory}/${kind}-during.fs`;
        await done("export", url(cluster), during);
        await cluster.node("storage1").waitForOutput(/All data are imported/, COMMAND_MS);
        const after = `${directory}/${kind}-after.fs`;
        await done("export", url(cluster), after);
        for (const copy of [during, after]) {
          assert.deepEqual(await dump(copy), await dump(source));
          assert.deepEqual(await Deno.readFile(copy), await Deno.readFile(source));
        }
        assert.deepEqual(await visit(after), await visit(source));
        await cluster.stop();
      }
    }),

  "a cluster of NEO's own nodes is exported, all of it or a part": () =>
    inDirectory(async (directory) => {
      const nodes = { master: real, storages: [real], ctl: real };
      await using cluster = await start(directory, nodes);
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      const all = await dumpCluster(cluster);
      const path = `${directory}/Data.fs`;
      assert.match(await done("export", url(cluster), path), /\d+ transactions up to/);
      assert.deepEqual(await dump(path), all);
      const names = await tids(path);
      const [from = "", to = ""] = [names[1], names.at(-2)];
      const part = `${directory}/part.fs`;
      await done("export", url(cluster), part, "--from", from, `--to=0x${to}`, "--quiet");
      assert.deepEqual(withoutUndos(await dump(part)), withoutUndos(all.slice(1, -1)));
      assert.match(await refused("export", url(cluster), part), /there is a file/);
      assert.match(
        await refused("export", url(cluster), `${directory}/none.fs`, "--from", "3000-01-01"),
        /no transactions in that range/,
      );
      const files = [...Deno.readDirSync(directory)].map(({ name }) => name);
      assert.deepEqual(files.filter((name) => /part$|none/.test(name)), []);
    }),

  "backups are incremental, and restored to any transaction": () =>
    inDirectory(async (directory) => {
      await using cluster = await start(directory);
      await using client = await PeerClient.open(cluster);
      const backup = `${directory}/backup`;
      for (let round = 0; round < 3; round++) {
        if (round === 0) await client.ask("fill");
        else await client.ask("set", { key: "round", value: round });
        assert.match(await done("backup", url(cluster), backup), /transactions up to/);
        assert.match(await done("backup", url(cluster), backup), /nothing new/);
      }
      assert.equal([...Deno.readDirSync(backup)].length, 3);
      assert.equal((await done("verify", backup)).match(/: sound/g)?.length, 3);
      const all = await dumpCluster(cluster);
      const whole = `${directory}/whole.fs`;
      await done("restore", backup, whole);
      assert.deepEqual(await dump(whole), all);
      for (const [number, to] of (await tids(whole)).entries()) {
        if (number % 3 !== 0) continue;
        const path = `${directory}/${to}.fs`;
        await done("restore", backup, path, "--to", to);
        assert.deepEqual(await dump(path), all.slice(0, number + 1));
      }
      await cluster.stop();
      for (const maker of [ours, real]) {
        const place = `${directory}/${maker.name}`;
        await Deno.mkdir(place);
        await using empty = await start(place, { master: maker, storages: [maker], ctl: maker });
        await done("restore", backup, url(empty));
        assert.deepEqual(withoutUndos(await dumpCluster(empty)), withoutUndos(all));
        assert.match(await refused("restore", backup, url(empty)), /expected an empty cluster/);
      }
    }),

  "a backup is neither mixed up with another one nor taken when it is damaged": () =>
    inDirectory(async (directory) => {
      const backup = `${directory}/backup`;
      for (const name of ["one", "two"]) {
        const place = `${directory}/${name}`;
        await Deno.mkdir(place);
        await using cluster = await start(place, { name });
        await using client = await PeerClient.open(cluster);
        await client.ask("fill");
        if (name === "one") await done("backup", url(cluster), backup);
        else assert.match(await refused("backup", url(cluster), backup), /is a backup of/);
      }
      const place = `${directory}/again`;
      await Deno.mkdir(place);
      await using cluster = await start(place, { name: "one" });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      assert.match(await refused("backup", url(cluster), backup), /was truncated, or is another/);
      const [file] = [...Deno.readDirSync(backup)];
      const path = `${backup}/${file?.name}`;
      const bytes = await Deno.readFile(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      await Deno.writeFile(path, bytes);
      assert.match(await refused("verify", backup), /is damaged/);
      assert.match(await refused("restore", backup, `${directory}/out.fs`), /is damaged/);
      await assert.rejects(Deno.stat(`${directory}/out.fs`));
      assert.match(await refused("verify", place), /there is no backup/);
    }),

  "neo migrate does as neomigrate, both ways": () =>
    inDirectory(async (directory) => {
      const source = `${directory}/source.fs`;
      await zodb("trees", source, "100");
      const results: Transaction[][] = [];
      const migrations: [string, (...words: string[]) => Promise<string>][] = [
        ["ours", (...words) => done("migrate", ...words)],
        ["real", async (...words) => {
          const argv = [`${venv()}/bin/neomigrate`, ...words];
          const { code, stdout, stderr } = await run(argv, {
            ...{ name: "neomigrate", timeoutMs: COMMAND_MS },
          });
          assert.equal(code, 0, stderr);
          return stdout;
        }],
      ];
      for (const [name, migrate] of migrations) {
        const place = `${directory}/${name}`;
        await Deno.mkdir(place);
        await using cluster = await start(place);
        const into = await migrate("-c", cluster.name, source, cluster.masters);
        assert.match(into, /^WARNING: This is not.*\nNEO also does not.*\nMigrating from/);
        assert.match(into, /\nMigration done in \d+\.\d{5}\n$/);
        results.push(await dumpCluster(cluster));
        const copy = `${place}/copy.fs`;
        await migrate("-q", "-c", cluster.name, cluster.masters, copy);
        results.push(await dump(copy));
      }
      const [first, ...others] = results;
      assert.ok(first !== undefined);
      for (const other of others) assert.deepEqual(withoutUndos(other), withoutUndos(first));
      assert.deepEqual(withoutUndos(first), withoutUndos(await dump(source)));
    }),
});
