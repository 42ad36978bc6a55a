/**
 * For how long nobody can commit when a node dies: the longest time between two commits of a
 * Python client around the SIGKILL of a storage, and of the primary master.
 */

import { join } from "node:path";
import type { Make } from "../clusters.ts";
import { RedundantCluster } from "./cluster.ts";
import { Committer } from "./committer.ts";

const MASTERS = 2;
const STORAGES = 3;
const REPLICAS = 1;
const OBJECT_BYTES = 1000;
/** How long clients commit before a node dies, and for how long pauses are looked for after. */
const BEFORE_MS = 1500;
const AFTER_MS = 5000;

/** The longest times without a commit, in milliseconds. */
export interface Failover {
  readonly label: string;
  readonly storageMs: readonly number[];
  readonly masterMs: readonly number[];
}

/** Measures each make in turn, `rounds` times. */
export async function measureFailover(
  makes: readonly Make[],
  { rounds, directory, venv }: {
    readonly rounds: number;
    readonly directory: string;
    readonly venv: string;
  },
): Promise<Failover[]> {
  const results = makes.map(({ label }) => {
    return { label, storageMs: [] as number[], masterMs: [] as number[] };
  });
  for (let round = 0; round < rounds; round++) {
    for (const [at, make] of makes.entries()) {
      const place = join(directory, `failover-${round}-${at}`);
      await Deno.mkdir(place);
      const { storageMs, masterMs } = await failOnce(make, place, { round, venv });
      results[at]?.storageMs.push(storageMs);
      results[at]?.masterMs.push(masterMs);
    }
  }
  return results;
}

async function failOnce(
  make: Make,
  directory: string,
  { round, venv }: { readonly round: number; readonly venv: string },
): Promise<{ readonly storageMs: number; readonly masterMs: number }> {
  const options = { make, directory, masters: MASTERS, storages: STORAGES, replicas: REPLICAS };
  const cluster = new RedundantCluster(options);
  try {
    await cluster.start();
    await using client = await Committer.start(cluster, { venv, bytes: OBJECT_BYTES });
    const pauseAfter = async (victim: string) => {
      await pause(BEFORE_MS);
      const killedMs = cluster.kill(victim);
      await pause(AFTER_MS);
      return client.longestPauseMs(killedMs - BEFORE_MS / 2, killedMs + AFTER_MS);
    };
    const storageMs = await pauseAfter(`storage${1 + round % STORAGES}`);
    const masterMs = await pauseAfter("master1");
    return { storageMs, masterMs };
  } finally {
    await cluster.stop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
