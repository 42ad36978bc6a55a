/** The master of a backup, with played storages and a played original. */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { MAX_UNTOLD_OBJECTS } from "../../nodes/master/backup/limits.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import {
  all,
  complete,
  done,
  order,
  Orders,
  PARTITIONS,
  type Scene,
  withBackup,
  withScene,
} from "./backup_scene.ts";
import { ackText, addressOf, refused, S1, S2, S3, tidOf } from "./support.ts";

const READ_ONLY = "read-only access because cluster is in backuping mode";
const CANT_SWITCH = "Can not switch to this state";

Deno.test("a cluster becomes a backup when it is ordered to, and finds the original", async () => {
  await withScene(50, async ({ cluster, upstream, admin, storages: [first, second] }) => {
    assert.ok(first && second);
    const orders = new Orders([first, second]);
    await order(admin, "STARTING_BACKUP");
    for (const storage of [first, second]) {
      assert.equal((await storage.take(p.StartOperation)).backup, true);
      assert.equal((await storage.take(p.NotifyClusterInformation)).state, "STARTING_BACKUP");
      assert.equal((await storage.take(p.NotifyClusterInformation)).state, "BACKINGUP");
    }
    await cluster.log.says(/^follows up .* from nothing on; its last transaction is 0{14}32/);
    const [request] = upstream.requests;
    assert.deepEqual([request?.nodeType, request?.nid, request?.address], ["CLIENT", null, null]);
    assert.deepEqual(await orders.forAll(), all(`up to 50 from up:${upstream.storage.port}`));
    assert.deepEqual((await admin.ask(p.AskRecovery, {})).backupTid, ZERO_TID);
    assert.deepEqual((await admin.ask(p.AskLastTransaction, {})).tid, tidOf(50));
  });
});

Deno.test("orders that make no sense in a backup are refused, and the others obeyed", async () => {
  await withBackup(50, async ({ cluster, admin, storages: [first] }) => {
    assert.ok(first !== undefined);
    for (const state of ["VERIFYING", "STARTING_BACKUP"] as const) {
      await refused(admin.ask(p.SetClusterState, { state }), "PROTOCOL_ERROR", CANT_SWITCH);
    }
    const truncate = admin.ask(p.Truncate, { tid: tidOf(1) });
    await refused(truncate, "PROTOCOL_ERROR", "Can not truncate in this state");
    assert.equal(ackText(await admin.ask(p.TweakPartitionTable, { nids: [] })), "");
    const third = await cluster.connect();
    await third.identify("STORAGE", { address: addressOf(3) });
    await third.drain();
    const added = await admin.ask(p.AddPendingNodes, { nids: [third.nid] });
    assert.equal(ackText(added), "Nodes added: S3");
    assert.equal((await third.take(p.StartOperation)).backup, true);
  });
});

Deno.test("clients only read, and are told what all storages have", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    const client = await cluster.client();
    assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tidOf(50));
    for (
      const request of [
        client.ask(p.AskBeginTransaction, { tid: null }),
        client.ask(p.AskNewOIDs, { count: 1 }),
        client.ask(p.AskFinishTransaction, { ttid: tidOf(1), oids: [], checkedOids: [] }),
        client.ask(p.AskFinalTID, { ttid: tidOf(1) }),
        client.ask(p.AskPack, { tid: tidOf(1) }),
        client.ask(p.AskLastIDs, {}),
      ]
    ) await refused(request, "READ_ONLY_ACCESS", READ_ONLY);
    client.notify(p.AbortTransaction, { ttid: null, nids: [] });
    // Of oids 5 and 8, partitions 1 and 0 have them; the transaction itself is in the latter.
    upstream.commit(60, [5, 8]);
    await first.skipTo(p.Replicate);
    done(first, 0, 60);
    done(first, 1, 60);
    done(second, 0, 60);
    await second.drain();
    assert.deepEqual(await client.rest(), []);
    done(second, 1, 60);
    const { tid, oids } = await client.take(p.InvalidateObjects);
    assert.deepEqual([tid, oids.map(Number)], [tidOf(60), [5, 8]]);
    assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tidOf(60));
  });
});

