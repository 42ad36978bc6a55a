/** The benchmark's command line: what can't be measured, or kept, is refused before. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";

const BENCH = [
  ...[Deno.execPath(), "run", "-A", `--config=${ROOT}deno.json`],
  `${ROOT}tools/bench/main.ts`,
];
const RUN_MS = 60_000;

for (
  const [args, expected] of [
    ["--only loads", /^error: option '--only <name>' argument 'loads' is invalid/],
    ["--rounds 0", /expected a whole number from 1 to 1000\.$/m],
    ["--seconds -1", /expected a number of seconds greater than 0\.$/m],
    ["--mysql /dev/null --only pack", /^error: option '--only pack' .* '--mysql'$/m],
    ["--json /dev/null/json", /it can't be written: Not a directory/],
    ["--beside /dev/null", /there is no \/dev\/null\/tools\/bench\/client\.ts\.$/m],
    ["--beside . --noise", /^error: option '--beside <directory>' cannot be used with/],
  ] as const
) {
  Deno.test(`the benchmark refuses ${args} in one line`, async () => {
    const argv = [...BENCH, ...args.split(" ")];
    const { code, stdout, stderr } = await run(argv, { name: "bench", timeoutMs: RUN_MS });
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, expected);
    assert.equal(stderr.split("\n").length, 2, stderr);
  });
}
