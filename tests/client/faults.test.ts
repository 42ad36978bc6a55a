/** Connections that break or stall at the worst of times. */

import assert from "node:assert/strict";
import {
  ClosedError,
  connect,
  DeadlineError,
  MasterLostError,
  NotFoundError,
  StorageError,
  StorageLostError,
  UnknownOutcomeError,
} from "../../mod.ts";
import { withCluster } from "../support/in_process.ts";
import { change, create, latest, openFaulty } from "./support.ts";
import { bytes, text } from "./texts.ts";

Deno.test("a commit whose answer is lost is reported as what it became", async (t) => {
  await withCluster({}, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    const oid = await create(client, "old");
    await t.step("committed, when the request had left", async () => {
      const { serial } = await client.load(oid);
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("new"), serial });
      const cut = faults.cut("after", "AskFinishTransaction");
      const tid = await tx.finish();
      await cut;
      assert.equal((await client.load(oid)).serial, tid);
      assert.equal(await latest(client, oid), "new");
      assert.equal(await client.outcome(tx.ttid), tid);
    });
    await t.step("not committed, when it had not", async () => {
      const { serial } = await client.load(oid);
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("lost"), serial });
      const cut = faults.cut("before", "AskFinishTransaction");
      await assert.rejects(tx.finish(), MasterLostError);
      await cut;
      assert.equal(await client.outcome(tx.ttid), null);
      assert.equal(await latest(client, oid), "new");
    });
    await t.step("transact runs again what was not committed", async () => {
      const cut = faults.cut("before", "AskFinishTransaction");
      await change(client, oid, "again");
      await cut;
      assert.equal(await latest(client, oid), "again");
    });
    await t.step("unknown, when the wait is ended", async () => {
      const { serial } = await client.load(oid);
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("slow"), serial });
      await tx.vote();
      faults.hold(cluster.master);
      const gone = new AbortController();
      const finish = tx.finish({ signal: gone.signal });
      gone.abort(new Error("too slow"));
      await assert.rejects(finish, (error) => {
        assert.ok(error instanceof UnknownOutcomeError);
        assert.equal(error.ttid, tx.ttid);
        assert.equal(error.cause, gone.signal.reason);
        return true;
      });
      faults.release(cluster.master);
      const tid = await client.outcome(tx.ttid);
      assert.equal((await client.load(oid)).serial, tid);
      assert.equal(await latest(client, oid), "slow");
    });
  });
});

Deno.test("a master lost before the vote costs the transaction, and no more", async () => {
  await withCluster({}, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    const oid = await create(client, "kept");
    const { serial } = await client.load(oid);
    await using tx = await client.begin();
    await tx.store(oid, { data: bytes("given up"), serial });
    const cut = faults.cut("before", "Ping");
    await client.sync();
    await cut;
    await assert.rejects(tx.vote(), MasterLostError);
    assert.equal(await latest(client, oid), "kept");
  });
});

Deno.test("what is committed while a client is cut off reaches it at last", async () => {
  await withCluster({}, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    await using other = await connect(cluster.url);
    const oid = await create(client, "one");
    assert.equal(await latest(other, oid), "one");
    assert.equal(text((await client.load(oid)).data), "one");
    const told = Promise.withResolvers<void>();
    client.onInvalidate(({ oids }) => {
      if (oids === null) told.resolve();
    });
    faults.hold(cluster.master);
    await change(other, oid, "two");
    const cut = faults.cut("before", "Ping");
    const sync = client.sync();
    await cut;
    faults.release(cluster.master);
    await sync;
    await told.promise;
    assert.equal(text((await client.load(oid)).data), "two");
  });
});

Deno.test("a load that an invalidation overtakes is right, and not cached as current", async () => {
  await withCluster({}, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    await using other = await connect(cluster.url);
    const oid = await create(other, "one");
    await client.sync();
    faults.hold(cluster.storage(1));
    const load = client.load(oid);
    const tid = await change(other, oid, "two");
    await client.sync();
    assert.equal(client.lastTid, tid);
    faults.release(cluster.storage(1));
    const { data, nextSerial } = await load;
    assert.deepEqual([text(data), nextSerial], ["one", tid]);
    assert.equal(text((await client.load(oid)).data), "two");
  });
});

Deno.test("a client that is told late sees an old state, but one that was true", async () => {
  await withCluster({}, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    await using other = await connect(cluster.url);
    const a = await create(other, "a1");
    const b = await create(other, "b1");
    await client.sync();
    faults.hold(cluster.master);
    await other.transact((tx) => {
      tx.store(a, bytes("a2"));
      tx.store(b, bytes("b2"));
    });
    assert.equal(text((await client.load(a)).data), "a1");
    assert.equal(text((await client.load(b)).data), "b1");
    faults.release(cluster.master);
    assert.equal(await latest(client, a), "a2");
    assert.equal(await latest(client, b), "b2");
  });
});

