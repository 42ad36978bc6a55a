/** Scenes of a backup: played storages, a played original, and what is ordered. */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { Waiters } from "../support/waiters.ts";
import { PlayedUpstream } from "./played_upstream.ts";
import { ackText, type Peer, type RunningCluster, runningCluster, tidOf } from "./support.ts";

export const PARTITIONS = 4;

export interface Scene extends RunningCluster {
  readonly upstream: PlayedUpstream;
}

/** A new database on two storages, which is not a backup yet, and an original. */
export async function withScene(
  lastTid: number,
  test: (scene: Scene) => Promise<void>,
): Promise<void> {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid });
  await using running = await runningCluster(2, { upstream: upstream.options });
  await test({ ...running, upstream });
}

/** As {@link withScene}, with a backup that follows the original. */
export function withBackup(lastTid: number, test: (scene: Scene) => Promise<void>): Promise<void> {
  return withScene(lastTid, async (scene) => {
    await order(scene.admin, "STARTING_BACKUP");
    await scene.cluster.log.says(/^follows up/);
    await scene.admin.drain();
    await test(scene);
  });
}

export async function order(admin: Peer, state: p.ClusterState): Promise<void> {
  assert.equal(ackText(await admin.ask(p.SetClusterState, { state })), "Cluster state changed");
}

/** What storages are ordered to replicate, whichever of them is chosen for a partition. */
export class Orders {
  #all: string[] = [];
  readonly #waiters = new Waiters();

  constructor(storages: readonly Peer[]) {
    for (const storage of storages) {
      storage.watch(p.Replicate, ({ tid, upstreamName, sources }) => {
        const cluster = decodeText(upstreamName);
        for (const [offset, address] of sources) {
          if (address === null) continue;
          this.#all.push(`${offset} up to ${tid} from ${cluster}:${address.port}`);
        }
        this.#waiters.changed();
      });
    }
  }

  /** The next orders for all partitions, sorted; not that nothing is new. */
  async forAll(): Promise<string[]> {
    while (this.#all.length < PARTITIONS) {
      await this.#waiters.change();
    }
    return this.#all.splice(0).sort();
  }
}

/** Orders for all partitions. */
export function all(text: string): string[] {
  return Array.from({ length: PARTITIONS }, (_, offset) => `${offset} ${text}`);
}

export function done(storage: Peer, offset: number, tid: number): void {
  storage.notify(p.NotifyReplicationDone, { offset, tid: tidOf(tid) });
}

/** Lets both storages have everything up to a tid. */
export async function complete({ storages, admin }: Scene, tid: number): Promise<void> {
  for (const storage of storages) {
    for (let offset = 0; offset < PARTITIONS; offset++) done(storage, offset, tid);
    await storage.drain();
  }
  assert.equal((await admin.ask(p.AskRecovery, {})).backupTid, tidOf(tid));
}