Deno.test("who came while much was missing has to come again once it is there", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, storages } = scene;
    const client = await cluster.client();
    assert.equal((await client.ask(p.AskLastTransaction, {})).tid, ZERO_TID);
    for (const storage of storages) await storage.drain();
    const orders = new Orders(storages);
    upstream.commit(60, [4, 5, 6, 7]);
    assert.deepEqual(await orders.forAll(), all(`up to 60 from up:${upstream.storage.port}`));
    assert.deepEqual(await client.rest(), []);
    await complete(scene, 60);
    await client.closed();
    const again = await cluster.client();
    assert.equal((await again.ask(p.AskLastTransaction, {})).tid, tidOf(60));
  });
});

Deno.test("who would have to be told of too much has to come again, too", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, storages: [first] } = scene;
    assert.ok(first !== undefined);
    await complete(scene, 50);
    const client = await cluster.client();
    assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tidOf(50));
    // All partitions are touched: a storage that is the primary of none gets no order.
    const orders = new Orders(scene.storages);
    upstream.commit(60, Array.from({ length: MAX_UNTOLD_OBJECTS }, (_, at) => at));
    assert.deepEqual(await orders.forAll(), all(`up to 60 from up:${upstream.storage.port}`));
    first.answerNoMore(p.Replicate);
    await complete(scene, 60);
    await client.closed();
    assert.deepEqual(client.kept(), []);
    const again = await cluster.client();
    assert.equal((await again.ask(p.AskLastTransaction, {})).tid, tidOf(60));
    upstream.commit(70, [4]);
    await first.skipTo(p.Replicate);
    await complete(scene, 70);
    assert.equal((await again.take(p.InvalidateObjects)).tid, tidOf(70));
  });
});

Deno.test("the original is followed again when its master was lost", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, admin } = scene;
    await complete(scene, 50);
    const client = await cluster.client();
    const orders = new Orders(scene.storages);
    upstream.lastTid = 70;
    upstream.disconnect();
    await cluster.log.says(/^lost the upstream cluster, up/);
    await client.closed();
    await refused(
      (await cluster.connect()).identify("CLIENT"),
      "NOT_READY",
      "Retry Later",
    );
    await cluster.log.says(/^follows up .* its last transaction is 0{14}46/);
    // It has what this backup has: it was asked for that.
    assert.deepEqual(upstream.askedTids, [tidOf(50)]);
    await admin.skipTo(p.NotifyClusterInformation);
    assert.deepEqual(await orders.forAll(), all(`up to 70 from up:${upstream.storage.port}`));
  });
});

Deno.test("what can't be fetched where it was is ordered from where it is", async () => {
  await withScene(50, async ({ upstream, admin, storages }) => {
    const orders = new Orders(storages);
    await order(admin, "STARTING_BACKUP");
    await orders.forAll();
    upstream.move(addressOf(9));
    assert.deepEqual(await orders.forAll(), all("up to 50 from up:9"));
  });
});

Deno.test("a cell counts again when it has what clients know of", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    second.close();
    await admin.skipTo(p.NotifyPartitionChanges);
    upstream.commit(60, [0, 1, 2, 3]);
    await first.skipTo(p.Replicate);
    for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 60);
    const client = await cluster.client();
    assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tidOf(60));
    const again = await cluster.node("STORAGE", { nid: S2, address: addressOf(2) });
    assert.equal((await again.skipTo(p.StartOperation)).backup, true);
    again.notify(p.NotifyReady, {});
    const unfinished = await again.ask(p.AskUnfinishedTransactions, { offsets: [0] });
    assert.deepEqual(unfinished, { maxTid: tidOf(60), ttids: [] });
    await admin.drain();
    done(again, 0, 55);
    const { tid, sources } = await again.take(p.Replicate);
    assert.deepEqual([tid, [...sources]], [tidOf(60), [[0, addressOf(1)]]]);
    assert.deepEqual(await admin.rest(), []);
    done(again, 0, 60);
    const { changes } = await again.take(p.NotifyPartitionChanges);
    assert.deepEqual(changes, [{ offset: 0, nid: S2, state: "UP_TO_DATE" }]);
  });
});

