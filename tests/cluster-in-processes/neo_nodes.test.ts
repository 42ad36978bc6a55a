/** The node commands as an operator uses them: configuration file, signals, mistakes. */

import assert from "node:assert/strict";
import { NEO, neo } from "../support/neo.ts";
import { freePorts } from "../support/ports.ts";
import { Child } from "../support/process.ts";

const WAIT_MS = 30_000;

async function withConfiguration(
  use: (place: { file: string; directory: string; admin: string }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-nodes-" });
  const [master, admin] = freePorts(2).map((port) => `127.0.0.1:${port}`);
  assert.ok(master !== undefined && admin !== undefined);
  const file = `${directory}/neo.conf`;
  await Deno.writeTextFile(
    file,
    `[DEFAULT]
cluster: test
masters: ${master}
[master]
bind: ${master}
partitions: 5
autostart: 1
[storage]
adapter: SQLite
database: ${directory}/%(cluster)s.sqlite
disable_drop_partitions: true
[admin]
bind: ${admin}
`,
  );
  try {
    await use({ file, directory, admin });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("nodes start from one file, and end with status 0 on SIGTERM and SIGINT", async () => {
  await withConfiguration(async ({ file, directory, admin }) => {
    const nodes = ["master", "storage", "admin"].map((role) =>
      Child.start([...NEO, role, "-f", file, "--log-level", "INFO"], { name: role })
    );
    const [master, storage, adminNode] = nodes;
    assert.ok(master !== undefined && storage !== undefined && adminNode !== undefined);
    try {
      await storage.waitForOutput(/the cluster is RUNNING/, WAIT_MS);
      await adminNode.waitForOutput(/following the primary master/, WAIT_MS);
      const { stdout } = await neo("ctl", "-a", admin, "print", "pt");
      assert.equal(stdout.split("\n")[0], "000 | S1 - UP_TO_DATE |");
      assert.equal(stdout.trim().split("\n").length, 5);

      const locked = await neo("storage", "-f", file);
      assert.equal(locked.code, 1);
      assert.equal(locked.stderr, "error: database is locked\n");

      for (const [at, node] of nodes.reverse().entries()) {
        node.signal(at === 0 ? "SIGINT" : "SIGTERM");
        assert.deepEqual(await node.waitForExit(WAIT_MS), { code: 0, signal: null }, node.tail());
      }
      const files = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
      assert.deepEqual(files, ["neo.conf", "test.sqlite"], "a stopped database is one file");
    } finally {
      for (const node of nodes) await node.kill();
    }
  });
});

Deno.test("the database of another cluster is refused and left as it was", async () => {
  await withConfiguration(async ({ file, directory }) => {
    assert.equal((await neo("storage", "-f", file, "--reset")).code, 0);
    const path = `${directory}/test.sqlite`;
    const before = await Deno.readFile(path);
    for (const more of [[], ["--reset"]]) {
      const { code, stderr } = await neo("storage", "-f", file, "-c", "other", "-d", path, ...more);
      assert.equal(code, 1);
      assert.match(stderr, /^error: name 'other' does not match with the database: '?test'?.*\n$/);
      assert.deepEqual(await Deno.readFile(path), before);
    }
  });
});

Deno.test("mistakes are told in one line", async () => {
  const cases: [string[], number, RegExp][] = [
    [["nonsense"], 2, /^neo: error: there is no command 'nonsense'/],
    [["storage", "-d", "x"], 2, /^neo storage: error: argument -c\/--cluster is required/],
    [["master", "-c", "x", "-p", "0"], 1, /^error: partitions must be more than zero/],
    [["master", "-c", "x", "--ca", "x"], 1, /^error: To enable encryption, 3 files must be/],
    [["master", "-c", "x", "-b", "a b"], 1, /^error: expected an address such as/],
    [["storage", "-c", "x", "-d", "x/nowhere"], 1, /^error: no database server .*\/nowhere/],
    [["master", "-c", "x", "-b", "192.0.2.1:1"], 1, /^error: cannot listen on 192.*: choose one/],
    [["master", "-c", "x", "-l", "/nowhere/x"], 1, /^error: the log file .*: choose a file in a/],
    [["admin", "-c", "x", "-f", "/nonexistent"], 1, /^error: No section: 'admin'/],
    [["packet", "guess"], 2, /^neo packet: error: expected decode or encode/],
  ];
  for (const [words, status, message] of cases) {
    const { code, stdout, stderr } = await neo(...words);
    assert.equal(code, status, stderr);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.equal(stdout, "");
  }
});

Deno.test("that there is no admin is told as neoctl tells it", async () => {
  const { stdout } = await neo("ctl", "-a", "127.0.0.1:1", "print", "cluster");
  assert.equal(stdout, "ERROR: not connected\n");
});
