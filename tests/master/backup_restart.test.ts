/** A master that finds a backup, or what was about to be one or to be none any more. */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { complete, order, PARTITIONS, withBackup } from "./backup_scene.ts";
import { PlayedUpstream } from "./played_upstream.ts";
import { answerAsStorage, type Peer, S1, S2, S3, sameRows, TestCluster, tidOf } from "./support.ts";

const COPIES = [S1, S2].map((nid) => ({ nid, state: "UP_TO_DATE" as const }));

/** A master that finds the storages of a backup, which have data up to a tid. */
async function withStored(
  upstream: PlayedUpstream,
  lastTid: number,
  test: (cluster: TestCluster, storages: readonly Peer[]) => Promise<void>,
): Promise<void> {
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const storages: Peer[] = [];
  for (const number of [1, 2]) {
    storages.push(
      await cluster.storage(number, {
        ...{ ptid: 3, rows: sameRows(PARTITIONS, COPIES), backupTid: tidOf(40 + number) },
        lastIds: { lastOid: null, lastTid: tidOf(lastTid) },
      }),
    );
  }
  for (const storage of storages) {
    assert.equal((await storage.skipTo(p.StartOperation)).backup, true);
    storage.notify(p.NotifyReady, {});
  }
  await test(cluster, storages);
}

Deno.test("a backup that is started again goes on from where each storage was", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  await withStored(upstream, 45, async (cluster, [, second]) => {
    assert.ok(second !== undefined);
    await cluster.log.says(/^follows up .* from 0{14}2a/);
    assert.deepEqual(upstream.askedTids, [tidOf(45)]);
    const admin = await cluster.admin();
    assert.deepEqual((await admin.ask(p.AskRecovery, {})).backupTid, tidOf(42));
  });
});

Deno.test("a cluster is a backup as soon as one storage knows of it", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const have = { ptid: 3, rows: sameRows(PARTITIONS, COPIES) };
  const untold = await cluster.storage(1, have);
  const told = await cluster.storage(2, { ...have, backupTid: tidOf(40) });
  for (const storage of [untold, told]) {
    assert.equal((await storage.skipTo(p.StartOperation)).backup, true);
  }
});

Deno.test("a storage that was not told of the backup lacks nothing that there was before", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const last = (lastTid: number) => ({ lastIds: { lastOid: null, lastTid: tidOf(lastTid) } });
  // One partition is on S3 only, which has nothing so late as what all have.
  const rows = sameRows(PARTITIONS, COPIES).map((row) =>
    row.offset === 0 ? { ...row, cells: [{ nid: S3, state: "UP_TO_DATE" as const }] } : row
  );
  const have = { ptid: 3, rows };
  const finished: number[] = [];
  const peer = await cluster.connect();
  peer.watch(p.ValidateTransaction, ({ ttid, tid }) => {
    finished.push(Number(ttid), Number(tid));
    answerAsStorage(peer, { ...have, ...last(55) });
  });
  const locked = new Map([[tidOf(54), tidOf(55)]]);
  const storages = [
    await cluster.storage(1, { ...have, ...last(40), backupTid: tidOf(50) }),
    await cluster.storage(2, { ...have, ...last(45), locked }, { peer }),
    await cluster.storage(3, { ...have, ...last(30) }),
  ];
  for (const [at, storage] of storages.entries()) {
    assert.equal((await storage.skipTo(p.StartOperation)).backup, true);
    storage.notify(p.NotifyReady, {});
    if (at === 0) continue;
    const { tid, sources } = await storage.skipTo(p.Replicate);
    assert.deepEqual([tid, [...sources.values()].every((source) => source === null)], [
      tidOf(55),
      true,
    ]);
  }
  // What was being committed is complete, too.
  assert.deepEqual(finished, [54, 55]);
  const admin = await cluster.admin();
  assert.deepEqual((await admin.ask(p.AskRecovery, {})).backupTid, tidOf(55));
});

