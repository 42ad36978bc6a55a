/**
 * What contrib/ has for operators, as they use it: systemd's units are what systemd takes for
 * units, the nodes run under supervisor, and the example configuration runs a cluster.
 */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { inDirectory } from "../support/directory.ts";
import { NEO, neo } from "../support/neo.ts";
import { freePorts } from "../support/ports.ts";
import { Child, run } from "../support/process.ts";

const WAIT_MS = 60_000;
const LOOK_MS = 100;

/** The installed command, which here is started from the sources. */
const INSTALLED = "/usr/local/bin/neo";

/** Registers a test of a program that not every machine has; all have to be there under CI. */
function testWith(program: string, name: string, test: (directory: string) => Promise<void>): void {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  const isThere = path.some((directory) => {
    try {
      return Deno.statSync(`${directory}/${program}`).isFile;
    } catch {
      return false;
    }
  });
  if (!isThere) {
    console.error(`deploy: 1 skipped (there is no ${program}): ${name}`);
    if (Deno.env.get("CI") === "true") throw new Error(`${program} has to be there under CI`);
  }
  Deno.test({ name, ignore: !isThere, fn: () => inDirectory(test) });
}

/** Writes the command that contrib's files expect to be installed. */
function install(directory: string): string {
  const path = `${directory}/neo`;
  const words = NEO.map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return path;
}

/** The example configuration, for other addresses and directories. Returns the admin's address. */
function configure(directory: string): { file: string; admin: string } {
  const [master, admin] = freePorts(2).map((port) => `127.0.0.1:${port}`);
  const file = `${directory}/neo.conf`;
  Deno.writeTextFileSync(
    file,
    Deno.readTextFileSync(`${ROOT}contrib/neo.conf`)
      .replaceAll("127.0.0.1:10000", `${master}`)
      .replaceAll("127.0.0.1:9999", `${admin}`)
      .replaceAll(/\/var\/(lib|log)\/neo/g, directory)
      .replace(";autostart", "autostart"),
  );
  return { file, admin: `${admin}` };
}

