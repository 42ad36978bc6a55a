/**
 * Many runs of whole clusters under faults: the store keeps its promises in each of them, and what
 * fails can be played again from its seed.
 */

import assert from "node:assert/strict";
import { optionsOf } from "./runs/options.ts";
import { play } from "./runs/run.ts";
import { playSeeds, reportText } from "./runs/seeds.ts";

const SEEDS = 200;

Deno.test(`the store keeps its promises in ${SEEDS} runs`, async () => {
  const seeds = Array.from({ length: SEEDS }, (_, at) => at + 1);
  const report = await playSeeds(seeds, { jobs: navigator.hardwareConcurrency });
  const text = reportText(report);
  console.log(text);
  assert.equal(report.failures.length, 0, text);
  const { committed = 0, aborted = 0, resolutions = 0 } = report.counts;
  const faults = Object.keys(report.counts).filter((name) => name.startsWith("fault: "));
  assert.ok(faults.length >= 15, text);
  // Runs in which nothing happens, or all goes well, prove nothing.
  assert.ok(committed > 20 * SEEDS && aborted > 5 * SEEDS && resolutions > SEEDS, text);
});

Deno.test("the same seed plays the same run, faults included", async () => {
  for (const seed of [3, 4]) {
    const options = optionsOf(seed, { faults: "mixed" });
    const counts = await play(options);
    assert.deepEqual(await play(options), counts);
    assert.notDeepEqual(await play({ ...options, seed: seed + 100 }), counts);
  }
});
