/** Replicas of both kinds are compared by either kind: equal ones are fine, others are found out. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Cluster, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const PARTITIONS = 5;

/** The second storage is put in charge; a row is missing on one of them. */
function finds({ master, storages, lacks }: {
  readonly master: Maker;
  readonly storages: readonly [Maker, Maker];
  readonly lacks: { readonly storage: 1 | 2; readonly table: "trans" | "obj" };
}) {
  return () =>
    inDirectory(async (directory) => {
      const options = { directory, master, storages, ctl: real };
      await using cluster = await Cluster.start({
        ...options,
        partitions: PARTITIONS,
        replicas: 1,
      });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      await cluster.stop();
      const database = new DatabaseSync(`${directory}/storage${lacks.storage}.sqlite`);
      // Which partition a transaction is in, and whether one has any, is up to its time.
      const last = database.prepare(
        `SELECT partition, tid FROM ${lacks.table} ORDER BY tid DESC LIMIT 1`,
      );
      last.setReadBigInts(true);
      const { partition, tid } = last.get() ?? assert.fail("nothing was committed");
      assert.ok(typeof partition === "bigint" && typeof tid === "bigint");
      const remove = database.prepare(
        `DELETE FROM ${lacks.table} WHERE partition = ? AND tid = ?`,
      );
      assert.ok(remove.run(partition, tid).changes > 0);
      database.close();
      await cluster.startNodes();
      const source = `S${3 - lacks.storage}`;
      const check = await cluster.ctl("check", `:${source}`, "0");
      assert.equal(check.code, 0, check.stderr);
      const table = await cluster.waitForCtl(["print", "pt"], (text) => text.includes("CORRUPTED"));
      const corrupted = table.split("\n").filter((line) => line.includes("CORRUPTED"));
      assert.equal(corrupted.length, 1, table);
      const expected = new RegExp(`^00${partition} .*S${lacks.storage} - CORRUPTED`);
      assert.match(corrupted[0] ?? "", expected);
    });
}

const LACKS = {
  ours: { storage: 1, table: "trans" },
  NEOs: { storage: 2, table: "obj" },
} as const;

peerGroup("checks of replicas", {
  "NEO's compares with ours, our master": finds({
    ...{ master: ours, storages: [ours, real], lacks: LACKS.ours },
  }),
  "NEO's compares with ours, NEO's master": finds({
    ...{ master: real, storages: [ours, real], lacks: LACKS.NEOs },
  }),
  "ours compares with NEO's, our master": finds({
    ...{ master: ours, storages: [real, ours], lacks: LACKS.NEOs },
  }),
  "ours compares with NEO's, NEO's master": finds({
    ...{ master: real, storages: [real, ours], lacks: LACKS.ours },
  }),
});
