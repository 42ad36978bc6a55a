/** Clusters in which some nodes are NEO's own and the others this project's. */
import assert from "node:assert/strict";
import { Cluster, type ClusterOptions, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { assertSameContents } from "./databases.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

type Nodes = Pick<ClusterOptions, "master" | "storages" | "admin">;

/** A real client writes and reads; all of it is there after a restart of the same mixture. */
function serves(nodes: Nodes) {
  return () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({ directory, ctl: real, partitions: 5, ...nodes });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      const dump = await client.ask("dump");
      await cluster.stop();
      await cluster.startNodes();
      assert.deepEqual(await client.ask("dump"), dump);
      await cluster.stop();
    });
}

/** Both replicas, one of each kind, hold the same on disk; each of them alone serves it all. */
function replicates(master: Maker, options: { readonly dies: number }) {
  return () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master,
        storages: [ours, real],
        ctl: real,
        partitions: 12,
        replicas: 1,
      });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      const dump = await client.ask("dump");
      await assertSameContents(cluster, directory);
      await cluster.startNodes();
      const victim = cluster.node(`storage${options.dies}`);
      await victim.kill();
      cluster.nodes.delete(`storage${options.dies}`);
      assert.deepEqual(await client.ask("dump"), dump);
      await client.ask("set", { key: "counter", value: 99 });
      assert.equal(await client.ask("get", { key: "counter" }), 99);
      const cells = await cluster.ctl("print", "pt");
      assert.equal(cells.stdout.match(/UP_TO_DATE/g)?.length, 12, cells.stdout);
      assert.equal(cells.stdout.match(/OUT_OF_DATE/g)?.length, 12, cells.stdout);
    });
}

peerGroup("mixed clusters", {
  "NEO's storage under our master": serves({ master: ours, storages: [real], admin: ours }),
  "our storage under NEO's master": serves({ master: real, storages: [ours], admin: real }),
  "storages of both kinds, our master": serves({ master: ours, storages: [ours, real] }),
  "storages of both kinds, NEO's master": serves({ master: real, storages: [real, ours] }),
  "our admin under NEO's master": serves({ master: real, storages: [real], admin: ours }),
  "NEO's admin under our master": serves({ master: ours, storages: [ours], admin: real }),
  "replicas of both kinds, our master, ours dies": replicates(ours, { dies: 1 }),
  "replicas of both kinds, our master, NEO's dies": replicates(ours, { dies: 2 }),
  "replicas of both kinds, NEO's master, ours dies": replicates(real, { dies: 1 }),
  "replicas of both kinds, NEO's master, NEO's dies": replicates(real, { dies: 2 }),
});
