/** Following commits: each once and in order, whatever happens to connections and nodes. */

import assert from "node:assert/strict";
import {
  type Client,
  ClosedError,
  connect,
  type Tid,
  tid as asTid,
  type TransactionInformation,
  ZERO_TID,
} from "../../mod.ts";
import { ITERATION_CHUNK } from "../../nodes/client/limits.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { startMaster } from "../../nodes/master/node.ts";
import { type InProcessCluster, withCluster } from "../support/in_process.ts";
import { change, create, openFaulty } from "./support.ts";
import { text } from "./texts.ts";

const OPTIONS = { storages: 2, replicas: 0, partitions: 5 };

/** Commits nothing but a description. */
async function commitEmpty(client: Client, description: string): Promise<Tid> {
  await using tx = await client.begin({ description });
  return await tx.finish();
}

/** The next `count` transactions. */
async function take(
  followed: AsyncIterator<TransactionInformation>,
  count: number,
): Promise<TransactionInformation[]> {
  const taken: TransactionInformation[] = [];
  while (taken.length < count) {
    const next = await followed.next();
    assert.ok(!next.done);
    taken.push(next.value);
  }
  return taken;
}

function tidsOf(transactions: readonly TransactionInformation[]): Tid[] {
  return transactions.map(({ tid }) => tid);
}

Deno.test("following commits", async (t) => {
  await withCluster(OPTIONS, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    await t.step("tells of what was committed, then of what is", () => both(client, other));
    await t.step("begins with the next commit where nothing is said", async () => {
      const followed = client.follow();
      const tid = await commitEmpty(client, "next");
      assert.deepEqual(tidsOf(await take(followed, 1)), [tid]);
      await followed.return?.();
    });
    await t.step("tells a slow reader from the history", () => slow(client, other));
    await t.step("misses nothing of many committers", () => crowd(cluster, client));
    await t.step("ends by its signal", () => signals(client));
    await t.step("ends with the client", async () => {
      const closing = await connect(cluster.url);
      const end = closing.follow().next();
      await closing.close();
      assert.equal((await end).done, true);
      assert.throws(() => closing.follow(), ClosedError);
    });
  });
});

async function both(client: Client, other: Client): Promise<void> {
  const start = asTid(client.lastTid + 1n);
  const followed = client.follow(start);
  const oid = await create(client, "one");
  const expected = [client.lastTid];
  expected.push(await change(client, oid, "two"));
  expected.push(await commitEmpty(client, "own"));
  const found = await take(followed, 3);
  assert.deepEqual(found[1]?.oids, [oid]);
  // From here on, each is waited for.
  for (const client_ of [other, client, other]) {
    const next = followed.next();
    expected.push(await commitEmpty(client_, "empty"));
    const { value } = await next;
    assert.ok(value);
    assert.deepEqual([text(value.description), value.oids], ["empty", []]);
    found.push(value);
  }
  await other.sync();
  const next = followed.next();
  expected.push(await change(other, oid, "three"));
  const { value } = await next;
  assert.ok(value);
  assert.deepEqual(value.oids, [oid]);
  assert.deepEqual(tidsOf([...found, value]), expected);
  await followed.return?.();
}

async function slow(client: Client, other: Client): Promise<void> {
  const followed = client.follow(asTid(client.lastTid + 1n));
  const oid = await create(other, "0");
  await other.sync();
  const expected = [other.lastTid];
  assert.deepEqual(tidsOf(await take(followed, 1)), expected);
  for (let count = 0; count < ITERATION_CHUNK + 30; count++) {
    expected.push(await change(other, oid, `${count}`));
  }
  const found = await take(followed, expected.length - 1);
  assert.deepEqual(tidsOf(found), expected.slice(1));
  await followed.return?.();
}

async function crowd(cluster: InProcessCluster, client: Client): Promise<void> {
  const committers = await Promise.all(Array.from({ length: 4 }, () => connect(cluster.url)));
  const followers = [client, ...committers].map((one) => one.follow(asTid(client.lastTid + 1n)));
  const expected: Tid[] = [];
  const committing = Promise.all(committers.map(async (committer) => {
    for (let count = 0; count < 25; count++) {
      expected.push(await commitEmpty(committer, "crowd"));
    }
  }));
  const found = await Promise.all(followers.map((followed) => take(followed, 100)));
  await committing;
  expected.sort((a, b) => a < b ? -1 : 1);
  for (const transactions of found) assert.deepEqual(tidsOf(transactions), expected);
  await Promise.all(committers.map((committer) => committer.close()));
}

