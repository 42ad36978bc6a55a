/**
 * This project's client follows the commits of a cluster of NEO's own nodes, whose storages tell of
 * a transaction only a little after the client was told that it is committed.
 */
import assert from "node:assert/strict";
import { type Client, connect, type Tid, tid as asTid } from "../../mod.ts";
import { Cluster } from "../support/cluster.ts";
import { inDirectory, peerGroup, real } from "./peer.ts";

const COMMITTERS = 3;
const COMMITS = 40;

async function commit(client: Client, count: number): Promise<Tid[]> {
  const tids: Tid[] = [];
  for (let number = 0; number < count; number++) {
    await using tx = await client.begin();
    if (number % 2 === 0) await tx.store(await client.newOid(), { data: new Uint8Array([number]) });
    const tid = await tx.finish();
    // What is committed can be looked at from now on.
    assert.equal((await client.transaction(tid)).tid, tid);
    tids.push(tid);
  }
  return tids;
}

async function follow(client: Client, start: Tid, count: number): Promise<Tid[]> {
  const tids: Tid[] = [];
  for await (const { tid } of client.follow(start)) {
    tids.push(tid);
    if (tids.length === count) break;
  }
  return tids;
}

peerGroup("following NEO's own cluster", {
  "tells of each commit once and in order": () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master: real,
        storages: [real, real, real],
        admin: real,
        ctl: real,
        partitions: 6,
        replicas: 1,
      });
      const url = `neo://${cluster.name}@${cluster.masterAddresses[0]}`;
      await using watcher = await connect(url);
      const clients = await Promise.all(Array.from({ length: COMMITTERS }, () => connect(url)));
      const start = asTid(watcher.lastTid + 1n);
      const followed = Promise.all(
        [watcher, ...clients].map((client) => follow(client, start, COMMITTERS * COMMITS)),
      );
      const committed = await Promise.all(clients.map((client) => commit(client, COMMITS)));
      const expected = committed.flat().sort((a, b) => a < b ? -1 : 1);
      for (const tids of await followed) assert.deepEqual(tids, expected);
      const [latest] = await watcher.undoLog();
      assert.equal(latest?.tid, expected.at(-1));
      for (const client of clients) await client.close();
    }),
});
