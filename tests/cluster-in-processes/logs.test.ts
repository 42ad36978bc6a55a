/** The logs of nodes as an operator uses them: flush, rotation, other signals, JSON, following. */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Cluster, ours, ROOT } from "../support/cluster.ts";
import { filesIn, inDirectory } from "../support/directory.ts";
import { NEO, neo } from "../support/neo.ts";
import { freePorts } from "../support/ports.ts";
import { Child, run } from "../support/process.ts";

/** A cluster with one node of each kind. */
const SMALL = { master: ours, storages: [ours], ctl: ours };

const WAIT_MS = 30_000;
const LOOK_MS = 40;
/** A node that ignores SIGUSR1 for so long has seen the runtime take it. */
const SETTLED_MS = 2000;

/** Waits until a file of a node is there and `neo log` shows something in it. */
async function waitForLog(path: string, accept: (text: string) => boolean): Promise<string> {
  for (const deadline = performance.now() + WAIT_MS;;) {
    const { stdout, stderr } = await neo("log", path);
    if (accept(stdout)) return stdout;
    assert.ok(performance.now() < deadline, `${path} shows: ${stdout}${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** SIGUSR1 among the signals that a process ignores, as bits. */
const SIGUSR1_BIT = 1n << 9n;

/**
 * Waits until a node has told the runtime not to open a debugger on SIGUSR1: the runtime takes that
 * signal half a second after its start, and the node takes it away a little later.
 */
async function waitForIgnored(pid: number): Promise<void> {
  const start = performance.now();
  for (let ignoredMs = 0; ignoredMs < SETTLED_MS;) {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const ignored = BigInt(`0x${/SigIgn:\s*(\S+)/.exec(status)?.[1]}`);
    const isIgnored = (ignored & SIGUSR1_BIT) !== 0n;
    ignoredMs = isIgnored ? ignoredMs + LOOK_MS : 0;
    assert.ok(performance.now() - start < WAIT_MS, status);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

Deno.test("nothing is left of a neo log that is killed while it decompresses", () =>
  inDirectory(async (directory) => {
    const temporary = `${directory}/tmp`;
    Deno.mkdirSync(temporary);
    const path = `${directory}/m1.log.gz`;
    assert.equal((await run(["mkfifo", path], { name: "mkfifo", timeoutMs: WAIT_MS })).code, 0);
    const child = Child.start([...NEO, "log", path], {
      ...{ name: "neo log", env: { TMPDIR: temporary } },
    });
    try {
      // It opens once the other side has: then the file is being decompressed.
      using _ = await Deno.open(path, { write: true });
      assert.deepEqual(filesIn(temporary), []);
    } finally {
      await child.kill();
    }
    assert.deepEqual(filesIn(temporary), []);
  }));

Deno.test("the nodes of a cluster write out their logs when neoctl or a signal says so", () =>
  inDirectory(async (directory) => {
    await using cluster = await Cluster.start({ directory, ...SMALL });
    const logs = ["master", "storage1", "admin"].map((name) => `${directory}/${name}.ours.log`);
    const [, storageLog = ""] = logs;
    assert.equal((await cluster.ctl("flush_log")).code, 0);
    for (const log of logs) {
      await waitForLog(log, (text) => text.includes("FlushLog"));
    }
    const { stdout } = await neo("log", "-a", ...logs);
    assert.match(stdout, /PACKET {4}M1 +#0x\S+ FlushLog +< A1/);
    assert.match(stdout, /PACKET {4}S1 +#0x\S+ FlushLog +< M1/);
    assert.match(stdout, /PACKET {4}A1 +#0x\S+ FlushLog +> M1/);
    assert.match(stdout, /INFO {6}M1 +the cluster is RUNNING/);
    assert.match(stdout, /ClusterInformation .*<EnumItem RUNNING \(2\)>/);
    const before = stdout.length;
    const storage = cluster.node("storage1");
    await waitForIgnored(storage.pid);

    // As a log rotation does, with a signal that NEO takes before: no node may mind.
    Deno.renameSync(storageLog, `${storageLog}.1`);
    for (const signal of ["-34", "-35", "-36", "-37", "-USR1"]) {
      const { code } = await run(["kill", signal, String(storage.pid)], {
        name: "kill",
        timeoutMs: WAIT_MS,
      });
      assert.equal(code, 0);
    }
    storage.signal("SIGHUP");
    await waitForLog(storageLog, (text) => text === "");
    storage.signal("SIGUSR2");
    await cluster.waitForState("RUNNING");
    await cluster.ctl("flush_log");
    const text = await waitForLog(storageLog, (text) => text.includes("FlushLog"));
    assert.ok(text.length < before && !text.includes("RequestIdentification"));
    assert.ok(!storage.stderr.includes("Debugger"), storage.stderr);
    assert.match((await neo("log", `${storageLog}.1`)).stdout, /RequestIdentification/);
    await cluster.stop();
  }));

Deno.test("a node tells its state on SIGQUIT, on standard error and in its log", () =>
  inDirectory(async (directory) => {
    await using cluster = await Cluster.start({
      directory,
      master: ours,
      spares: [ours],
      storages: [ours, ours],
      ctl: ours,
      partitions: 3,
      replicas: 1,
    });
    const expected: Readonly<Record<string, readonly RegExp[]>> = {
      master: [/the cluster is RUNNING/, / \* S2 \| STORAGE \| .* \| RUNNING/, /transactions: 0/],
      storage1: [/S\d follows M\d/, /pt: S1 R UUU\n/, /pt: S2 R UUU\n/, /transactions: 0/],
      admin: [/follows M\d .*; the cluster is RUNNING/, / \* M\d \| MASTER/, /pt: S1 R UUU\n/],
      spare1: [/follows the primary master at 127/],
    };
    for (const [name, patterns] of Object.entries(expected)) {
      const node = cluster.node(name);
      node.signal("SIGQUIT");
      for (const pattern of patterns) await node.waitForOutput(pattern, WAIT_MS);
    }
    const text = await waitForLog(`${directory}/storage1.ours.log`, (text) => /state:/.test(text));
    assert.match(text, /WARNING {3}S\d +pt: S2 R UUU/);
    await cluster.stop();
  }));

Deno.test("a node says why it ended in its log, and on standard error in one line", () =>
  inDirectory(async (directory) => {
    const log = `${directory}/admin.log`;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const { code, stderr } = await neo(
      ...["admin", "-c", "x", "-m", "127.0.0.1:9", "-b", `127.0.0.1:${port}`, "-l", log],
    );
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^error: .*127\\.0\\.0\\.1:${port}.*\\n$`));
    assert.match((await neo("log", log)).stdout, new RegExp(`CRITICAL +admin +.*:${port}`));
  }));

