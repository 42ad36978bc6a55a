/**
 * Databases that one kind of node wrote, opened in place by the other kind and then by the first
 * again: after a clean stop, and after a crash in the middle of a transaction.
 */
import assert from "node:assert/strict";
import { Cluster, type DatabaseOptions, type Maker } from "../support/cluster.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, real } from "./peer.ts";

export interface Takeover {
  readonly writer: Maker;
  readonly reader: Maker;
  readonly storages: number;
  readonly crash: boolean;
  /** Makes an empty database for each storage; SQLite files where absent. */
  readonly createDatabase?: () => Promise<DatabaseOptions>;
}

/** A test in which `reader` goes on with what `writer` wrote, and `writer` with that. */
export function takeOver({ writer, reader, storages, crash, createDatabase }: Takeover) {
  return () =>
    inDirectory(async (directory) => {
      const databases: DatabaseOptions[] = [];
      while (createDatabase !== undefined && databases.length < storages) {
        databases.push(await createDatabase());
      }
      const clusterOf = (nodes: Maker) =>
        Cluster.start({
          directory,
          master: nodes,
          storages: Array<Maker>(storages).fill(nodes),
          ctl: real,
          ...createDatabase === undefined ? {} : { databases },
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
