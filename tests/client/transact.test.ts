/** Functions run as transactions: snapshots, changes, conflicts, retries. */

import assert from "node:assert/strict";
import {
  type Client,
  ConflictError,
  connect,
  CreationUndoneError,
  DoesNotExistError,
  NotFoundError,
  type Oid,
  oid as asOid,
  ReadConflictError,
  StorageError,
  type Tid,
  ZERO_TID,
} from "../../mod.ts";
import { withCluster } from "../support/in_process.ts";
import { decodeCounter, encodeCounter } from "./counters.ts";
import { change, create, latest } from "./support.ts";
import { bytes, text } from "./texts.ts";

/** Two clients of one cluster, and an object that both know. */
interface Pair {
  readonly client: Client;
  readonly other: Client;
}

async function withPair(test: (pair: Pair) => Promise<void>): Promise<void> {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    await test({ client, other });
  });
}

Deno.test("transact", async (t) => {
  await withPair(async ({ client, other }) => {
    const step = (name: string, test: () => Promise<void>) => t.step(name, test);
    await step("returns what the function returns, and tells the tid", async () => {
      const tids: Tid[] = [];
      const committed = (tid: Tid) => tids.push(tid);
      const oid = await client.transact((tx) => tx.create(bytes("x")), { committed });
      assert.deepEqual(tids, [(await client.load(oid)).serial]);
      assert.equal(await client.transact(() => 7, { committed }), 7);
      assert.equal(tids.length, 1);
    });
    await step("shows what it has done itself", () => ownChanges(client));
    await step("shows one state, whatever is committed meanwhile", () => snapshot(client, other));
    await step("commits what it stored, all or nothing", () => allOrNothing(client, other));
    await step("runs again after a conflict, on a newer state", () => again(client, other));
    await step("gives up after the retries", () => givesUp(client, other));
    await step("depends on what it marked as read", () => readCurrent(client, other));
    await step("knows a conflict by the serial that it was given", async () => {
      const oid = await create(client, "one");
      const { serial } = await client.load(oid);
      await change(client, oid, "two");
      const stale = client.transact((tx) => tx.store(oid, bytes("three"), { serial }), {
        retries: 0,
      });
      await assert.rejects(stale, ConflictError);
      assert.equal(await latest(client, oid), "two");
    });
    await step("deletes, and stores again what was deleted", () => deletion(client, other));
    await step("keeps bytes of its own", () => ownBytes(client, other));
    await step("is over when the function has ended", async () => {
      const tx = await client.transact((tx) => tx);
      await assert.rejects(tx.load(asOid(1n)), StorageError);
      assert.throws(() => tx.store(asOid(1n), bytes("late")), StorageError);
    });
    await step("ends by its signal", async () => {
      const gone = new AbortController();
      const reason = new Error("enough");
      const oid = await create(client, "kept");
      const work = client.transact((tx) => {
        tx.store(oid, bytes("not this"));
        gone.abort(reason);
      }, { signal: gone.signal });
      await assert.rejects(work, reason);
      assert.equal(await latest(other, oid), "kept");
    });
    await step("passes on what the function throws, and commits nothing", async () => {
      const oid = await create(client, "kept");
      const reason = new Error("no");
      await assert.rejects(
        client.transact((tx) => {
          tx.store(oid, bytes("not this"));
          throw reason;
        }),
        reason,
      );
      assert.equal(await latest(other, oid), "kept");
    });
  });
});

async function ownChanges(client: Client): Promise<void> {
  const known = await create(client, "old");
  await client.transact(async (tx) => {
    tx.store(known, bytes("new"));
    assert.equal(text((await tx.load(known)).data), "new");
    const created = await tx.create(bytes("created"));
    assert.deepEqual(await tx.load(created), { data: bytes("created"), serial: ZERO_TID });
    tx.delete(created);
    await assert.rejects(tx.load(created), NotFoundError);
    tx.delete(known);
    await assert.rejects(tx.load(known), CreationUndoneError);
    tx.store(known, bytes("newer"));
  });
  assert.equal(await latest(client, known), "newer");
}