Deno.test("standard error can be JSON, one object a line", async () => {
  const [port] = freePorts(1);
  const master = Child.start([
    ...[...NEO, "master", "-c", "main", "-b", `127.0.0.1:${port}`],
    ...["--log-format", "json", "--log-level", "DEBUG"],
  ], { name: "master" });
  try {
    await master.waitForOutput(/"node":"M1".*\n/, WAIT_MS);
  } finally {
    await master.terminate();
  }
  const lines = master.stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.ok(lines.length > 0);
  for (const line of lines) {
    assert.ok(!Number.isNaN(Date.parse(line.time)));
    for (const key of ["level", "module", "message"]) assert.equal(typeof line[key], "string");
  }
  assert.ok(lines.some(({ cluster, node }) => cluster === "main" && node === "M1"));
});

Deno.test("neo log follows a log, makes its node write it out, and ends on Ctrl-C", () =>
  inDirectory(async (directory) => {
    await using cluster = await Cluster.start({ directory, ...SMALL });
    const path = `${directory}/master.ours.log`;
    const pid = String(cluster.node("master").pid);
    const follower = Child.start(
      [...NEO, "log", "-f", "-s", "0.1", "-F", pid, path],
      { name: "neo log -f" },
    );
    try {
      await follower.waitForOutput(/the cluster is RUNNING/, WAIT_MS);
      await cluster.ctl("print", "ids");
      await follower.waitForOutput(/AnswerLastIDs/, WAIT_MS);
      follower.signal("SIGINT");
      assert.equal((await follower.waitForExit(WAIT_MS)).code, 0, follower.tail());
    } finally {
      await follower.terminate();
    }
    const lines = follower.stdout.split("\n").filter((line) => line.includes("is RUNNING"));
    assert.equal(lines.length, 1, "nothing is shown twice");

    const wrong = await neo("log", "-f", "-F", String(Deno.pid), path);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^error: process \d+ takes no signal to write out its log[^\n]*\n$/);
    await cluster.stop();
  }));

/** The commands of docs/logs.md that end by themselves. */
function documentedCommands(): string[] {
  const text = Deno.readTextFileSync(`${ROOT}docs/logs.md`);
  return [...text.matchAll(/^neo log .*$/gm)].map(([line]) => line.replace(/ +#.*/, ""))
    .filter((line) => !line.includes(" -f "));
}

Deno.test("the commands of docs/logs.md show what it says", () =>
  inDirectory(async (directory) => {
    await using cluster = await Cluster.start({ directory, ...SMALL });
    await cluster.ctl("flush_log");
    for (const name of ["master", "storage1"]) {
      const log = `${directory}/${name}.ours.log`;
      await waitForLog(log, (text) => text.includes("FlushLog"));
      Deno.renameSync(log, `${directory}/${name}.log`);
    }
    await cluster.kill();
    Deno.writeFileSync(
      `${directory}/storage1.log.1.gz`,
      gzipSync(Deno.readFileSync(`${directory}/storage1.log`)),
    );
    const commands = documentedCommands();
    assert.ok(commands.length >= 6);
    const command = NEO.map((word) => `'${word}'`).join(" ");
    for (const line of commands) {
      const { code, stdout, stderr } = await run(
        ["sh", "-c", `neo() { ${command} "$@"; }; rm -f admin.ours.log; ${line}`],
        { name: line, cwd: directory, timeoutMs: WAIT_MS },
      );
      assert.equal(code, 0, stderr);
      // All that happened is of this minute, and later than the date in the page.
      assert.match(stdout, /PACKET +[MS]1 +#0x/, line);
    }
  }));

Deno.test("the mistakes of a user of neo log cost one line each", async () => {
  const check = async (words: readonly string[], code: number, message: RegExp) => {
    const found = await neo("log", ...words);
    assert.equal(found.code, code, found.stderr);
    assert.equal(found.stdout, "");
    assert.match(found.stderr, message);
    assert.equal(found.stderr.split("\n").length, 2, found.stderr);
  };
  await check([], 2, /missing required argument 'file'/);
  await check(["-C", "-N", "x.log"], 2, /-N\/--no-nid: not allowed with argument -C\/--cluster/);
  await check(["-s", "0", "x.log"], 2, /sleep_interval must be positive/);
  await check(["-s", "x", "x.log"], 2, /invalid float value: 'x'/);
  await check(["--from", "whenever", "x.log"], 1, /--from: expected .*, found 'whenever'/);
  await check(["x.log"], 1, /there is no file x\.log/);
  await check(["--bogus", "x.log"], 2, /unknown option '--bogus'/);
});
