/**
 * Random sequences of what clients can do, on a simulated cluster and on a small model of a storage
 * at the same time: they agree on each answer. A sequence for which they do not is shrunk.
 *
 * MODEL_SEED and MODEL_RUNS choose other sequences, and more of them.
 */

import assert from "node:assert/strict";
import { playSequences } from "./model/sequences.ts";
import { textOf } from "./runs/seeds.ts";

const seed = Number(Deno.env.get("MODEL_SEED") ?? 1);
const runs = Number(Deno.env.get("MODEL_RUNS") ?? 300);

Deno.test(`a cluster agrees with a model in ${runs} sequences of commands`, async () => {
  const counts = await playSequences({ seed, runs, shrinks: true });
  console.log(`seed=${seed} runs=${runs} ${textOf(counts)}`);
  for (const what of ["commits", "conflicts", "read conflicts", "undos", "undo errors", "packs"]) {
    assert.ok((counts[what] ?? 0) > runs / 20, `there were hardly any ${what}`);
  }
});
