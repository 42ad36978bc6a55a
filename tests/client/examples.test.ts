/** What the documentation shows must run as it stands, against a cluster at another address. */

import assert from "node:assert/strict";
import { Client } from "../../nodes/client/client.ts";
import { PastView } from "../../nodes/client/past_view.ts";
import { SnapshotTransaction } from "../../nodes/client/snapshot.ts";
import { Transaction } from "../../nodes/client/transaction.ts";
import { ROOT } from "../support/cluster.ts";
import { withCluster } from "../support/in_process.ts";
import { run } from "../support/process.ts";

const RUN_MS = 60_000;

/** Methods that are public for other parts of the client only. */
const INTERNAL = ["constructor", "end", "changes", "baseOf", "checks"];

/** A program of the documentation, and what it prints. */
interface Example {
  readonly name: string;
  readonly code: string;
  readonly output: string;
}

/** The TypeScript blocks of a text, whose lines may begin like those of a doc comment. */
function blocksOf(source: string): string[] {
  const text = source.replaceAll(/^ \* ?/gm, "");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
}

async function examplesOf(path: string, outputs: readonly string[]): Promise<Example[]> {
  const blocks = blocksOf(await Deno.readTextFile(`${ROOT}${path}`));
  assert.equal(blocks.length, outputs.length, path);
  return outputs.map((output, at) => ({
    name: `${path}, example ${at + 1}`,
    code: blocks[at] ?? "",
    output,
  }));
}

/** All blocks of a text as one program, which says itself what it prints. */
async function programOf(path: string): Promise<Example> {
  const code = blocksOf(await Deno.readTextFile(`${ROOT}${path}`)).join("\n");
  const output = [...code.matchAll(/\/\/ prints (.*)$/gm)].map(([, line]) => `${line}\n`);
  assert.ok(output.length > 0, path);
  return { name: path, code, output: output.join("") };
}

async function runExample({ code, name, output }: Example, url: string): Promise<void> {
  const program = code
    .replaceAll("neo://main@127.0.0.1:10000", url)
    .replaceAll(/"\.{1,2}\/mod\.ts"/g, `"file://${ROOT}mod.ts"`);
  assert.ok(program.includes(url) && program.includes(`file://${ROOT}`));
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const argv = [Deno.execPath(), "run", "-A", "--check", `--config=${ROOT}deno.json`, file];
    const { code: status, stdout, stderr } = await run(argv, { name, timeoutMs: RUN_MS });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, output);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("the examples of the documentation run and print what they say", async (t) => {
  const examples = [
    ...await examplesOf("mod.ts", ["{ visits: 2 }\n{ visits: 1 }\n{ visits: 1 }\n", "true\n"]),
    ...await examplesOf("README.md", ["hello, world\n"]),
    await programOf("docs/client.md"),
  ];
  await withCluster({}, async (cluster) => {
    for (const example of examples) {
      await t.step(example.name, () => runExample(example, cluster.url));
    }
  });
});

Deno.test("the client's page shows each public call", async () => {
  const text = await Deno.readTextFile(`${ROOT}docs/client.md`);
  const code = blocksOf(text).join("\n");
  const isCalled = (name: string) => code.includes(`.${name}(`) || code.includes(`.${name};`);
  for (const name of callsOf(Client)) {
    assert.ok(isCalled(name) || text.includes(`client.${name}`), `client.${name}`);
  }
  for (const name of callsOf(SnapshotTransaction)) assert.ok(text.includes(`tx.${name}(`), name);
  for (const name of callsOf(Transaction)) assert.ok(isCalled(name), name);
  for (const name of callsOf(PastView)) assert.ok(text.includes(`\`${name}\``), name);
});

/** The names of a class's own methods and accessors. */
function callsOf(type: { readonly prototype: object }): string[] {
  return Object.getOwnPropertyNames(type.prototype).filter((name) => !INTERNAL.includes(name));
}
