/**
 * A cluster that is a backup of another one: storages of either kind follow those of either kind.
 * The master of the backup is NEO's own.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { committedContents } from "./databases.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const PARTITIONS = 6;

interface Backup {
  readonly upstreamMaster: Maker;
  readonly upstream: readonly Maker[];
  readonly master: Maker;
  readonly storages: readonly Maker[];
}

function tid(text: string, name: string): bigint {
  const found = new RegExp(`${name} = 0x([0-9a-f]+)`).exec(text);
  return BigInt(`0x${found?.[1] ?? "0"}`);
}

/** Waits until the backup has all that the upstream cluster has. */
async function caughtUp(backup: Cluster, upstream: Cluster): Promise<void> {
  const last = tid((await upstream.ctl("print", "ids")).stdout, "last_tid");
  await backup.waitForCtl(["print", "ids"], (stdout) => tid(stdout, "backup_tid") >= last);
}

function follows({ upstreamMaster, upstream: upstreamStorages, master: maker, storages }: Backup) {
  return () =>
    inDirectory(async (directory) => {
      for (const name of ["up", "down"]) await Deno.mkdir(`${directory}/${name}`);
      const common = { ctl: real, partitions: PARTITIONS };
      await using upstream = await Cluster.start({
        ...common,
        directory: `${directory}/up`,
        name: "up",
        master: upstreamMaster,
        storages: upstreamStorages,
      });
      const master: Maker = {
        name: maker.name,
        command: (role) => [
          ...maker.command(role),
          ...(role === "master" ? ["-C", "up", "-M", upstream.masterAddresses.join(" ")] : []),
        ],
      };
      await using client = await PeerClient.open(upstream);
      await client.ask("fill");
      await using backup = await Cluster.start({
        ...common,
        directory: `${directory}/down`,
        name: "down",
        master,
        admin: real,
        storages,
        replicas: storages.length - 1,
      });
      await backup.ctl("set", "cluster", "STARTING_BACKUP");
      await backup.waitForState("BACKINGUP");
      await caughtUp(backup, upstream);
      await client.ask("add_many", { key: "more", count: 1500 });
      await client.ask("set", { key: "counter", value: 11 });
      await caughtUp(backup, upstream);
      {
        await using reader = await PeerClient.open(backup);
        assert.equal(await reader.ask("get", { key: "counter" }), 11);
        await assert.rejects(reader.ask("set", { key: "counter", value: 12 }), /ReadOnly/);
      }
      // It goes on where it was.
      const victim = storages.length;
      await backup.node(`storage${victim}`).kill();
      await client.ask("fill");
      backup.startStorage({ number: victim, maker: storages[victim - 1] ?? ours });
      await backup.waitForCtl(["print", "pt"], (text) => !text.includes("OUT_OF_DATE"));
      await backup.waitForState("BACKINGUP");
      await caughtUp(backup, upstream);
      const dump = await client.ask("dump");
      await backup.ctl("set", "cluster", "STOPPING_BACKUP");
      await backup.waitForState("RUNNING");
      {
        await using writer = await PeerClient.open(backup);
        assert.deepEqual(await writer.ask("dump"), dump);
      }
      // A second start makes up for what NEO's storages leave undone when they end.
      for (const cluster of [upstream, backup]) {
        await cluster.stop();
        await cluster.startNodes();
        await cluster.stop();
      }
      const [expected, ...copies] = [
        `${directory}/up/storage1.sqlite`,
        ...storages.map((_, at) => `${directory}/down/storage${at + 1}.sqlite`),
      ].map(committedContents);
      for (const copy of copies) assert.deepEqual(copy, expected);
    });
}

peerGroup("backup", {
  "ours and NEO's follow NEO's": follows({
    ...{ upstreamMaster: real, upstream: [real], master: real, storages: [real, ours] },
  }),
  "NEO's and ours follow ours, under our master": follows({
    ...{ upstreamMaster: ours, upstream: [ours], master: real, storages: [ours, real] },
  }),
  "ours follows NEO's": follows({
    ...{ upstreamMaster: real, upstream: [real], master: ours, storages: [ours, ours] },
  }),
  "ours follows NEO's, with storages of both kinds": follows({
    ...{ upstreamMaster: real, upstream: [real], master: ours, storages: [ours, real] },
  }),
  "ours follows ours": follows({
    ...{ upstreamMaster: ours, upstream: [ours], master: ours, storages: [ours, ours] },
  }),
});