async function snapshot(client: Client, other: Client): Promise<void> {
  const [a, b] = [await create(client, "a1"), await create(client, "b1")];
  await client.transact(async (tx) => {
    assert.equal(text((await tx.load(a)).data), "a1");
    await other.sync();
    await other.transact((tx) => {
      tx.store(a, bytes("a2"));
      tx.store(b, bytes("b2"));
    });
    const late = await create(other, "late");
    await client.sync();
    assert.equal(text((await tx.load(b)).data), "b1");
    assert.equal(text((await tx.load(a)).data), "a1");
    await assert.rejects(tx.load(late), NotFoundError);
  });
  assert.equal(text((await client.load(b)).data), "b2");
}

async function allOrNothing(client: Client, other: Client): Promise<void> {
  const oids: Oid[] = await client.transact(async (tx) => {
    const created: Oid[] = [];
    for (let i = 0; i < 500; i++) created.push(await tx.create(bytes(`object ${i}`)));
    return created;
  });
  await other.sync();
  const loaded = await Promise.all(oids.map((oid) => other.load(oid)));
  assert.deepEqual(loaded.map(({ data }) => text(data)), oids.map((_, i) => `object ${i}`));
  assert.equal(new Set(loaded.map(({ serial }) => serial)).size, 1);
  const [first, second] = oids;
  assert.ok(first !== undefined && second !== undefined);
  const both = client.transact(async (tx) => {
    await tx.load(first);
    await tx.load(second);
    await change(other, second, "in the way");
    tx.store(first, bytes("not this"));
    tx.store(second, bytes("nor this"));
  }, { retries: 0 });
  await assert.rejects(both, ConflictError);
  assert.equal(await latest(other, first), "object 0");
}

async function again(client: Client, other: Client): Promise<void> {
  const oid = await client.transact((tx) => tx.create(encodeCounter(0)));
  await other.sync();
  let runs = 0;
  const add = (client: Client) =>
    client.transact(async (tx) => {
      runs++;
      tx.store(oid, encodeCounter(decodeCounter((await tx.load(oid)).data) + 1));
    }, { retries: 100 });
  const adders = Array.from({ length: 12 }, (_, at) => add(at % 2 === 0 ? client : other));
  await Promise.all(adders);
  await client.sync();
  assert.equal(decodeCounter((await client.load(oid)).data), 12);
  assert.ok(runs > 12, "no conflict happened");
}

async function givesUp(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "one");
  await other.sync();
  let runs = 0;
  const work = client.transact(async (tx) => {
    runs++;
    const { serial } = await tx.load(oid);
    const committed = await change(other, oid, `in the way ${runs}`);
    assert.ok(committed > serial);
    tx.store(oid, bytes("not this"));
  }, { retries: 2 });
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.oid, oid);
    assert.ok(error.base < error.committed);
    return true;
  });
  assert.equal(runs, 3);
}

async function readCurrent(client: Client, other: Client): Promise<void> {
  const [read, written] = [await create(client, "r1"), await create(client, "w1")];
  await other.sync();
  const work = (disturb: () => Promise<unknown>) =>
    client.transact(async (tx) => {
      await tx.readCurrent(read);
      tx.store(written, bytes("w2"));
      await disturb();
    }, { retries: 0 });
  await assert.rejects(work(() => change(other, read, "r2")), ReadConflictError);
  assert.equal(await latest(client, written), "w1");
  await work(() => Promise.resolve());
  assert.equal(await latest(other, written), "w2");
}

async function deletion(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "one");
  const { serial } = await client.load(oid);
  await client.transact((tx) => tx.delete(oid));
  await assert.rejects(client.load(oid), CreationUndoneError);
  await other.sync();
  await assert.rejects(other.load(oid), CreationUndoneError);
  assert.equal(text((await other.loadSerial(oid, serial)).data), "one");
  await other.transact((tx) => tx.store(oid, bytes("two")));
  assert.equal(await latest(client, oid), "two");
  await assert.rejects(client.load(asOid(1n << 60n)), DoesNotExistError);
}

async function ownBytes(client: Client, other: Client): Promise<void> {
  const data = bytes("original");
  const oid = await client.transact(async (tx) => {
    const created = await tx.create(data);
    data.fill(0);
    (await tx.load(created)).data.fill(0);
    return created;
  });
  (await client.load(oid)).data.fill(0);
  assert.equal(text((await client.load(oid)).data), "original");
  await other.sync();
  (await other.load(oid)).data.fill(0);
  assert.equal(text((await other.load(oid)).data), "original");
}
