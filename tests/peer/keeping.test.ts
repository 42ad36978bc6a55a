/**
 * A storage of ours with the database of another cluster of the same name comes to a cluster: NEO's
 * would delete all of it at once; ours keeps it, whatever either kind of master says.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Cluster, type Maker, ours as ourMaker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { committedContents } from "./databases.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const PARTITIONS = 3;
const END_MS = 20_000;

function nidOf(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("SELECT value FROM config WHERE name = 'nid'").get();
  database.close();
  return `S${row?.value}`;
}

/** Makes a cluster with data, and stops it. Returns the database of S2. */
async function elsewhere(directory: string): Promise<string> {
  await Deno.mkdir(directory);
  await using cluster = await Cluster.start({
    directory,
    master: ourMaker,
    storages: [ourMaker, ourMaker],
    ctl: real,
    partitions: PARTITIONS,
    replicas: 1,
  });
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("fill");
  }
  await cluster.stop();
  const paths = [1, 2].map((number) => `${directory}/storage${number}.sqlite`);
  return paths.find((path) => nidOf(path) === "S2") ?? assert.fail("there is no S2");
}

/** Starts a storage on a foreign database, and lets `meet` do what it likes. */
function withStranger(
  master: Maker,
  meet: (cluster: Cluster) => Promise<{ readonly status: number; readonly says: RegExp }>,
) {
  return () =>
    inDirectory(async (directory) => {
      const foreign = await elsewhere(`${directory}/elsewhere`);
      const contents = committedContents(foreign);
      await Deno.mkdir(`${directory}/here`);
      await using cluster = await Cluster.start({
        directory: `${directory}/here`,
        master,
        storages: [master],
        ctl: real,
        partitions: PARTITIONS,
        replicas: 1,
      });
      {
        await using client = await PeerClient.open(cluster);
        await client.ask("set", { key: "counter", value: 1 });
      }
      const path = `${directory}/here/storage2.sqlite`;
      await Deno.rename(foreign, path);
      const stranger = cluster.startStorage({ number: 2, maker: ourMaker });
      await cluster.waitForCtl(
        ["print", "node", "storage"],
        (text) => /S2 .*PENDING/.test(text),
      );
      const { status, says } = await meet(cluster);
      assert.equal((await stranger.waitForExit(END_MS)).code, status, stranger.tail());
      assert.match(stranger.stderr, says);
      assert.match(stranger.stderr, /nothing is deleted; start this storage once with --reset/);
      assert.deepEqual(committedContents(path), contents);
    });
}

async function drop(cluster: Cluster) {
  assert.equal((await cluster.ctl("drop", "S2")).stdout, "state changed\n");
  return { status: 0, says: /its database is kept/ };
}

async function add(cluster: Cluster) {
  assert.equal((await cluster.ctl("add", "S2")).stdout, "Nodes added: S2\n");
  assert.equal((await cluster.ctl("tweak")).code, 0);
  // Of each partition, transactions come before objects; the first one may have objects only, since
  // tids say which partition a transaction is in.
  return { status: 1, says: /the database has (transactions|revisions) that the cluster has not/ };
}

peerGroup("a database from elsewhere", {
  "is kept when its node is dropped, our master": withStranger(ours, drop),
  "is kept when its node is dropped, NEO's master": withStranger(real, drop),
  "is kept when its node is added, our master": withStranger(ours, add),
  "is kept when its node is added, NEO's master": withStranger(real, add),
});
