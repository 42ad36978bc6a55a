/** The executable of `deno task compile`: a cluster of it runs, or the task says what it lacks. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { inDirectory } from "../support/directory.ts";
import { freePorts } from "../support/ports.ts";
import { Child, run } from "../support/process.ts";

const COMPILE = [Deno.execPath(), "run", "-A", `${ROOT}tools/compile.ts`];
const COMPILE_MS = 300_000;
const WAIT_MS = 60_000;

Deno.test("a cluster runs of the executable, where Deno can make one", () =>
  inDirectory(async (directory) => {
    const compiled = await run([...COMPILE, directory], { name: "compile", timeoutMs: COMPILE_MS });
    if (compiled.code !== 0) {
      console.error("not tested: executables, for which Deno's runtime can't be had here");
      assert.match(compiled.stderr, /^compile: Deno could not download the runtime [^\n]*\n$/);
      return;
    }
    await runCluster(directory);
  }));

/** Runs nodes by the names that NEO has for them, and a whole cluster. */
async function runCluster(directory: string): Promise<void> {
  for (const name of ["neomaster", "neostorage", "neoadmin", "neoctl", "neolog", "neosimple"]) {
    const { code, stdout } = await run([`${directory}/${name}`, "--help"], {
      ...{ name, timeoutMs: WAIT_MS },
    });
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: neo ${name.slice("neo".length)} `));
  }
  const [master = "", admin = ""] = freePorts(2).map((port) => `127.0.0.1:${port}`);
  const places = ["--data", `${directory}/data`, "--master", master, "--admin", admin];
  await using cluster = Child.start([`${directory}/neo`, "cluster", "--demo", ...places], {
    name: "neo cluster",
  });
  await cluster.waitForOutput(/loaded it back, .*: hello[^]*Ctrl-C stops/, WAIT_MS);
  cluster.signal("SIGINT");
  assert.deepEqual(await cluster.waitForExit(WAIT_MS), { code: 0, signal: null });
}
