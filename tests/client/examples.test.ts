/** What the documentation shows must run as it stands, against a cluster at another address. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { withCluster } from "../support/in_process.ts";
import { run } from "../support/process.ts";

const RUN_MS = 60_000;

/** The TypeScript blocks of a text, whose lines may begin like those of a doc comment. */
function examplesOf(source: string): string[] {
  const text = source.replaceAll(/^ \* ?/gm, "");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
}

const EXAMPLES: readonly [path: string, outputs: readonly string[]][] = [
  ["mod.ts", ["{ visits: 2 }\n{ visits: 1 }\n{ visits: 1 }\n", "true\n"]],
  ["README.md", ["hello, world\n"]],
];

Deno.test("the examples of the documentation run and print what they say", async (t) => {
  await withCluster({}, async (cluster) => {
    for (const [path, outputs] of EXAMPLES) {
      const examples = examplesOf(await Deno.readTextFile(`${ROOT}${path}`));
      assert.equal(examples.length, outputs.length, path);
      for (const [at, example] of examples.entries()) {
        await t.step(`${path}, example ${at + 1}`, async () => {
          const code = example
            .replaceAll("neo://main@127.0.0.1:10000", cluster.url)
            .replaceAll("./mod.ts", `file://${ROOT}mod.ts`);
          assert.ok(code.includes(cluster.url));
          const file = await Deno.makeTempFile({ suffix: ".ts" });
          try {
            await Deno.writeTextFile(file, code);
            const argv = [
              Deno.execPath(),
              "run",
              "-A",
              "--check",
              `--config=${ROOT}deno.json`,
              file,
            ];
            const { code: status, stdout, stderr } = await run(argv, {
              name: path,
              timeoutMs: RUN_MS,
            });
            assert.equal(status, 0, stderr);
            assert.equal(stdout, outputs[at]);
          } finally {
            await Deno.remove(file);
          }
        });
      }
    }
  });
});