Deno.test("cells are checked against the original, or a storage that is named", async () => {
  await withBackup(50, async (scene) => {
    const { upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    const check = { minTid: ZERO_TID, maxTid: null };
    const sources = new Map([[0, null], [1, S1]]);
    assert.equal(ackText(await admin.ask(p.CheckReplicas, { ...check, sources })), "");
    const orders = [await second.take(p.CheckPartition), await second.take(p.CheckPartition)];
    assert.deepEqual(
      orders.map(({ partition, maxTid, source: { upstreamName, address } }) => [
        ...[partition, maxTid, decodeText(upstreamName), address],
      ]),
      [[0, tidOf(50), "up", upstream.storage], [1, tidOf(50), "", addressOf(1)]],
    );
    // Nothing is known of partitions that no storage has completely.
    upstream.commit(60, [4]);
    await first.skipTo(p.Replicate);
    done(first, 0, 60);
    await first.drain();
    await second.drain();
    await admin.ask(p.CheckReplicas, { ...check, sources: new Map([[0, null]]) });
    assert.equal((await second.take(p.CheckPartition)).maxTid, tidOf(59));
  });
});

Deno.test("a backup that ends is cut where all of it is complete", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    upstream.commit(60, [4]);
    await first.skipTo(p.Replicate);
    await second.skipTo(p.Replicate);
    await second.drain();
    await order(admin, "STOPPING_BACKUP");
    await first.skipTo(p.NotifyClusterInformation);
    await first.skipTo(p.StopOperation);
    assert.equal((await first.take(p.Truncate)).tid, tidOf(59));
    await second.skipTo(p.StopOperation);
    assert.equal((await second.take(p.Truncate)).tid, tidOf(59));
    await cluster.log.says(/^the backup ends at 0{14}3b .* up to 0{14}3c/);
    await cluster.log.says(/the cluster is RECOVERING/);
  });
});

Deno.test("a backup that ends waits for copies that are behind others", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 50);
    await first.drain();
    await second.drain();
    const orders = new Orders([second]);
    await order(admin, "STOPPING_BACKUP");
    assert.deepEqual(await orders.forAll(), all(`up to 50 from :${addressOf(1).port}`));
    await refused(
      (await cluster.connect()).identify("STORAGE", { address: addressOf(3) }),
      "NOT_READY",
      "Retry Later",
    );
    assert.equal((await admin.ask(p.AskClusterState, {})).state, "STOPPING_BACKUP");
    // It may still stay what it was.
    await order(admin, "STARTING_BACKUP");
    await cluster.log.says(/^follows up/);
    await order(admin, "STOPPING_BACKUP");
    for (let offset = 0; offset < PARTITIONS; offset++) done(second, offset, 50);
    await second.skipTo(p.StopOperation);
    assert.equal((await second.take(p.Truncate)).tid, tidOf(50));
  });
});

Deno.test("a backup that ends takes no copy for one of the best that has less", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    upstream.commit(60, [0, 1, 2, 3]);
    for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 60);
    await first.drain();
    const third = await cluster.connect();
    await third.identify("STORAGE", { address: addressOf(3) });
    await admin.ask(p.AddPendingNodes, { nids: [third.nid] });
    third.notify(p.NotifyReady, {});
    await admin.ask(p.TweakPartitionTable, { nids: [S1] });
    await third.ask(p.AskUnfinishedTransactions, { offsets: [0] });
    await order(admin, "STOPPING_BACKUP");
    await third.drain();
    await admin.drain();
    // Only the one that feeds it has more, and is not needed once it is there.
    done(third, 0, 55);
    const { tid, sources } = await third.take(p.Replicate);
    assert.deepEqual([tid, [...sources]], [tidOf(60), [[0, addressOf(1)]]]);
    assert.deepEqual(await admin.rest(), []);
    done(third, 0, 60);
    const { changes } = await third.take(p.NotifyPartitionChanges);
    assert.deepEqual(changes, [
      { offset: 0, nid: S3, state: "UP_TO_DATE" },
      { offset: 0, nid: S1, state: "DISCARDED" },
    ]);
    for (let offset = 0; offset < PARTITIONS; offset++) done(second, offset, 60);
    for (const storage of [first, second, third]) {
      assert.equal((await storage.skipTo(p.Truncate)).tid, tidOf(60));
    }
  });
});