async function signals(client: Client): Promise<void> {
  const gone = new AbortController();
  const end = client.follow(undefined, { signal: gone.signal }).next();
  gone.abort();
  assert.equal((await end).done, true);
  const timed = client.follow(undefined, { signal: AbortSignal.timeout(10) });
  assert.equal((await timed.next()).done, true);
  // Also in the middle of what was read ahead.
  const stopping = new AbortController();
  let count = 0;
  for await (const _ of client.follow(ZERO_TID, { signal: stopping.signal })) {
    count++;
    stopping.abort();
  }
  assert.equal(count, 1);
}

Deno.test("what is followed goes on across lost connections", async () => {
  await withCluster({ storages: 2, replicas: 1, partitions: 3 }, async (cluster) => {
    const { client, faults } = await openFaulty(cluster);
    await using _ = client;
    await using other = await connect(cluster.url);
    const oid = await create(other, "start");
    const start = asTid(other.lastTid + 1n);
    const followed = client.follow(start);
    const expected: Tid[] = [];
    const found: Tid[] = [];
    for (const when of ["before", "after"] as const) {
      // On connections to the master (which follows each list of transactions), and to storages.
      for (const packet of ["Ping", "AskTIDsFrom", "AskTransactionInformation"]) {
        const cut = faults.cut(when, packet);
        const next = take(followed, 2);
        expected.push(await change(other, oid, `${when} ${packet}`));
        await cut;
        expected.push(await commitEmpty(other, "after the cut"));
        found.push(...tidsOf(await next));
      }
    }
    assert.deepEqual(found, expected);
    // What is committed while nothing arrives from the master.
    faults.hold(cluster.master);
    for (let count = 0; count < 5; count++) expected.push(await commitEmpty(other, "unheard"));
    const next = take(followed, 5);
    const cut = faults.cut("before", "Ping");
    const sync = client.sync();
    await cut;
    faults.release(cluster.master);
    await sync;
    found.push(...tidsOf(await next));
    assert.deepEqual(found, expected);
    await followed.return?.();
  });
});

Deno.test("what is followed goes on across lost nodes", async () => {
  await withCluster({ storages: 2, replicas: 1, partitions: 4 }, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    const followed = client.follow();
    const expected = [await commitEmpty(other, "whole")];
    const found = tidsOf(await take(followed, 1));
    await cluster.kill("storage2");
    const first = take(followed, 1);
    await other.transact((tx) => tx.create(new Uint8Array(1)), {
      committed: (tid) => expected.push(tid),
    });
    found.push(...tidsOf(await first));
    await cluster.kill("master");
    const next = take(followed, 2);
    await cluster.startMaster();
    await cluster.startStorage(2);
    await other.sync();
    expected.push(await commitEmpty(other, "back"));
    expected.push(await commitEmpty(client, "own"));
    found.push(...tidsOf(await next));
    assert.deepEqual(found, expected);
    await followed.return?.();
    const all: Tid[] = [];
    for await (const { tid } of client.transactions()) all.push(tid);
    assert.deepEqual(all, expected);
  });
});

Deno.test("following ends with an error where the cluster has become another one", async () => {
  await withCluster({}, async (cluster) => {
    await using client = await connect(cluster.url);
    const next = client.follow().next();
    await cluster.kill("master");
    const host = createNodeHost({ log: { log: () => {} } });
    const stranger = await startMaster(host, {
      cluster: "another",
      masters: [cluster.master],
      bind: cluster.master,
      tls: null,
      dynamicMasterList: null,
      nid: null,
      partitions: 1,
      replicas: 0,
      autostart: null,
      upstream: null,
    });
    try {
      await assert.rejects(next, { name: "StorageError", message: /invalid cluster name/ });
    } finally {
      await stranger.stop();
    }
  });
});
