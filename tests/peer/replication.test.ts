/** Replication between storage nodes of both kinds: catching up, and joining a cluster. */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { assertSameContents } from "./databases.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const PARTITIONS = 12;

interface Replication {
  readonly master: Maker;
  readonly source: Maker;
  readonly destination: Maker;
}

function upToDate(cells: number) {
  return (stdout: string) => stdout.match(/UP_TO_DATE/g)?.length === cells;
}

/** A replica that missed commits gets them from the other one when it comes back. */
function catchesUp({ master, source, destination }: Replication) {
  return () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master,
        storages: [source, destination],
        ctl: real,
        partitions: PARTITIONS,
        replicas: 1,
      });
      await using client = await PeerClient.open(cluster);
      await client.ask("set", { key: "before", value: 1 });
      await cluster.node("storage2").kill();
      await client.ask("fill");
      await client.ask("add_many", { key: "more", count: 300 });
      cluster.startStorage({ number: 2, maker: destination });
      await cluster.waitForCtl(["print", "pt"], upToDate(2 * PARTITIONS));
      await client.ask("set", { key: "after", value: 1 });
      await assertSameContents(cluster, directory);
    });
}

/** A new storage is added, gets a copy of everything, and serves alone when the first is gone. */
function joins({ master, source, destination }: Replication) {
  return () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master,
        storages: [source],
        ctl: real,
        partitions: PARTITIONS,
        replicas: 1,
      });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      await client.ask("add_many", { key: "more", count: 300 });
      cluster.startStorage({ number: 2, maker: destination });
      await cluster.waitForCtl(["print", "node", "storage"], (text) => text.includes("PENDING"));
      assert.equal((await cluster.ctl("add", "all")).stdout, "Nodes added: S2\n");
      assert.equal((await cluster.ctl("tweak")).stdout, "\n");
      await cluster.waitForCtl(["print", "pt"], upToDate(2 * PARTITIONS));
      const dump = await client.ask("dump");
      await cluster.node("storage1").kill();
      cluster.nodes.delete("storage1");
      assert.deepEqual(await client.ask("dump"), dump);
    });
}

const TO_OURS = { source: real, destination: ours };
const TO_NEO = { source: ours, destination: real };

peerGroup("replication", {
  "ours catches up from NEO's, our master": catchesUp({ ...TO_OURS, master: ours }),
  "ours catches up from NEO's, NEO's master": catchesUp({ ...TO_OURS, master: real }),
  "NEO's catches up from ours, our master": catchesUp({ ...TO_NEO, master: ours }),
  "NEO's catches up from ours, NEO's master": catchesUp({ ...TO_NEO, master: real }),
  "ours joins NEO's, our master": joins({ ...TO_OURS, master: ours }),
  "ours joins NEO's, NEO's master": joins({ ...TO_OURS, master: real }),
  "NEO's joins ours, our master": joins({ ...TO_NEO, master: ours }),
  "NEO's joins ours, NEO's master": joins({ ...TO_NEO, master: real }),
});
