/** SQLite databases of other releases of NEO that are refused: see refused_databases.ts. */
import assert from "node:assert/strict";
import { SqliteFile } from "../storage/databases.ts";
import { Cluster } from "../support/cluster.ts";
import { NAME, rowsOf } from "./old_databases.ts";
import { inDirectory, ours } from "./peer.ts";
import { fill, keeps, REFUSAL_MS } from "./refused_databases.ts";
import { releaseGroup, type Version } from "./releases.ts";

function keepsFile(version: Version) {
  return () =>
    inDirectory((directory) =>
      keeps(new SqliteFile(`${directory}/storage1.sqlite`), { directory, version })
    );
}

releaseGroup({ group: "refused databases", versions: ["1.8.1", "1.9", "1.10", "1.12.0"] }, {
  "of NEO 1.8.1": keepsFile("1.8.1"),
  "of NEO 1.10": keepsFile("1.10"),
  "of NEO 1.12, in a cluster with another number of partitions": () =>
    inDirectory(async (directory) => {
      const database = new SqliteFile(`${directory}/storage1.sqlite`);
      await fill(database, { directory, version: "1.12.0" });
      const rows = await rowsOf(database, "obj");
      await using cluster = await Cluster.start({
        directory,
        master: ours,
        storages: [ours],
        ctl: ours,
        name: NAME,
        partitions: 7,
        operational: false,
      });
      const storage = cluster.node("storage1");
      assert.equal((await storage.waitForExit(REFUSAL_MS)).code, 1);
      assert.match(storage.stderr, /the database has 12, the cluster 7/);
      assert.deepEqual(await rowsOf(database, "obj"), rows);
    }),
});
