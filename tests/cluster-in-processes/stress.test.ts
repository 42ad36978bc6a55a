/** A short run of the stress tool, as people start it: nothing is lost, whatever goes wrong. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { Child, run } from "../support/process.ts";

const STRESS = [
  ...[Deno.execPath(), "run", "-A", `--config=${ROOT}deno.json`],
  `${ROOT}tools/stress/main.ts`,
];

/** How long faults happen, and how long the whole run may take on a busy machine. */
const SECONDS = 20;
const RUN_MS = 240_000;
const LEAST_FAULTS = SECONDS;

Deno.test("a cluster of processes is disturbed, and keeps all its promises", async () => {
  const size = ["--masters", "2", "--storages", "3", "--partitions", "6", "--clients", "1"];
  const argv = [...STRESS, "--time", `${SECONDS}`, ...size, "--settle", "120"];
  const { code, stdout, stderr } = await run(argv, { name: "stress", timeoutMs: RUN_MS });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /all is well\n$/);
  const faults = Number(/^faults: (\d+) /m.exec(stdout)?.[1]);
  assert.ok(faults >= LEAST_FAULTS, stdout);
  const commits = Number(/^checked: (\d+) acknowledged/m.exec(stdout)?.[1]);
  assert.ok(commits > 0, stdout);
});

Deno.test("Ctrl-C ends a run of the stress tool, its nodes included", async () => {
  await using child = Child.start([...STRESS, "--time", "600"], { name: "stress" });
  const [, directory = ""] = await child.waitForOutput(/databases and logs: (.*)/, RUN_MS);
  await child.waitForOutput(/ \d+ commits/, RUN_MS);
  child.signal("SIGINT");
  const { code } = await child.waitForExit(RUN_MS);
  assert.equal(code, 130, child.tail());
  await assert.rejects(Deno.stat(directory), Deno.errors.NotFound);
});

for (
  const [option, text, found] of [
    ["--faults", "flood", "kill, .*found flood"],
    ["--faults", ",", "kill, .*found none"],
    ["--workloads", " ", "logs, .*found none"],
  ] as const
) {
  Deno.test(`the stress tool refuses ${option} "${text}" in one line`, async () => {
    const argv = [...STRESS, option, text];
    const { code, stdout, stderr } = await run(argv, { name: "stress", timeoutMs: RUN_MS });
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(`^stress: error: argument ${option}: expected some of ${found}`),
    );
    assert.equal(stderr.split("\n").length, 2);
  });
}