async function waitFor(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + WAIT_MS; !await isSo();) {
    assert.ok(performance.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

testWith("systemd-analyze", "systemd finds nothing wrong with the units", async (directory) => {
  const command = install(directory);
  const names = [...Deno.readDirSync(`${ROOT}contrib/systemd`)].map(({ name }) => name);
  assert.ok(names.length >= 5);
  for (const name of names) {
    const text = Deno.readTextFileSync(`${ROOT}contrib/systemd/${name}`);
    assert.ok(name.endsWith(".target") || text.includes(`ExecStart=${INSTALLED} `), name);
    Deno.writeTextFileSync(`${directory}/${name}`, text.replaceAll(INSTALLED, command));
  }
  const units = names.map((name) => `${directory}/${name.replace("@.", "@storage-2.")}`);
  const { code, stdout, stderr } = await run(["systemd-analyze", "verify", ...units], {
    name: "systemd-analyze",
    timeoutMs: WAIT_MS,
    // Units of the machine itself are not our business.
    env: { SYSTEMD_UNIT_PATH: `${directory}:/lib/systemd/system` },
  });
  const ours = (stdout + stderr).split("\n").filter((line) => line.includes("neo"));
  assert.deepEqual(ours, []);
  assert.equal(code, 0, stdout + stderr);
});

/** The commands of NEO's programs in a file of supervisor or systemd, each a list of words. */
function commandsIn(text: string, key: string): string[][] {
  return [...text.matchAll(new RegExp(`^${key}=${INSTALLED} (.*)$`, "gm"))]
    .map(([, words = ""]) => words.split(" "));
}

Deno.test("systemd and supervisor start the same commands, which the nodes understand", () => {
  const units = ["master", "storage", "admin"].flatMap((role) => {
    const unit = Deno.readTextFileSync(`${ROOT}contrib/systemd/neo-${role}.service`);
    return commandsIn(unit, "ExecStart");
  });
  const supervisor = Deno.readTextFileSync(`${ROOT}contrib/supervisor/neo.conf`);
  assert.deepEqual(commandsIn(supervisor, "command"), units);
  assert.deepEqual(units.map(([role]) => role), ["master", "storage", "admin"]);
});

testWith("supervisord", "the nodes run under supervisor, and stop in order", async (directory) => {
  const { file, admin } = configure(directory);
  const text = Deno.readTextFileSync(`${ROOT}contrib/supervisor/neo.conf`)
    .replaceAll(INSTALLED, install(directory))
    .replaceAll("/etc/neo/neo.conf", file)
    .replaceAll("/var/log/neo", directory)
    // Only the superuser may become another one, who does not exist here.
    .replaceAll(/^user=.*\n/gm, "");
  const supervisor = `[supervisord]\nnodaemon=true\nlogfile=${directory}/supervisord.log
pidfile=${directory}/supervisord.pid\nchildlogdir=${directory}\n\n${text}`;
  Deno.writeTextFileSync(`${directory}/supervisord.conf`, supervisor);
  const child = Child.start(["supervisord", "-c", `${directory}/supervisord.conf`], {
    name: "supervisord",
  });
  try {
    for (const role of ["master", "storage", "admin"]) {
      await child.waitForOutput(new RegExp(`success: neo-${role} entered RUNNING`), WAIT_MS);
    }
    const state = async () => (await neo("ctl", "-a", admin, "print", "cluster")).stdout;
    await waitFor("the cluster runs", async () => await state() === "RUNNING\n");
    const stopped = await neo("ctl", "-a", admin, "set", "cluster", "stopping");
    assert.equal(stopped.stdout, "Cluster state changed\n", stopped.stderr);
    for (const role of ["master", "storage", "admin"]) {
      const ended = new RegExp(`exited: neo-${role} \\(exit status 0; expected\\)`);
      await child.waitForOutput(ended, WAIT_MS);
    }
    assert.doesNotMatch(child.stdout, /not expected/);
  } finally {
    await child.terminate();
  }
  const { code, stdout } = await neo("check-config", file);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^neo admin -f ${file}\\n(?:.*\\n)*? {2}bind +${admin} `, "m"));
});

Deno.test("neo check-config finds nothing wrong with what docs/deploying.md installs", () =>
  inDirectory(async (directory) => {
    const page = Deno.readTextFileSync(`${ROOT}docs/deploying.md`);
    const [, sources = "", places = ""] = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)]
      .map(([, commands = ""]) => commands);
    // No user is made here, and no service: all belongs to whoever runs this, in this directory.
    const commands = (sources + places).trim().split("\n")
      .filter((line) => !/useradd|systemctl/.test(line))
      .map((line) => line.replaceAll(/ -[og] neo\b/g, "").replaceAll(/ (?=\/)/g, ` ${directory}`))
      .map((line) => line.replace("cp -R .", `ln -s ${ROOT}`));
    assert.equal(commands.length, 5, commands.join("\n"));
    Deno.mkdirSync(`${directory}/usr/local/bin`, { recursive: true });
    Deno.mkdirSync(`${directory}/opt`);
    const installed = await run(["sh", "-ec", commands.join("\n")], {
      ...{ name: "install", cwd: ROOT, timeoutMs: WAIT_MS },
    });
    assert.equal(installed.code, 0, installed.stderr);
    const file = `${directory}/etc/neo/neo.conf`;
    const text = Deno.readTextFileSync(file).replaceAll(" /var/", ` ${directory}/var/`);
    Deno.writeTextFileSync(file, text);
    const { code, stderr } = await run([`${directory}/usr/local/bin/neo`, "check-config", file], {
      ...{ name: "neo check-config", timeoutMs: WAIT_MS },
      env: { NEO_HOME: `${directory}/opt/neo-ts` },
    });
    assert.deepEqual([code, stderr], [0, ""]);
  }));

Deno.test("neo check-config tells each mistake in one line, and ends with status 1", () =>
  inDirectory(async (directory) => {
    const { file } = configure(directory);
    const text = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, text.replace("partitions: 100", "partition: many\nreplica: 1"));
    const { code, stdout, stderr } = await neo("check-config", "-q", file);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.deepEqual(
      stderr.trimEnd().split("\n"),
      ["partition", "replica"].map((key) =>
        `${file}: [master] no node reads '${key}' (did you mean '${key}s'?): correct or remove it`
      ),
    );
    const missing = await neo("check-config", `${directory}/nothing.conf`);
    assert.equal(missing.code, 1);
    assert.equal(missing.stderr, `error: there is no file ${directory}/nothing.conf\n`);
  }));

Deno.test("neo simple starts a cluster to throw away, and leaves nothing of it", () =>
  inDirectory(async (directory) => {
    const temporary = `${directory}/t`;
    const child = Child.start([
      ...[
        ...NEO,
        "simple",
        "--adapter",
        "SQLite",
        "--temp_dir",
        temporary,
        "--name",
        "to throw/away",
      ],
      ...["--partitions", "3", "--replicas", "1", "--logger", "--cleanup_on_delete", "a", "b"],
    ], { name: "neo simple" });
    try {
      const found = await child.waitForOutput(/neo ctl -a (\S+) start/, WAIT_MS);
      const [, admin = ""] = found;
      const ask = async (...words: string[]) => (await neo("ctl", "-a", admin, ...words)).stdout;
      await waitFor(
        "two storages wait",
        async () => (await ask("print", "node", "storage")).match(/PENDING/g)?.length === 2,
      );
      assert.equal(await ask("print", "cluster"), "RECOVERING\n");
      assert.doesNotMatch(child.stdout + child.stderr, /Cluster running|WARNING/);
      await ask("start");
      await child.waitForOutput(/Cluster running/, WAIT_MS);
      assert.equal(await ask("print", "cluster"), "RUNNING\n");
      const rows = (await ask("print", "pt")).trim().split("\n");
      assert.equal(rows.length, 3);
      for (const row of rows) assert.equal(row.match(/UP_TO_DATE/g)?.length, 2, row);
      const names = [...Deno.readDirSync(temporary)].map(({ name }) => name);
      for (const name of ["admin.log", "master_0.log", "storage_1.log", "a.sqlite", "b.sqlite"]) {
        assert.ok(names.includes(name), `${name} is among ${names}`);
      }
      child.signal("SIGINT");
      assert.equal((await child.waitForExit(WAIT_MS)).code, 0, child.tail());
    } finally {
      await child.terminate();
    }
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  }));

Deno.test("neo simple says in one line what keeps it from starting", async () => {
  const { code, stderr } = await neo(
    "simple",
    "--bind_ip",
    "192.0.2.1",
    "--adapter",
    "SQLite",
    "x",
  );
  assert.equal(code, 1);
  assert.match(stderr, /^error: can't listen on 192\.0\.2\.1: .*: choose another --bind_ip\n$/);
});
