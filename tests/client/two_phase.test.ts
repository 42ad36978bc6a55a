/** Transactions whose phases are gone through one by one. */

import assert from "node:assert/strict";
import {
  type Client,
  type Conflict,
  ConflictError,
  connect,
  type Oid,
  ReadConflictError,
  StorageError,
  type Tid,
} from "../../mod.ts";
import { type InProcessCluster, withCluster } from "../support/in_process.ts";
import { change, create, latest } from "./support.ts";
import { bytes, text } from "./texts.ts";

Deno.test("transactions in two phases", async (t) => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    await t.step("are seen when they are finished", () => visibility(client, other));
    await t.step("leave nothing when they are aborted", () => abortion(client, other));
    await t.step("keep who committed and why", () => metadata(client, other));
    await t.step("conflict with what was committed since", () => conflict(client, other));
    await t.step("wait for those that hold a lock", () => waiting(client, other));
    await t.step("depend on objects that they check", () => checks(client, other));
    await t.step("unite changes by the application's function", () => resolution(cluster));
    await t.step("have objects as big as packets allow", () => bigObjects(client, other));
    await t.step("store an object twice, and the last counts", async () => {
      const oid = await create(client, "one");
      const { serial } = await client.load(oid);
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("two"), serial });
      await tx.store(oid, { data: bytes("three"), serial });
      await tx.finish();
      assert.equal(await latest(other, oid), "three");
    });
    await t.step("conflict with themselves where they go back behind what they know", async () => {
      const oid = await create(client, "one");
      const first = (await client.load(oid)).serial;
      const second = await change(client, oid, "two");
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("three"), serial: second });
      await assert.rejects(tx.store(oid, { data: bytes("not this"), serial: first }), (error) => {
        assert.ok(error instanceof ConflictError);
        assert.deepEqual([error.oid, error.base, error.committed], [oid, first, second]);
        return true;
      });
      await tx.finish();
      assert.equal(await latest(other, oid), "three");
    });
    await t.step("vote on all that was stored, awaited or not", async () => {
      await using fresh = await connect(cluster.url);
      const oids = [await fresh.newOid(), await fresh.newOid(), await fresh.newOid()];
      await using tx = await fresh.begin();
      const stores = oids.map((oid) => tx.store(oid, { data: bytes("x") }));
      const tid = await tx.finish();
      await Promise.all(stores);
      assert.deepEqual(new Set((await fresh.transaction(tid)).oids), new Set(oids));
    });
    await t.step("may be empty", async () => {
      await using tx = await client.begin({ description: "nothing" });
      const tid = await tx.finish();
      assert.equal(client.lastTid, tid);
      assert.deepEqual((await other.transaction(tid)).oids, []);
    });
    await t.step("end only once", async () => {
      await using tx = await client.begin();
      await tx.finish();
      await assert.rejects(tx.finish(), StorageError);
      await assert.rejects(tx.store(await client.newOid(), { data: bytes("x") }), StorageError);
    });
  });
});

async function stored(client: Client, oid: Oid, content: string) {
  const { serial } = await client.load(oid);
  const tx = await client.begin();
  await tx.store(oid, { data: bytes(content), serial });
  return tx;
}

async function visibility(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "old");
  await using tx = await stored(client, oid, "new");
  assert.deepEqual(await tx.vote(), new Set());
  assert.equal(await latest(client, oid), "old");
  assert.equal(await latest(other, oid), "old");
  const tid = await tx.finish();
  assert.equal(client.lastTid, tid);
  const hits = client.cacheStatistics.hits;
  assert.equal(text((await client.load(oid)).data), "new");
  assert.equal(client.cacheStatistics.hits, hits + 1, "what was committed is in the cache");
  assert.equal(await latest(other, oid), "new");
}

async function abortion(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "kept");
  const begun = await stored(client, oid, "begun");
  begun.abort();
  begun.abort();
  await assert.rejects(begun.vote(), StorageError);
  const voted = await stored(client, oid, "voted");
  await voted.vote();
  voted.abort();
  // The locks are free again.
  await other.sync();
  await change(other, oid, "changed");
  assert.equal(await latest(client, oid), "changed");
}

async function metadata(client: Client, other: Client): Promise<void> {
  await using tx = await client.begin({
    user: "me",
    description: "for a réason",
    extension: new Uint8Array([0x80, 0x02, 0x7d, 0x2e]),
  });
  const oid = await client.newOid();
  await tx.store(oid, { data: bytes("x") });
  const tid = await tx.finish();
  const found = await other.transaction(tid);
  assert.equal(text(found.user), "me");
  assert.equal(text(found.description), "for a réason");
  assert.deepEqual(found.extension, new Uint8Array([0x80, 0x02, 0x7d, 0x2e]));
  assert.deepEqual(found.oids, [oid]);
  assert.equal(found.packed, false);
}