Deno.test("a master that restarts is found again", async () => {
  await withCluster({}, async (cluster) => {
    await using client = await connect(cluster.url);
    const oid = await create(client, "kept");
    await cluster.kill("master");
    await cluster.startMaster();
    assert.equal(await latest(client, oid), "kept");
    await change(client, oid, "changed");
    assert.equal(await latest(client, oid), "changed");
  });
});

Deno.test("waiting for a master ends by the deadline, by the signal and by closing", async () => {
  await withCluster({}, async (cluster) => {
    await using client = await connect(cluster.url, { connectTimeoutMs: 100 });
    const oid = await create(client, "kept");
    await cluster.kill("master");
    await assert.rejects(
      client.begin(),
      (error) => error instanceof DeadlineError || error instanceof MasterLostError,
    );
    await assert.rejects(client.begin(), DeadlineError);
    const gone = new AbortController();
    const begin = client.begin({ signal: gone.signal });
    const reason = new Error("enough");
    gone.abort(reason);
    await assert.rejects(begin, reason);
    // What is cached needs nobody.
    assert.equal(text((await client.load(oid)).data), "kept");
    const late = client.newOid();
    await client.close();
    await assert.rejects(late, ClosedError);
    await assert.rejects(client.load(oid), ClosedError);
    await assert.rejects(client.transact(() => {}), ClosedError);
  });
});

Deno.test("with a replica, reads go on without a storage, and without a pause", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    await using client = await connect(cluster.url, { cacheBytes: 0 });
    const oids = await Promise.all(Array.from({ length: 20 }, (_, at) => create(client, `${at}`)));
    await cluster.kill("storage2");
    const loaded = await Promise.all(oids.map((oid) => client.load(oid)));
    assert.deepEqual(loaded.map(({ data }) => text(data)), oids.map((_, at) => `${at}`));
  });
});

Deno.test("without a replica, a lost storage is an error in time", async () => {
  await withCluster({ storages: 2, replicas: 0, partitions: 2 }, async (cluster) => {
    await using client = await connect(cluster.url, { cacheBytes: 0, connectTimeoutMs: 200 });
    const oids = [await create(client, "a"), await create(client, "b")];
    await cluster.kill("storage1");
    const results = await Promise.allSettled(oids.map((oid) => client.load(oid)));
    const failures = results.filter((result) => result.status === "rejected");
    assert.ok(failures.length > 0);
    for (const { reason } of failures) {
      assert.ok(reason instanceof StorageError || reason instanceof DeadlineError, String(reason));
      assert.ok(!(reason instanceof NotFoundError));
    }
  });
});

for (const packet of ["AskStoreObject", "AskStoreTransaction"]) {
  Deno.test(`a replica that misses ${packet} is dropped, not the transaction`, async () => {
    await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
      const { client, faults } = await openFaulty(cluster);
      await using _ = client;
      await using other = await connect(cluster.url);
      const oid = await create(client, "old");
      const { serial } = await client.load(oid);
      await using tx = await client.begin();
      const cut = faults.cut("before", packet);
      await tx.store(oid, { data: bytes("new"), serial });
      await tx.finish();
      await cut;
      assert.equal(await latest(client, oid), "new");
      assert.equal(await latest(other, oid), "new");
    });
  });
}

Deno.test("a storage that nobody can replace costs one attempt of transact", async () => {
  await withCluster({ storages: 2, replicas: 0, partitions: 2 }, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    const oids = [await create(client, "a"), await create(client, "b")];
    const store = async () => {
      await using tx = await client.begin();
      for (const oid of oids) {
        await tx.store(oid, { data: bytes("new"), serial: (await client.load(oid)).serial });
      }
      await tx.finish();
    };
    for (const packet of ["AskStoreObject", "AskStoreTransaction", "AskVoteTransaction"]) {
      const cut = faults.cut("after", packet);
      await assert.rejects(store, StorageLostError, packet);
      await cut;
      for (const oid of oids) assert.notEqual(await latest(client, oid), "new");
    }
    const cut = faults.cut("before", "AskVoteTransaction");
    await client.transact((tx) => oids.forEach((oid) => tx.store(oid, bytes("newer"))));
    await cut;
    for (const oid of oids) assert.equal(await latest(client, oid), "newer");
  });
});
