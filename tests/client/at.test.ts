/** The whole store as of a transaction or a time, also when nodes are lost meanwhile. */

import assert from "node:assert/strict";
import {
  type Client,
  ClosedError,
  connect,
  CreationUndoneError,
  DoesNotExistError,
  FutureError,
  NotFoundError,
  type Oid,
  type Tid,
  tid as asTid,
  timeOfTid,
  ZERO_TID,
} from "../../mod.ts";
import { MAX_CLOCK_SKEW_MS } from "../../nodes/client/limits.ts";
import { withCluster } from "../support/in_process.ts";
import { change, create, openFaulty } from "./support.ts";
import { text } from "./texts.ts";

const OPTIONS = { storages: 2, replicas: 0, partitions: 5 };

/** An object with a revision for each text. */
async function revisions(client: Client, texts: readonly string[]) {
  const [first = "", ...others] = texts;
  const oid = await create(client, first);
  const tids = [client.lastTid];
  for (const content of others) tids.push(await change(client, oid, content));
  const at = (index: number): Tid => {
    const tid = tids[index];
    assert.ok(tid !== undefined);
    return tid;
  };
  return { oid, tids, at };
}

async function textAt(client: Client, moment: Tid | Date, oid: Oid): Promise<string> {
  return text((await client.at(moment).load(oid)).data);
}

Deno.test("looking at the store as of a moment", async (t) => {
  await withCluster(OPTIONS, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    await t.step("loads what was current then", () => loads(client));
    await t.step("goes by time, up to now", () => times(client, other));
    await t.step("tells the history up to then", () => history(client));
    await t.step("tells of the transactions up to then", () => transactions(client));
    await t.step("throws where the moment is to come", () => future(client, other));
    await t.step("shares the cache with the client", async () => {
      const { oid, at } = await revisions(client, ["one", "two"]);
      await client.at(at(0)).load(oid);
      const { hits } = client.cacheStatistics;
      assert.equal(await textAt(client, at(0), oid), "one");
      assert.equal(text((await client.loadBefore(oid, at(1)))?.data ?? new Uint8Array(0)), "one");
      assert.equal(client.cacheStatistics.hits, hits + 2);
    });
    await t.step("says what was packed", () => packed(client));
    await t.step("ends with the client", async () => {
      const closing = await connect(cluster.url);
      const view = closing.at(closing.lastTid);
      await closing.close();
      await assert.rejects(view.history(await client.newOid()), ClosedError);
      assert.throws(() => view.transactions(), ClosedError);
      assert.throws(() => closing.at(ZERO_TID), ClosedError);
    });
  });
});

async function loads(client: Client): Promise<void> {
  const { oid, at } = await revisions(client, ["one", "two", "three"]);
  const before = client.at(asTid(at(0) - 1n));
  await assert.rejects(before.load(oid), NotFoundError);
  assert.equal(await before.loadBefore(oid, at(2)), null);
  const view = client.at(at(1));
  assert.equal(view.tid, at(1));
  assert.deepEqual(await view.load(oid), await client.loadSerial(oid, at(1)));
  assert.equal((await view.loadBefore(oid, at(2)))?.serial, at(1));
  assert.equal((await view.loadBefore(oid, at(1)))?.serial, at(0));
  assert.equal(text((await view.loadSerial(oid, at(0))).data), "one");
  await assert.rejects(view.loadSerial(oid, at(2)), NotFoundError);
  await assert.rejects(view.load(await client.newOid()), DoesNotExistError);
  await client.transact((tx) => tx.delete(oid));
  await assert.rejects(client.at(client.lastTid).load(oid), CreationUndoneError);
  assert.equal(await textAt(client, at(2), oid), "three");
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(before.load(oid, { signal }), signal.reason);
}

async function times(client: Client, other: Client): Promise<void> {
  const { oid, at } = await revisions(client, ["one", "two"]);
  // A Date has no fractions: this is the first one that is not before the commit.
  const first = new Date(Math.ceil(timeOfTid(at(0))));
  const expected = timeOfTid(at(1)) <= first.getTime() ? "two" : "one";
  assert.equal(await textAt(client, first, oid), expected);
  // Clocks differ a little, so that this counts as now.
  const now = new Date(Date.now() + MAX_CLOCK_SKEW_MS / 2);
  assert.equal(await textAt(client, now, oid), "two");
  assert.equal(client.at(now).tid, client.lastTid);
  await other.sync();
  assert.equal(await textAt(other, now, oid), "two");
  assert.ok(client.at(new Date(0)).tid < at(0));
  assert.throws(() => client.at(new Date(Date.now() + 60_000)), FutureError);
  assert.throws(() => client.at(new Date(NaN)), FutureError);
}

