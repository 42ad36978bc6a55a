/**
 * The client is one import from a URL, on Deno, Node and Bun: everything that mod.ts loads is a
 * file of this project or a module of Node, and nothing of it asks for Deno.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";

const INFO_MS = 60_000;

interface ModuleGraph {
  readonly modules: readonly { readonly kind: string; readonly specifier: string }[];
}

Deno.test("mod.ts loads nothing but files of this project and modules of Node", async () => {
  const argv = [Deno.execPath(), "info", "--json", `${ROOT}mod.ts`];
  const { code, stdout, stderr } = await run(argv, { name: "deno info", timeoutMs: INFO_MS });
  assert.equal(code, 0, stderr);
  const { modules }: ModuleGraph = JSON.parse(stdout);
  assert.ok(modules.length > 30, `only ${modules.length} modules`);
  for (const { kind, specifier } of modules) {
    if (kind === "node" || specifier.startsWith("node:")) continue;
    assert.ok(specifier.startsWith(`file://${ROOT}`), specifier);
    const source = await Deno.readTextFile(fileURLToPath(specifier));
    assert.doesNotMatch(source, /\bDeno\./, specifier);
  }
});
