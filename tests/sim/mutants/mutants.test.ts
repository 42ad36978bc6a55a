/**
 * Planted faults: each is noticed within a few runs, by the checker of histories, by what the
 * workloads expect, or by the model. A fault that is not would say that the runs prove less than
 * they seem to.
 */

import assert from "node:assert/strict";
import { playSequences } from "../model/sequences.ts";
import { optionsOf } from "../runs/options.ts";
import { play } from "../runs/run.ts";
import { CLIENT_MUTANTS } from "./client.ts";
import { HISTORY_MUTANTS } from "./history.ts";
import { MAINTENANCE_MUTANTS } from "./maintenance.ts";
import { MASTER_MUTANTS } from "./master.ts";
import type { Mutant } from "./plant.ts";
import { STORAGE_MUTANTS } from "./storage.ts";
import { UNSEEN_MUTANTS } from "./unseen.ts";

/** Seeds in which a planted fault must be noticed. */
const SEEDS = 100;

/** The first seed in whose run a fault is noticed, and how; null for none. */
async function firstNoticed({ options, plant }: Mutant): Promise<[number, string] | null> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const undo = plant();
    try {
      await play(optionsOf(seed, options));
    } catch (error) {
      return [seed, error instanceof Error ? error.message : String(error)];
    } finally {
      undo();
    }
  }
  return null;
}

const ROOMS: readonly [string, readonly Mutant[]][] = [
  ["storage", [...STORAGE_MUTANTS, ...MAINTENANCE_MUTANTS, ...UNSEEN_MUTANTS]],
  ["client", CLIENT_MUTANTS],
  ["master", MASTER_MUTANTS],
];

for (const [room, mutants] of ROOMS) {
  for (const mutant of mutants) {
    Deno.test(`it is noticed when a ${room} ${mutant.name}`, async () => {
      const noticed = await firstNoticed(mutant);
      assert.ok(noticed !== null, `not noticed in ${SEEDS} runs`);
      const [seed, how] = noticed;
      console.log(`noticed with seed ${seed}: ${how.split("\n").slice(0, 2).join(" ")}`);
    });
  }
}

/** Sequences of commands in which a planted fault must be noticed. */
const SEQUENCES = 1000;

for (const { name, plant } of HISTORY_MUTANTS) {
  Deno.test(`a sequence of commands shows that a node ${name}`, async () => {
    const undo = plant();
    try {
      const played = playSequences({ seed: 1, runs: SEQUENCES, shrinks: false });
      const failure = await played.then(() => "", (error) => String(error));
      const [, after] = failure.match(/failed after (\d+) test/) ?? [];
      assert.ok(after !== undefined, `not noticed in ${SEQUENCES} sequences: ${failure}`);
      console.log(`noticed after ${after} sequences`);
    } finally {
      undo();
    }
  });
}
