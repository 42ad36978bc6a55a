/** The simulator's command line: a run that proves nothing is not begun. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";

const SIM = [
  ...[Deno.execPath(), "run", "-A", `--config=${ROOT}deno.json`],
  `${ROOT}tests/sim/run_seeds.ts`,
];
const RUN_MS = 60_000;

for (
  const [args, expected] of [
    ["--seeds 0", "--seeds: expected a whole number from 1 to 1000000"],
    ["--seeds 999999999999999", "--seeds: expected a whole number from 1 to 1000000"],
    ["--jobs 0", "--jobs: expected a whole number from 1 to 1000"],
    ["--storages 0", "--storages: expected a whole number from 1 to 32"],
    ["--steps 1e2", "--steps: expected a whole number from 1 to 1000"],
    ["--backups 2", "--backups: expected a whole number from 0 to 1"],
    ["--seed 1 --seeds 2", "--seed: expected neither --seeds nor --first beside it"],
    ["--seed 1 --log /dev/null/log", "--log: Not a directory"],
    ["--workload sums", "--workload: Invalid option: expected one of"],
    ["--storms", "Unknown option '--storms'"],
  ] as const
) {
  Deno.test(`the simulator refuses ${args} in one line`, async () => {
    const argv = [...SIM, ...args.split(" ")];
    const { code, stdout, stderr } = await run(argv, { name: "sim", timeoutMs: RUN_MS });
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.ok(stderr.startsWith(expected), stderr);
    assert.equal(stderr.split("\n").length, 2, stderr);
  });
}

Deno.test("the simulator plays the seed it is told to, and writes down what happens", async () => {
  const log = await Deno.makeTempFile({ prefix: "neo-sim-test-" });
  try {
    const argv = [...SIM, "--seed", "3", "--clients", "1", "--finale", "none", "--log", log];
    const { code, stdout, stderr } = await run(argv, { name: "sim", timeoutMs: RUN_MS });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^seed=3 .* finale=none .* clients=1 /);
    assert.match(stdout, /1 runs, 0 failed/);
    assert.match(await Deno.readTextFile(log), /AnswerTransactionFinished/);
  } finally {
    await Deno.remove(log);
  }
});
