/** A cluster that is a backup of another one, of whichever kind their nodes are. */

import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import type { Maker } from "../support/cluster.ts";
import { caughtUp, isSeen, startBackup, startUpstream } from "./backup.ts";
import { PeerClient } from "./client.ts";
import { committedContents } from "./databases.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

interface Backup {
  /** The makers of the master and the only storage of the original. */
  readonly upstream: readonly [Maker, Maker];
  readonly master: Maker;
  readonly storages: readonly Maker[];
  readonly isSecure?: boolean;
}

function follows({ upstream: [upstreamMaster, source], master, storages, isSecure }: Backup) {
  return () =>
    inDirectory(async (directory) => {
      const tls = isSecure === true ? await makeCertificates(directory) : null;
      await using upstream = await startUpstream(directory, {
        ...{ tls, master: upstreamMaster, storages: [source] },
      });
      await using client = await PeerClient.open(upstream);
      await client.ask("fill");
      const replicas = storages.length - 1;
      await using backup = await startBackup(directory, upstream, {
        ...{ tls, master, admin: real, storages, replicas },
      });
      await caughtUp(backup, upstream);
      await client.ask("add_many", { key: "more", count: 1500 });
      await client.ask("set", { key: "counter", value: 11 });
      await isSeen(backup, upstream);
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
  "NEO's, with storages of both kinds, of NEO's": follows({
    ...{ upstream: [real, real], master: real, storages: [real, ours] },
  }),
  "NEO's, with storages of both kinds, of ours": follows({
    ...{ upstream: [ours, ours], master: real, storages: [ours, real] },
  }),
  "ours, with storages of both kinds, of NEO's": follows({
    ...{ upstream: [real, real], master: ours, storages: [ours, real] },
  }),
  "all ours, of NEO's": follows({
    ...{ upstream: [real, real], master: ours, storages: [ours, ours] },
  }),
  "all ours, of one of NEO's storages under our master": follows({
    ...{ upstream: [ours, real], master: ours, storages: [ours, ours] },
  }),
  "all ours, of ours": follows({
    ...{ upstream: [ours, ours], master: ours, storages: [ours, ours] },
  }),
  "all NEO's, of ours": follows({
    ...{ upstream: [ours, ours], master: real, storages: [real, real] },
  }),
  "ours of NEO's under TLS": follows({
    ...{ upstream: [real, real], master: ours, storages: [ours, ours], isSecure: true },
  }),
  "NEO's of ours under TLS": follows({
    ...{ upstream: [ours, ours], master: real, storages: [real, real], isSecure: true },
  }),
});