Deno.test("a backup does not end earlier because a storage is lost: it stays one", async () => {
  await withBackup(50, async (scene) => {
    const { cluster, upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    upstream.commit(60, [0, 1, 2, 3]);
    for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 60);
    await first.drain();
    await second.drain();
    await order(admin, "STOPPING_BACKUP");
    await second.skipTo(p.Replicate);
    first.close();
    await cluster.log.says(/^the backup does not end: .* 0{14}3c .* only up to 0{14}3b /);
    await cluster.log.says(/^follows up/);
    assert.equal((await admin.ask(p.AskClusterState, {})).state, "BACKINGUP");
    assert.ok(!(await second.rest()).includes("Truncate"));
    // What is lost for good is done without when that is ordered.
    await order(admin, "STOPPING_BACKUP");
    assert.equal((await second.skipTo(p.Truncate)).tid, tidOf(59));
  });
});

Deno.test("no storage is taken out that alone has the last of it while upstream is away", async () => {
  await withBackup(50, async (scene) => {
    const { upstream, admin, storages: [first, second] } = scene;
    assert.ok(first && second);
    await complete(scene, 50);
    upstream.commit(60, [0, 1, 2, 3]);
    for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 60);
    await first.drain();
    await order(admin, "STOPPING_BACKUP");
    for (const state of ["DOWN", "UNKNOWN"] as const) {
      await refused(
        admin.ask(p.SetNodeState, { nid: S1, state }),
        "PROTOCOL_ERROR",
        /^Refuse to drop nodes that contain the only copies of what partition 0 has last, /,
      );
    }
    assert.equal(
      ackText(await admin.ask(p.SetNodeState, { nid: S2, state: "DOWN" })),
      "state changed",
    );
    assert.equal((await first.skipTo(p.Truncate)).tid, tidOf(60));
  });
});

Deno.test("a backup that has nothing complete yet does not end: nothing would be left", async () => {
  await withBackup(50, async ({ admin, storages: [first] }) => {
    assert.ok(first !== undefined);
    await refused(
      admin.ask(p.SetClusterState, { state: "STOPPING_BACKUP" }),
      "PROTOCOL_ERROR",
      /no transaction is complete here, so that all data would be deleted$/,
    );
    assert.equal((await admin.ask(p.AskClusterState, {})).state, "BACKINGUP");
  });
});

for (
  const [loss, lose] of [
    ["is found corrupted", ({ storages: [first] }: Scene) => {
      first?.notify(p.NotifyPartitionCorrupted, { partition: 0, nids: [S1, S2] });
    }],
    ["is gone", ({ storages: [first] }: Scene) => first?.close()],
  ] as const
) {
  Deno.test(`a backup that ends cuts nothing off when all of a partition ${loss}`, async () => {
    await withBackup(50, async (scene) => {
      const { cluster, admin, storages: [first, second] } = scene;
      assert.ok(first && second);
      for (let offset = 0; offset < PARTITIONS; offset++) done(first, offset, 50);
      await first.drain();
      // The other one has nothing of one partition that could be read, and lags in the rest.
      second.notify(p.NotifyPartitionCorrupted, { partition: 0, nids: [S2] });
      await second.drain();
      await order(admin, "STOPPING_BACKUP");
      await second.skipTo(p.NotifyClusterInformation);
      await second.drain();
      lose(scene);
      await cluster.log.says(/the cluster is RECOVERING/);
      assert.deepEqual((await second.rest()).filter((name) => name === "Truncate"), []);
    });
  });
}
