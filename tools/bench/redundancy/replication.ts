/**
 * How fast a new storage gets the data of one that is lost, and what that costs those who work
 * meanwhile: a Python client that commits in a loop.
 */

import { join } from "node:path";
import { randomFillSync } from "node:crypto";
import { connect } from "../../../mod.ts";
import { AddPendingNodes, SetNodeState, TweakPartitionTable } from "../../../gen/packets.ts";
import type { Make } from "../clusters.ts";
import { cpuMs } from "../procfs.ts";
import { RedundantCluster } from "./cluster.ts";
import { Committer } from "./committer.ts";

const MEGABYTE = 1_000_000;
const OBJECTS_PER_COMMIT = 500;
/** For how long the client works before, so as to know what it costs it. */
const BEFORE_MS = 6000;
/** The client's first commits, which nobody counts. */
const WARM_UP_MS = 1000;
const COMMITTED_BYTES = 1000;

export interface ReplicationOptions {
  readonly megabytes: number;
  readonly objectBytes: number;
  readonly directory: string;
  readonly venv: string;
  progress(line: string): void;
}

/** One cluster's replication. */
export interface Replication {
  readonly label: string;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  /** The client's median time of a commit before, and meanwhile; and how many commits it made. */
  readonly beforeMs: number;
  readonly meanwhileMs: number;
  readonly commitsPerSecond: { readonly before: number; readonly meanwhile: number };
  /** CPU seconds of the storage that feeds, of the one that is fed, and of the master. */
  readonly cpuSeconds: Readonly<Record<"source" | "target" | "master", number>>;
}

/** Replicates to an empty storage, while a client commits. */
export async function measureReplication(
  make: Make,
  { megabytes, objectBytes, directory, venv, progress }: ReplicationOptions,
): Promise<Replication> {
  const place = join(directory, `replication-${make.label.replaceAll(/\W/g, "-")}`);
  await Deno.mkdir(place);
  const cluster = new RedundantCluster({
    ...{ make, directory: place, masters: 1, storages: 2, replicas: 1 },
  });
  try {
    await cluster.start();
    progress(`${make.label}: writing ${megabytes} MB`);
    await fill(cluster, megabytes * MEGABYTE, objectBytes);
    await using client = await Committer.start(cluster, { venv, bytes: COMMITTED_BYTES });
    progress(`${make.label}: a client commits`);
    await pause(WARM_UP_MS + BEFORE_MS);
    const before = client.medianMs(Date.now() - BEFORE_MS, Date.now());
    await exchangeStorage(cluster);
    progress(`${make.label}: replicating`);
    const pids = { source: "storage1", target: "storage3", master: "master1" } as const;
    const cpu = () => ({
      source: cpuMs(cluster.node(pids.source).pid),
      target: cpuMs(cluster.node(pids.target).pid),
      master: cpuMs(cluster.node(pids.master).pid),
    });
    const [startMs, startCpu] = [Date.now(), cpu()];
    await cluster.ask(TweakPartitionTable, { nids: [] });
    await cluster.untilComplete();
    const [endMs, endCpu] = [Date.now(), cpu()];
    const meanwhile = client.medianMs(startMs, endMs);
    const seconds = (endMs - startMs) / 1000;
    return {
      label: make.label,
      seconds,
      megabytesPerSecond: megabytes / seconds,
      beforeMs: before.medianMs,
      meanwhileMs: meanwhile.medianMs,
      commitsPerSecond: {
        before: before.commits / (BEFORE_MS / 1000),
        meanwhile: meanwhile.commits / seconds,
      },
      cpuSeconds: {
        source: (endCpu.source - startCpu.source) / 1000,
        target: (endCpu.target - startCpu.target) / 1000,
        master: (endCpu.master - startCpu.master) / 1000,
      },
    };
  } finally {
    await cluster.stop();
    await Deno.remove(place, { recursive: true });
  }
}

/** Writes objects of random bytes, which do not compress. */
async function fill(cluster: RedundantCluster, bytes: number, objectBytes: number): Promise<void> {
  await using client = await connect(cluster.url, { cacheBytes: 0, compress: false });
  for (let left = Math.ceil(bytes / objectBytes); left > 0; left -= OBJECTS_PER_COMMIT) {
    await client.transact(async (tx) => {
      for (let count = Math.min(left, OBJECTS_PER_COMMIT); count > 0; count--) {
        await tx.create(randomFillSync(new Uint8Array(objectBytes)));
      }
    });
  }
}

/** The second storage is lost for good, and an empty one comes, which gets no cells yet. */
async function exchangeStorage(cluster: RedundantCluster): Promise<void> {
  await cluster.node("storage2").terminate();
  const lost = await cluster.untilStorage("DOWN");
  await cluster.ask(SetNodeState, { nid: lost, state: "UNKNOWN" });
  cluster.startStorage(3);
  await cluster.ask(AddPendingNodes, { nids: [await cluster.untilStorage("PENDING")] });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
