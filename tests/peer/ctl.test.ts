/**
 * neoctl, NEO's and ours, on both kinds of cluster: what it prints, its exit status and its error
 * messages are those of NEO's neoctl on NEO's own nodes, but for ports, times and TIDs.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";
import { assertAlike, assertSame, type Entry, Session } from "./transcript.ts";

/** How long a node may take to end after it was told to. */
const STOP_MS = 20_000;

/** What an operator does with a cluster of `nodes` through the control command of `ctl`. */
type Story = (nodes: Maker, ctl: Maker, directory: string) => Promise<Entry[]>;

const LOOK_AROUND = [
  ...["print cluster", "print primary", "print node", "print node storage", "print node MASTER"],
  ...["print node client", "print pt", "print ids"],
];

async function endedWell(cluster: Cluster, name: string): Promise<void> {
  const node = cluster.node(name);
  assert.equal((await node.waitForExit(STOP_MS)).code, 0, node.tail());
  cluster.nodes.delete(name);
}

function upToDate(cells: number) {
  return (pt: string) => pt.match(/UP_TO_DATE/g)?.length === cells;
}

/** A cluster's life, from the first start to the stop. */
const operate: Story = async (nodes, ctl, directory) => {
  await using cluster = await Cluster.start({
    directory,
    master: nodes,
    storages: [nodes, nodes],
    ctl: real,
    partitions: 3,
    replicas: 1,
    operational: false,
  });
  const session = new Session(cluster, ctl);
  await cluster.waitForCtl(
    ["print", "node", "storage"],
    (stdout) => stdout.match(/PENDING/g)?.length === 2,
  );
  await session.type(...LOOK_AROUND);
  await session.typeRefused("set cluster RUNNING", "add all", "tweak");
  await session.type("start");
  await cluster.waitForState("RUNNING");
  await session.type(...LOOK_AROUND, "print pt 1 2", "print pt 0 0 S2", "print pt 9");
  await session.type("print pt 0 9", "print cluster", "walk dog", "print dog");
  await session.typeRefused("set cluster VERIFYING", "kill S9", "kill M1");
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("add_many", { key: "many", count: 3 });
    await session.type("print node client", "print ids");
  }
  await session.type("set cluster STOPPING");
  for (const name of [...cluster.nodes.keys()]) await endedWell(cluster, name);
  await session.type("print cluster");
  return session.entries;
};

/** One storage is replaced by a new one, then the other is taken away. */
const replace: Story = async (nodes, ctl, directory) => {
  await using cluster = await Cluster.start({
    directory,
    master: nodes,
    storages: [nodes],
    ctl: real,
    partitions: 3,
    replicas: 1,
  });
  const session = new Session(cluster, ctl);
  const addStorage = async (number: number) => {
    cluster.startStorage({ number, maker: nodes });
    await cluster.waitForCtl(["print", "node", "storage"], (text) => text.includes("PENDING"));
  };
  await addStorage(2);
  await session.type("print node storage", "add all", "print pt", "tweak");
  await cluster.waitForCtl(["print", "pt"], upToDate(6));
  await session.type("print pt", "print ids", "tweak", "print ids", "kill S2");
  await endedWell(cluster, "storage2");
  await cluster.waitForCtl(["print", "pt"], upToDate(3));
  await session.type("print node storage", "print pt", "kill S2");
  await session.typeRefused("kill S1", "drop S1", "drop M1", "prune_orphan 1 S2");
  await session.type("drop S2", "print node storage", "print pt", "add all");
  await addStorage(3);
  await session.type("print node storage", "add S2", "add S2", "print pt", "tweak");
  await cluster.waitForCtl(["print", "pt"], upToDate(6));
  await session.type("check :S1", "prune_orphan 1 all", "flush_log", "tweak S1");
  await cluster.waitForCtl(["print", "pt"], (pt) => !pt.includes("S1"));
  await session.type("print pt", "drop S1");
  await endedWell(cluster, "storage1");
  await session.type("print node storage", "print pt");
  return session.entries;
};

/** History is cut off, which clients and storages take part in. */
const cutOff: Story = async (nodes, ctl, directory) => {
  await using cluster = await Cluster.start({
    directory,
    master: nodes,
    storages: [nodes, nodes],
    ctl: real,
    partitions: 2,
    replicas: 1,
  });
  const session = new Session(cluster, ctl);
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("set", { key: "counter", value: 1 });
  }
  const { stdout: ids } = await cluster.ctl("print", "ids");
  const tid = /last_tid = (0x[0-9a-f]+)/.exec(ids)?.[1] ?? "";
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("add_many", { key: "many", count: 30 });
  }
  await session.type("print ids", `truncate ${tid}`);
  // It is acknowledged before it is begun: what was cut off tells that it is done.
  await cluster.waitForCtl(["print", "ids"], (text) => text.includes(`last_tid = ${tid} `));
  await cluster.waitForState("RUNNING");
  await session.type("print cluster", "print pt", "print ids");
  await using client = await PeerClient.open(cluster);
  assert.equal(await client.ask("get", { key: "counter" }), 1);
  assert.equal(await client.ask("get", { key: "many" }), null);
  return session.entries;
};

/** The three ways in which our side takes part in a story, each against NEO's own alone. */
function tellings(title: string, story: Story) {
  let model: Promise<Entry[]> | null = null;
  const expect = (directory: string): Promise<Entry[]> => {
    model ??= Deno.mkdir(`${directory}/model`).then(() => story(real, real, `${directory}/model`));
    return model;
  };
  return {
    [`${title}: NEO's on our nodes`]: () =>
      inDirectory(async (directory) => {
        const expected = await expect(directory);
        assertSame(await story(ours, real, directory), expected);
      }),
    [`${title}: ours on NEO's nodes`]: () =>
      inDirectory(async (directory) => {
        const expected = await expect(directory);
        assertAlike(await story(real, ours, directory), expected);
      }),
    [`${title}: ours on our nodes`]: () =>
      inDirectory(async (directory) => {
        const expected = await expect(directory);
        assertAlike(await story(ours, ours, directory), expected);
      }),
  };
}

peerGroup("neoctl", {
  ...tellings("a cluster's life", operate),
  ...tellings("storages come and go", replace),
  ...tellings("history is cut off", cutOff),
});
