/** Two clusters in the test's own process, of which one is the other's backup. */

import { AskClusterState, AskRecovery, SetClusterState } from "../../gen/packets.ts";
import type { ClusterState } from "../../gen/packets.ts";
import { type Client, connect, type Tid } from "../../mod.ts";
import { ackText } from "../master/support.ts";
import { InProcessCluster, type InProcessOptions } from "./in_process.ts";
import assert from "node:assert/strict";

/** The pause between two looks at something that tells nobody of its changes. */
const LOOK_MS = 10;
/** How long a backup may take to get everything. */
const CAUGHT_UP_MS = 30_000;
const SHOWN_LINES = 60;

export interface Pair {
  readonly upstream: InProcessCluster;
  readonly backup: InProcessCluster;
}

export interface PairOptions {
  readonly upstream?: InProcessOptions;
  readonly backup?: InProcessOptions;
}

/** Runs a test on two running clusters, which are gone afterwards. */
export async function withPair(
  options: PairOptions,
  test: (pair: Pair) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-backup-" });
  const place = async (name: string) => {
    await Deno.mkdir(`${directory}/${name}`);
    return `${directory}/${name}`;
  };
  const upstream = new InProcessCluster(await place("up"), { name: "up", ...options.upstream });
  const backup = new InProcessCluster(await place("down"), {
    name: "down",
    upstream: { cluster: upstream.name, masters: [upstream.master] },
    ...options.backup,
  });
  try {
    await upstream.start();
    await backup.start();
    await test({ upstream, backup });
  } catch (error) {
    console.error([...upstream.log, "backup:", ...backup.log].slice(-SHOWN_LINES).join("\n"));
    throw error;
  } finally {
    await upstream.stop();
    await backup.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Orders a cluster to go to another state, and waits until its master says that it is there. */
export async function change(
  cluster: InProcessCluster,
  ordered: ClusterState,
  reached: ClusterState,
): Promise<void> {
  cluster.masterLog.clear();
  const answer = await cluster.ask(SetClusterState, { state: ordered });
  assert.equal(ackText(answer), "Cluster state changed");
  await cluster.masterLog.says(new RegExp(`the cluster is ${reached}$`));
}

/** Waits until a cluster is in a state. */
export async function untilState(cluster: InProcessCluster, state: ClusterState): Promise<void> {
  cluster.masterLog.clear();
  if ((await cluster.ask(AskClusterState, {})).state === state) return;
  await cluster.masterLog.says(new RegExp(`the cluster is ${state}$`));
}

/** Lets a cluster become a backup that is being followed. */
export function follow(backup: InProcessCluster): Promise<void> {
  return change(backup, "STARTING_BACKUP", "BACKINGUP");
}

/** Waits until a backup has everything up to a transaction. */
export async function untilHas(backup: InProcessCluster, tid: Tid): Promise<void> {
  const deadline = performance.now() + CAUGHT_UP_MS;
  while (((await backup.ask(AskRecovery, {})).backupTid ?? -1n) < tid) {
    assert.ok(performance.now() < deadline, "the backup does not catch up");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Waits until a reader of a backup sees a transaction, for which all replicas have to have it. */
export async function untilSeen(reader: Client, tid: Tid): Promise<void> {
  const told = reader.invalidations();
  while (reader.lastTid < tid) await told.next();
  await told.return?.();
}

/** Commits one new object with this text, and returns its ids. */
export async function commit(client: Client, text: string) {
  let tid: Tid | null = null;
  const oid = await client.transact((tx) => tx.create(new TextEncoder().encode(text)), {
    committed: (committed) => tid = committed,
  });
  assert.ok(tid !== null);
  return { oid, tid: tid as Tid };
}

/** Opens a client of a cluster. */
export function open(cluster: InProcessCluster): Promise<Client> {
  return connect(cluster.url, cluster.tls ?? {});
}
