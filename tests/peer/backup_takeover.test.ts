/** Backups while masters and storages of the original come and go. */

import assert from "node:assert/strict";
import type { Cluster, Maker } from "../support/cluster.ts";
import { caughtUp, startBackup, startUpstream } from "./backup.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

interface Takeover {
  /** The makers of the original's masters, of which the first one is lost. */
  readonly masters: readonly [Maker, Maker];
  readonly storages: readonly [Maker, Maker];
  /** The makers of the backups' masters. */
  readonly backups: readonly Maker[];
}

async function lose(cluster: Cluster, name: string): Promise<void> {
  await cluster.node(name).kill();
  cluster.nodes.delete(name);
}

function survives({ masters: [master, spare], storages, backups: makers }: Takeover) {
  return () =>
    inDirectory(async (directory) => {
      const members = { master, spares: [spare], admin: real, storages, replicas: 1 };
      await using upstream = await startUpstream(directory, members);
      await using client = await PeerClient.open(upstream);
      await client.ask("fill");
      await using stack = new AsyncDisposableStack();
      const backups: Cluster[] = [];
      for (const [at, maker] of makers.entries()) {
        const name = `down${at + 1}`;
        const backup = { name, master: maker, spares: [maker], storages: [ours] };
        backups.push(stack.use(await startBackup(directory, upstream, backup)));
      }
      const follow = async (text: string) => {
        await client.ask("set", { key: "tree", value: text });
        for (const backup of backups) await caughtUp(backup, upstream);
      };
      await follow("oak");
      // Each partition has another copy.
      await lose(upstream, "storage1");
      await follow("ash");
      upstream.startStorage({ number: 1, maker: storages[0] });
      await upstream.waitForCtl(["print", "pt"], (text) => !text.includes("OUT_OF_DATE"));
      await lose(upstream, "master");
      await upstream.waitForState("RUNNING");
      await follow("elm");
      await lose(upstream, "storage2");
      await follow("fir");
      for (const backup of backups) {
        await lose(backup, "master");
        await backup.waitForState("BACKINGUP");
      }
      await follow("yew");
      for (const backup of backups) {
        await using reader = await PeerClient.open(backup);
        assert.equal(await reader.ask("get", { key: "tree" }), "yew");
      }
    });
}

peerGroup("backup: the original loses nodes", {
  "NEO's, with two backups of ours": survives({
    ...{ masters: [real, real], storages: [real, real], backups: [ours, ours] },
  }),
  "ours, with a backup of each kind": survives({
    ...{ masters: [ours, ours], storages: [ours, ours], backups: [ours, real] },
  }),
});
