/** Clients that read a backup while the original changes. */

import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import type { Maker } from "../support/cluster.ts";
import { isSeen, startBackup, startUpstream } from "./backup.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

function readers(upstreamMaker: Maker, storages: readonly Maker[]) {
  return () =>
    inDirectory(async (directory) => {
      const members = {
        ...{ master: upstreamMaker, spares: [upstreamMaker], storages: [upstreamMaker] },
        admin: real,
      };
      await using upstream = await startUpstream(directory, members);
      await using writer = await PeerClient.open(upstream);
      await writer.ask("set", { key: "tree", value: "oak" });
      const follower = { master: ours, storages, replicas: storages.length - 1 };
      await using backup = await startBackup(directory, upstream, follower);
      await isSeen(backup, upstream);
      await using reader = await PeerClient.open(backup);
      await using client = await connect(`neo://down@${backup.masterAddresses.join(",")}`);
      const told = client.invalidations();
      assert.equal(await reader.ask("get", { key: "tree" }), "oak");
      const log = `${directory}/down/master.ours.log`;
      const before = (await Deno.readTextFile(log)).length;
      for (const value of ["ash", "elm", "fir"]) {
        const tid = await writer.ask("set", { key: "tree", value });
        const news = await told.next();
        assert.equal(news.value?.tid.toString(16).padStart(16, "0"), tid);
        // Both clients are told before either asks for anything.
        assert.deepEqual((await reader.ask("told") as unknown[]).at(-1), [tid, [0]]);
        assert.equal(await reader.ask("get", { key: "tree" }), value);
        // That it may not write costs it nothing.
        await assert.rejects(reader.ask("set", { key: "tree", value: "none" }), /ReadOnly/);
        assert.equal(await reader.ask("get", { key: "tree" }), value);
      }
      // Nobody had to connect again.
      assert.doesNotMatch((await Deno.readTextFile(log)).slice(before), /lost C/);
      // Who was disconnected while the original was away goes on with what it has then.
      await upstream.node("master").kill();
      upstream.nodes.delete("master");
      await upstream.waitForState("RUNNING");
      await backup.waitForState("BACKINGUP");
      await writer.ask("set", { key: "tree", value: "yew" });
      await isSeen(backup, upstream);
      assert.equal(await reader.ask("get", { key: "tree" }), "yew");
    });
}

peerGroup("backup: readers are told of what changes", {
  "of NEO's": readers(real, [ours, ours]),
  "of ours, with a storage of NEO's": readers(ours, [ours, real]),
});