Deno.test("a storage is as far as it says when it has heard that its cells can be read", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const rows = sameRows(PARTITIONS, COPIES);
  const peer = await cluster.connect();
  peer.watch(p.SendPartitionTable, () => {
    answerAsStorage(peer, { ptid: 3, rows, backupTid: tidOf(41) });
  });
  const first = await cluster.storage(1, { ptid: 2, rows, backupTid: tidOf(50) }, { peer });
  const second = await cluster.storage(2, { ptid: 3, rows, backupTid: tidOf(40) });
  for (const storage of [first, second]) await storage.skipTo(p.StartOperation);
  const admin = await cluster.admin();
  assert.deepEqual((await admin.ask(p.AskRecovery, {})).backupTid, tidOf(41));
});

Deno.test("a backup that was about to end ends, also where that was not heard of", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const have = { ptid: 3, rows: sameRows(PARTITIONS, COPIES) };
  const peer = await cluster.connect();
  const truncated: number[] = [];
  peer.watch(p.Truncate, ({ tid }) => {
    truncated.push(Number(tid));
    answerAsStorage(peer, { ...have, truncateTid: tid });
  });
  const untold = await cluster.storage(1, { ...have, backupTid: tidOf(45) }, { peer });
  const told = await cluster.storage(2, { ...have, truncateTid: tidOf(40) });
  for (const storage of [untold, told]) {
    assert.equal((await storage.skipTo(p.StartOperation)).backup, false);
  }
  assert.deepEqual(truncated, [40]);
});

Deno.test("an original that lacks what the backup has is not followed", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS, lastTid: 60 });
  upstream.history = [10, 20, 60];
  await withStored(upstream, 45, async (cluster, storages) => {
    await cluster.log.says(/^the upstream cluster up: it does not have transaction 0{14}2d/);
    for (const storage of storages) {
      assert.ok(!(await storage.rest()).includes("Replicate"));
    }
    const admin = await cluster.admin();
    assert.equal((await admin.ask(p.AskClusterState, {})).state, "STARTING_BACKUP");
  });
});

Deno.test("what an original told and never did is not held against it", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, storages } = scene;
    await complete(scene, 50);
    for (const storage of storages) {
      answerAsStorage(storage, {
        ...{ ptid: 1, rows: sameRows(PARTITIONS, COPIES), backupTid: tidOf(50) },
        lastIds: { lastOid: null, lastTid: tidOf(50) },
      });
    }
    upstream.commit(60, [4]);
    upstream.lastTid = 50;
    upstream.history = [50];
    upstream.disconnect();
    // It looks again at what the storages have.
    await cluster.log.says(/it does not have transaction 0{14}3c/);
    for (const storage of storages) {
      await storage.skipTo(p.StartOperation);
      storage.notify(p.NotifyReady, {});
    }
    await cluster.log.says(/^follows up .* its last transaction is 0{14}32/);
  });
});

Deno.test("an original whose table makes no sense is not followed, and harms nobody", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS });
  upstream.rows = [{ offset: 9, cells: [] }];
  await withStored(upstream, 45, async (cluster) => {
    await cluster.log.says(/expected a table of 4 partitions, found partition 9/);
    const admin = await cluster.admin();
    assert.equal((await admin.ask(p.AskClusterState, {})).state, "STARTING_BACKUP");
  });
});

Deno.test("an original of another size is not followed", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: 5 });
  await withStored(upstream, 45, async (cluster) => {
    await cluster.log.says(/expected 4 partitions as in this cluster, found 5/);
  });
});

Deno.test("what becomes a backup remembers that it is complete, whoever wrote last", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  using upstream = await PlayedUpstream.start(host, { partitions: PARTITIONS });
  await using cluster = await TestCluster.start({ upstream: upstream.options });
  const storages: Peer[] = [];
  for (const [number, lastTid] of [[1, 45], [2, 40]] as const) {
    storages.push(
      await cluster.storage(number, {
        ...{ ptid: 3, rows: sameRows(PARTITIONS, COPIES) },
        lastIds: { lastOid: null, lastTid: tidOf(lastTid) },
      }),
    );
  }
  for (const storage of storages) {
    await storage.skipTo(p.StartOperation);
    storage.notify(p.NotifyReady, {});
    await storage.drain();
  }
  await order(await cluster.admin(), "STARTING_BACKUP");
  for (const storage of storages) {
    assert.equal((await storage.take(p.StartOperation)).backup, true);
    const { tid, sources } = await storage.take(p.Replicate);
    assert.deepEqual([tid, [...sources]], [tidOf(45), [[0, null], [1, null], [2, null], [
      3,
      null,
    ]]]);
  }
});