async function history(client: Client): Promise<void> {
  const { oid, tids, at } = await revisions(client, "abcdefgh".split(""));
  const view = client.at(at(4));
  const found = await view.history(oid, { last: 100 });
  assert.deepEqual(found.map(({ tid }) => tid), tids.slice(0, 5).reverse());
  assert.deepEqual(await view.history(oid), found.slice(0, 1));
  assert.deepEqual(await view.history(oid, { first: 2, last: 4 }), found.slice(2, 4));
  await assert.rejects(client.at(asTid(at(0) - 1n)).history(oid), {
    name: "NotFoundError",
    message: /it was created later, or what there was has been packed/,
  });
  // More newer revisions than are asked for at once.
  for (let count = 0; count < 120; count++) await change(client, oid, `later ${count}`);
  assert.deepEqual(await view.history(oid, { last: 100 }), found);
}

async function transactions(client: Client): Promise<void> {
  const { tids, at } = await revisions(client, "abcdefgh".split(""));
  const view = client.at(at(5));
  const found: Tid[] = [];
  for await (const { tid } of view.transactions({ start: at(1) })) found.push(tid);
  assert.deepEqual(found, tids.slice(1, 6));
  const some: Tid[] = [];
  for await (const { tid } of view.transactions({ start: at(1), stop: at(3) })) some.push(tid);
  assert.deepEqual(some, tids.slice(1, 4));
  const fifth = await view.transaction(at(5));
  const records = [];
  for await (const { data } of view.records(fifth)) records.push(text(data ?? new Uint8Array(0)));
  assert.deepEqual(records, ["f"]);
  await assert.rejects(view.transaction(at(6)), NotFoundError);
}

async function future(client: Client, other: Client): Promise<void> {
  assert.throws(() => client.at(asTid(client.lastTid + 1n)), FutureError);
  const oid = await create(client, "new");
  await other.sync();
  assert.equal(await textAt(other, client.lastTid, oid), "new");
}

async function packed(client: Client): Promise<void> {
  const { oid, at } = await revisions(client, ["one", "two", "three"]);
  const view = client.at(at(0));
  assert.equal(text((await view.load(oid)).data), "one");
  await client.pack(at(1));
  await assert.rejects(view.load(oid), {
    name: "NotFoundError",
    message: /it was created later, or what there was has been packed/,
  });
  await assert.rejects(view.loadSerial(oid, at(0)), NotFoundError);
  await assert.rejects(view.history(oid), NotFoundError);
  assert.equal(await textAt(client, at(1), oid), "two");
  assert.equal((await view.transaction(at(0))).tid, at(0));
}

Deno.test("a moment is looked at across lost connections", async () => {
  await withCluster({ storages: 2, replicas: 1, partitions: 3 }, async (cluster) => {
    const { client, faults } = await openFaulty(cluster, { cacheBytes: 0 });
    await using _ = client;
    const { oid, tids, at } = await revisions(client, ["one", "two", "three"]);
    const view = client.at(at(1));
    for (const when of ["before", "after"] as const) {
      for (
        const [packet, look] of [
          ["AskObject", async () => assert.equal(text((await view.load(oid)).data), "two")],
          ["AskObjectHistory", async () => {
            const found = await view.history(oid, { last: 9 });
            assert.deepEqual(found.map(({ tid }) => tid), [at(1), at(0)]);
          }],
          ["AskTIDsFrom", async () => {
            const found: Tid[] = [];
            for await (const { tid } of view.transactions({ start: at(0) })) found.push(tid);
            assert.deepEqual(found, tids.slice(0, 2));
          }],
          // The one that follows each list of transactions.
          ["Ping", async () => {
            const found: Tid[] = [];
            for await (const { tid } of view.transactions()) found.push(tid);
            assert.deepEqual(found, tids.slice(0, 2));
          }],
        ] as const
      ) {
        const cut = faults.cut(when, packet);
        await look();
        await cut;
      }
    }
    await cluster.kill("storage1");
    assert.equal(text((await view.load(oid)).data), "two");
  });
});