async function conflict(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "old");
  const { serial } = await client.load(oid);
  await using tx = await client.begin();
  await other.sync();
  const committed = await change(other, oid, "in the way");
  const commit = async () => {
    await tx.store(oid, { data: bytes("not this"), serial });
    await tx.finish();
  };
  await assert.rejects(commit, (error) => {
    assert.ok(error instanceof ConflictError && !(error instanceof ReadConflictError));
    assert.deepEqual([error.oid, error.base, error.committed], [oid, serial, committed]);
    return true;
  });
  await assert.rejects(tx.store(await client.newOid(), { data: bytes("x") }), ConflictError);
  await assert.rejects(tx.finish(), ConflictError);
}

async function waiting(client: Client, other: Client): Promise<void> {
  const oid = await create(client, "old");
  await other.sync();
  await using first = await stored(client, oid, "first");
  await first.vote();
  await using second = await stored(other, oid, "second");
  let settled = false;
  const vote = second.vote().finally(() => settled = true);
  await other.sync();
  await client.sync();
  assert.equal(settled, false);
  await first.finish();
  await assert.rejects(vote, ConflictError);
  assert.equal(await latest(other, oid), "first");
}

async function checks(client: Client, other: Client): Promise<void> {
  const [read, written] = [await create(client, "r"), await create(client, "w")];
  await other.sync();
  const attempt = async (disturb: () => Promise<unknown>): Promise<Tid> => {
    const serials = [(await client.load(read)).serial, (await client.load(written)).serial];
    await using tx = await client.begin();
    await disturb();
    await tx.store(written, { data: bytes("w2"), serial: serials[1] ?? client.lastTid });
    await tx.checkCurrentSerial(read, serials[0] ?? client.lastTid);
    await tx.checkCurrentSerial(read, serials[0] ?? client.lastTid);
    return await tx.finish();
  };
  await assert.rejects(attempt(() => change(other, read, "r2")), ReadConflictError);
  await client.sync();
  const tid = await attempt(() => Promise.resolve());
  assert.deepEqual(new Set((await client.transaction(tid)).oids), new Set([read, written]));
  assert.equal((await client.load(read)).nextSerial, null);
}

async function resolution(cluster: InProcessCluster): Promise<void> {
  const seen: Record<string, string>[] = [];
  await using client = await connect(cluster.url, {
    resolveConflict: async (conflict: Conflict) => {
      await Promise.resolve();
      const { old, saved, new: mine } = conflict;
      seen.push({ old: text(old), saved: text(saved), new: text(mine) });
      if (text(saved) === "hopeless") throw new Error("no way");
      return bytes(`${text(saved)}+${text(mine)}`);
    },
  });
  await using other = await connect(cluster.url);
  const oid = await create(client, "old");
  const { serial } = await client.load(oid);
  await using tx = await client.begin();
  await other.sync();
  await change(other, oid, "saved");
  await tx.store(oid, { data: bytes("mine"), serial });
  assert.deepEqual(await tx.vote(), new Set([oid]));
  await tx.finish();
  assert.deepEqual(seen, [{ old: "old", saved: "saved", new: "mine" }]);
  assert.equal(text((await client.load(oid)).data), "saved+mine");
  assert.equal(await latest(other, oid), "saved+mine");

  await using hopeless = await stored(client, await create(client, "other"), "x");
  const before = await client.load(oid);
  await change(other, oid, "hopeless");
  const failing = async () => {
    await hopeless.store(oid, { data: bytes("mine"), serial: before.serial });
    await hopeless.vote();
  };
  await assert.rejects(failing, (error) => {
    assert.ok(error instanceof ConflictError);
    assert.ok(error.cause instanceof Error && error.cause.message === "no way");
    return true;
  });
}

async function bigObjects(client: Client, other: Client): Promise<void> {
  const big = new Uint8Array(20 << 20);
  for (let at = 0; at < big.length; at += 4) big[at] = (at >> 2) * 2654435761 >>> 24;
  const oids = [await client.newOid(), await client.newOid()];
  await using tx = await client.begin();
  for (const oid of oids) await tx.store(oid, { data: big, owned: true });
  const impossible = new Uint8Array((64 << 20) + 1);
  for (let at = 0; at < impossible.length; at += 65_536) {
    crypto.getRandomValues(impossible.subarray(at, at + 65_536));
  }
  await assert.rejects(
    tx.store(await client.newOid(), { data: impossible, owned: true }),
    StorageError,
  );
  await tx.finish();
  await other.sync();
  for (const oid of oids) assert.deepEqual((await other.load(oid)).data, big);
}
