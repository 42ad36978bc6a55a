/**
 * Databases that one kind of node wrote, opened in place by the other kind and then by the first
 * again: after a clean stop, and after a crash in the middle of a transaction.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

interface Takeover {
  readonly writer: Maker;
  readonly reader: Maker;
  readonly storages: number;
  readonly crash: boolean;
}

function takeOver({ writer, reader, storages, crash }: Takeover) {
  return () =>
    inDirectory(async (directory) => {
      const clusterOf = (nodes: Maker) =>
        Cluster.start({
          directory,
          master: nodes,
          storages: Array<Maker>(storages).fill(nodes),
          ctl: real,
          partitions: storages === 1 ? 1 : 12,
          replicas: storages - 1,
        });
      const end = (cluster: Cluster) => crash ? cluster.kill() : cluster.stop();
      let dump: unknown;
      {
        await using cluster = await clusterOf(writer);
        await using client = await PeerClient.open(cluster);
        await client.ask("fill");
        dump = await client.ask("dump");
        // A transaction that was voted on but never finished leaves no trace after a crash.
        if (crash) await client.ask("vote_only");
        await end(cluster);
      }
      {
        await using cluster = await clusterOf(reader);
        await using client = await PeerClient.open(cluster);
        assert.deepEqual(await client.ask("dump"), dump);
        await client.ask("fill");
        dump = await client.ask("dump");
        await end(cluster);
      }
      await using cluster = await clusterOf(writer);
      await using client = await PeerClient.open(cluster);
      assert.deepEqual(await client.ask("dump"), dump);
      await client.ask("set", { key: "counter", value: 7 });
      assert.equal(await client.ask("get", { key: "counter" }), 7);
      await cluster.stop();
    });
}

const NEO_TO_OURS = { writer: real, reader: ours };
const OURS_TO_NEO = { writer: ours, reader: real };

peerGroup("databases", {
  "NEO's, then ours, 1 storage": takeOver({ ...NEO_TO_OURS, storages: 1, crash: false }),
  "NEO's, then ours, 2 replicas": takeOver({ ...NEO_TO_OURS, storages: 2, crash: false }),
  "NEO's, then ours, crashed, 1 storage": takeOver({ ...NEO_TO_OURS, storages: 1, crash: true }),
  "NEO's, then ours, crashed, 2 replicas": takeOver({ ...NEO_TO_OURS, storages: 2, crash: true }),
  "ours, then NEO's, 1 storage": takeOver({ ...OURS_TO_NEO, storages: 1, crash: false }),
  "ours, then NEO's, 2 replicas": takeOver({ ...OURS_TO_NEO, storages: 2, crash: false }),
  "ours, then NEO's, crashed, 1 storage": takeOver({ ...OURS_TO_NEO, storages: 1, crash: true }),
  "ours, then NEO's, crashed, 2 replicas": takeOver({ ...OURS_TO_NEO, storages: 2, crash: true }),
});
