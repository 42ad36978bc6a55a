/** Masters of both kinds in one cluster: when the primary dies, the other one takes over. */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const MASTERS_RUN = ["print", "node", "master"];

function takesOver(options: {
  readonly primary: Maker;
  readonly spare: Maker;
  readonly nodes: Maker;
}) {
  return () =>
    inDirectory(async (directory) => {
      const { primary, spare, nodes } = options;
      await using cluster = await Cluster.start({
        directory,
        master: primary,
        spares: [spare],
        storages: [nodes, nodes],
        admin: nodes,
        ctl: real,
        partitions: 4,
        replicas: 1,
      });
      const [first = "", second = ""] = cluster.masterAddresses;
      const masters = await cluster.waitForCtl(
        MASTERS_RUN,
        (text) => text.match(/RUNNING/g)?.length === 2,
      );
      // Only a secondary has a timestamp.
      assert.match(masters, new RegExp(`${first} \\| RUNNING \\| None\n`));
      assert.match(masters, new RegExp(`${second} \\| RUNNING \\| \\d`));
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      const dump = await client.ask("dump");
      await cluster.node("master").kill();
      cluster.nodes.delete("master");
      await cluster.waitForCtl(MASTERS_RUN, (text) => text.includes(`${second} | RUNNING | None`));
      await cluster.waitForState("RUNNING");
      assert.deepEqual(await client.ask("dump"), dump);
      await client.ask("set", { key: "counter", value: 5 });
      await using fresh = await PeerClient.open(cluster);
      assert.equal(await fresh.ask("get", { key: "counter" }), 5);
      await cluster.stop();
    });
}

function stopsWithSpare(options: { readonly primary: Maker; readonly spare: Maker }) {
  return () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master: options.primary,
        spares: [options.spare],
        storages: [ours],
        ctl: real,
      });
      await cluster.waitForCtl(MASTERS_RUN, (text) => text.match(/RUNNING/g)?.length === 2);
      await cluster.stop();
    });
}

peerGroup("masters", {
  "NEO's takes over from ours, NEO's nodes": takesOver({
    primary: ours,
    spare: real,
    nodes: real,
  }),
  "NEO's takes over from ours, our nodes": takesOver({ primary: ours, spare: real, nodes: ours }),
  "ours takes over from NEO's, NEO's nodes": takesOver({
    primary: real,
    spare: ours,
    nodes: real,
  }),
  "ours takes over from NEO's, our nodes": takesOver({ primary: real, spare: ours, nodes: ours }),
  "ours takes over from ours, NEO's nodes": takesOver({ primary: ours, spare: ours, nodes: real }),
  "our primary stops NEO's spare": stopsWithSpare({ primary: ours, spare: real }),
  "NEO's primary stops our spare": stopsWithSpare({ primary: real, spare: ours }),
});
