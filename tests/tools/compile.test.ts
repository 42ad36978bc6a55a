/** `deno task compile`: what an executable must have, and what is said where there can be none. */

import assert from "node:assert/strict";
import { WORKERS } from "../../tools/compile.ts";
import { ROOT } from "../support/cluster.ts";
import { inDirectory } from "../support/directory.ts";
import { run } from "../support/process.ts";

const COMPILE = [Deno.execPath(), "run", "-A", `${ROOT}tools/compile.ts`];
const COMPILE_MS = 120_000;

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

/** The project's own modules that a module brings with it, itself among them. */
async function modulesOf(path: string): Promise<string[]> {
  const info = await run([Deno.execPath(), "info", "--json", path], {
    ...{ name: "deno info", cwd: ROOT, timeoutMs: COMPILE_MS },
  });
  assert.equal(info.code, 0, info.stderr);
  const { modules }: { modules: { specifier: string }[] } = JSON.parse(info.stdout);
  const root = `file://${ROOT}`;
  return modules.map(({ specifier }) => specifier)
    .filter((specifier) => specifier.startsWith(root))
    .map((specifier) => specifier.slice(root.length));
}

/** What the threads that a module starts run. */
function workersOf(path: string): string[] {
  const text = Deno.readTextFileSync(ROOT + path);
  const found = [...text.matchAll(/new Worker\(new URL\("([^"]+)", import\.meta\.url\)/g)];
  assert.equal(text.split("new Worker(").length - 1, found.length, `${path} starts others as well`);
  return found.map(([, specifier = ""]) => new URL(specifier, `file:///${path}`).pathname.slice(1));
}

Deno.test("the compile task includes what threads run, and no other file is looked for", async () => {
  const modules = new Set<string>();
  const workers = new Set<string>();
  const left = ["tools/neo.ts"];
  for (let root = left.pop(); root !== undefined; root = left.pop()) {
    for (const path of await modulesOf(root)) {
      if (modules.has(path)) continue;
      modules.add(path);
      for (const worker of workersOf(path)) {
        workers.add(worker);
        left.push(worker);
      }
    }
  }
  assert.ok(modules.size > 300, `only ${modules.size} modules were found`);
  assert.deepEqual([...workers].sort(), [...WORKERS].sort());
  const places = [...modules].filter((path) =>
    Deno.readTextFileSync(ROOT + path).replaceAll("new Worker(new URL(", "")
      .match(/new URL\([^)]*import\.meta|import\.meta\.(resolve|dirname|filename)/) !== null
  );
  // It starts the sources again where it is not an executable itself.
  assert.deepEqual(places, ["tools/cluster/child.ts"]);
});

Deno.test("an executable holds the sources, and has NEO's names", () =>
  inDirectory(async (directory) => {
    // Deno's own program takes the place of the runtime for executables. It is not that one, so
    // that what comes of it is looked at and not run.
    const { code, stdout, stderr } = await run([...COMPILE, directory], {
      ...{ name: "compile", timeoutMs: COMPILE_MS, env: { DENORT_BIN: Deno.execPath() } },
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^wrote .*\/neo, and its links neomaster, /);
    const runtimeBytes = Deno.statSync(Deno.execPath()).size;
    const packed = latin1(Deno.readFileSync(`${directory}/neo`).subarray(runtimeBytes));
    for (const path of [...WORKERS, "tools/neo.ts"]) {
      assert.ok(packed.includes(latin1(Deno.readFileSync(ROOT + path))), `${path} is not in it`);
    }
    const links = [...Deno.readDirSync(directory)].filter(({ isSymlink }) => isSymlink);
    assert.equal(links.length, 7);
    for (const { name } of links) assert.equal(Deno.readLinkSync(`${directory}/${name}`), "neo");
  }));
