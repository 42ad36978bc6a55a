/**
 * Log files in both directions: what `neo log` shows of NEO's logs is what neolog shows, to the
 * letter, and neolog shows ours.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { neo } from "../support/neo.ts";
import { type Output, run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

const SHOW_MS = 60_000;

/** How neolog is called, and what is done with its files before. */
const WAYS: readonly (readonly string[])[] = [
  [],
  ["-a"],
  ["-A"],
  ["-C"],
  ["-N"],
  ["-n", "S1", "-n", "storage2.real"],
  ["-n", "-", "-d", ""],
  ["-C", "-n", "logs/M1"],
  ["--date", "%c|%j|%U", "--all"],
  ["--from", "TIME"],
];

/** Runs a cluster for a while, has its logs written out, and gives their paths. */
async function makeLogs(nodes: Maker, ctl: Maker, directory: string): Promise<string[]> {
  await using cluster = await Cluster.start({
    directory,
    name: "logs",
    master: nodes,
    storages: [nodes, nodes],
    ctl,
    partitions: 3,
    replicas: 1,
  });
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("fill");
    await client.ask("dump");
  }
  await cluster.ctl("print", "ids");
  // It is refused, and costs NEO's admin its master for a moment.
  await cluster.ctl("set", "cluster", "RUNNING");
  await cluster.waitForState("RUNNING");
  await cluster.ctl("tweak", "S1");
  const { code } = await cluster.ctl("flush_log");
  assert.equal(code, 0);
  const names = ["master", "storage1", "storage2", "admin"];
  const logs = names.map((name) => `${directory}/${name}.${nodes.name}.log`);
  for (const log of logs) await waitForFlush(log);
  await cluster.kill();
  return logs;
}

/** Waits until a log tells of the order to write it out, which is the last thing in it. */
async function waitForFlush(log: string): Promise<void> {
  for (const deadline = performance.now() + SHOW_MS;;) {
    const { stdout } = await neoLog([log]);
    if (stdout.includes("FlushLog")) return;
    assert.ok(performance.now() < deadline, `${log} was not written: ${stdout}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

function neoLog(words: readonly string[]): Promise<Output> {
  return neo("log", ...words);
}

function neolog(words: readonly string[]): Promise<Output> {
  return run([`${venv()}/bin/python`, `${venv()}/bin/neolog`, ...words], {
    name: "neolog",
    timeoutMs: SHOW_MS,
  });
}

/** Lines of one moment may come from several files, and neither says in which order. */
function sorted({ stdout }: Output): string[] {
  return stdout.split("\n").sort();
}

/** Shows the same files with both programs in all ways; returns what was shown with no option. */
async function showBoth(logs: readonly string[]): Promise<string> {
  let plain = "";
  for (const way of WAYS) {
    const time = String(Deno.statSync(logs[0] ?? "").mtime?.getTime() ?? 0).slice(0, -3);
    const words = [...way.map((word) => word.replace("TIME", time)), ...logs];
    const [theirs, mine] = await Promise.all([neolog(words), neoLog(words)]);
    assert.equal(theirs.code, 0, theirs.stderr);
    assert.equal(mine.code, 0, mine.stderr);
    assert.deepEqual(sorted(mine), sorted(theirs), `neo log ${way.join(" ")}`);
    if (way.length === 0) plain = theirs.stdout;
  }
  return plain;
}

const COMPRESSORS: readonly (readonly string[])[] = [
  ["gzip", "-k"],
  ["bzip2", "-k"],
  ["xz", "-k"],
  ["zstd", "-kq"],
];

peerGroup("logs", {
  "NEO's are shown as neolog shows them": () =>
    inDirectory(async (directory) => {
      const logs = await makeLogs(real, real, directory);
      const text = await showBoth(logs);
      assert.match(text, /PACKET {4}S1 +#0x\S+ StoreObject /);
      assert.match(text, /INFO +M1 +/);
      const [master = ""] = logs;
      const expected = (await neoLog([master])).stdout;
      for (const [program = "", option = ""] of COMPRESSORS) {
        const { code, stderr } = await run([program, option, master], {
          name: program,
          timeoutMs: SHOW_MS,
        });
        assert.equal(code, 0, stderr);
      }
      for (const extension of ["gz", "bz2", "xz", "zst"]) {
        const { stdout, stderr } = await neoLog([`${master}.${extension}`]);
        assert.equal(stdout, expected, stderr);
      }
    }),

  "ours are shown by neolog, written out by NEO's neoctl": () =>
    inDirectory(async (directory) => {
      const text = await showBoth(await makeLogs(ours, real, directory));
      assert.match(text, /PACKET {4}S1 +#0x\S+ StoreObject /);
      assert.match(text, /INFO +M1 +the cluster is RUNNING/);
    }),

  "a log that NEO began is continued by ours, and the other way round": () =>
    inDirectory(async (directory) => {
      const first = await makeLogs(real, real, directory);
      for (const log of first) Deno.renameSync(log, log.replace(".real.", ".ours."));
      for (const file of [1, 2]) Deno.removeSync(`${directory}/storage${file}.sqlite`);
      const second = await makeLogs(ours, ours, directory);
      await showBoth(second);
      for (const log of second) Deno.renameSync(log, log.replace(".ours.", ".real."));
      for (const file of [1, 2]) {
        for (const name of [`storage${file}.sqlite`, `storage${file}.sqlite-wal`]) {
          Deno.removeSync(`${directory}/${name}`);
        }
      }
      await showBoth(await makeLogs(real, real, directory));
    }),
});
