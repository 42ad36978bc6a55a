/** Time travel, history, undo, iteration and packing. */

import assert from "node:assert/strict";
import {
  type Client,
  connect,
  CreationUndoneError,
  NotFoundError,
  type Oid,
  StorageError,
  type Tid,
  tid as asTid,
  UndoError,
  ZERO_TID,
} from "../../mod.ts";
import { withCluster } from "../support/in_process.ts";
import { createCounters, decodeCounter, encodeCounter, resolveCounter } from "./counters.ts";
import { change, create, latest } from "./support.ts";
import { bytes, text } from "./texts.ts";

Deno.test("looking back", async (t) => {
  await withCluster({ storages: 2, replicas: 0, partitions: 3 }, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url, { resolveConflict: resolveCounter });
    await t.step("loads objects as they were", () => timeTravel(client));
    await t.step("tells of an object's revisions", () => history(client));
    await t.step("undoes a transaction", () => undo(client));
    await t.step("undoes under later changes by the application's function", async () => {
      const [oid] = await createCounters(other, 1);
      assert.ok(oid !== undefined);
      await other.transact((tx) => tx.store(oid, encodeCounter(5)));
      const { serial } = await other.load(oid);
      await other.transact((tx) => tx.store(oid, encodeCounter(7)));
      await other.undo(serial);
      assert.equal(decodeCounter((await other.load(oid)).data), 2);
      await client.sync();
      await assert.rejects(client.undo(serial), UndoError);
    });
    await t.step("undoes several transactions in one", async () => {
      const oid = await create(client, "one");
      const second = await change(client, oid, "two");
      const third = await change(client, oid, "three");
      await using tx = await client.begin();
      assert.deepEqual(await tx.undo(third), [oid]);
      assert.deepEqual(await tx.undo(second), [oid]);
      await tx.finish();
      assert.equal(await latest(client, oid), "one");
    });
    await t.step("leaves alone what a transaction only checked", async () => {
      const [read, written] = [await create(client, "r"), await create(client, "w1")];
      let tid = ZERO_TID;
      await client.transact(async (tx) => {
        await tx.readCurrent(read);
        tx.store(written, bytes("w2"));
      }, { committed: (committed) => tid = committed });
      await client.undo(tid);
      assert.equal(await latest(client, written), "w1");
      assert.equal((await client.history(read, { last: 5 })).length, 1);
    });
    await t.step("goes through all transactions", () => iteration(client));
    await t.step("packs", () => packing(client));
    await t.step("tells what does not exist", async () => {
      await assert.rejects(client.transaction(asTid(5n)), NotFoundError);
      await assert.rejects(client.undo(asTid(5n)), NotFoundError);
      await assert.rejects(client.history(await client.newOid()), NotFoundError);
      await assert.rejects(client.undoLog({ first: 3, last: 3 }), StorageError);
      await assert.rejects(client.pack(ZERO_TID), StorageError);
    });
  });
});

async function timeTravel(client: Client): Promise<void> {
  const oid = await create(client, "one");
  const first = (await client.load(oid)).serial;
  const second = await change(client, oid, "two");
  const third = await change(client, oid, "three");
  assert.equal(await client.loadBefore(oid, first), null);
  const before = await client.loadBefore(oid, third);
  assert.ok(before !== null);
  assert.deepEqual(before, { data: bytes("two"), serial: second, nextSerial: third });
  assert.deepEqual(await client.loadSerial(oid, first), {
    data: bytes("one"),
    serial: first,
    nextSerial: second,
  });
  await assert.rejects(client.loadSerial(oid, asTid(first + 1n)), NotFoundError);
}

async function history(client: Client): Promise<void> {
  const oid = await create(client, "one");
  const compressible = bytes("x".repeat(1000));
  await client.transact((tx) => tx.store(oid, compressible), { description: "bigger" });
  const [last] = await client.history(oid);
  assert.equal(text(last?.description ?? bytes("")), "bigger");
  assert.ok(last !== undefined && last.size < compressible.length);
  assert.equal(last.tid, (await client.load(oid)).serial);
  const all = await client.history(oid, { last: 10 });
  assert.deepEqual(all.map(({ size }) => size), [last.size, 3]);
  assert.deepEqual(await client.history(oid, { first: 1, last: 10 }), all.slice(1));
  assert.ok(Math.abs(last.timeMs - Date.now()) < 60_000);
}

async function undo(client: Client): Promise<void> {
  const oid = await create(client, "one");
  const created = (await client.load(oid)).serial;
  const second = await change(client, oid, "two");
  await assert.rejects(client.undo(created), UndoError);
  const undone = await client.undo(second, { description: "undo" });
  assert.equal(text((await client.load(oid)).data), "one");
  await client.undo(undone);
  assert.equal(text((await client.load(oid)).data), "two");
  // To undo a creation is to delete, and to undo that is to create again.
  const another = await create(client, "another");
  const gone = await client.undo((await client.load(another)).serial);
  await assert.rejects(client.load(another), CreationUndoneError);
  await client.undo(gone);
  assert.equal(text((await client.load(another)).data), "another");
}

async function iteration(client: Client): Promise<void> {
  const start = asTid(client.lastTid + 1n);
  const tids: Tid[] = [];
  const oids: Oid[] = [];
  for (let at = 0; at < 130; at++) {
    oids.push(await create(client, `object ${at}`));
    tids.push(client.lastTid);
  }
  const found: Tid[] = [];
  const records: string[] = [];
  for await (const transaction of client.transactions({ start })) {
    found.push(transaction.tid);
    for await (const { oid, data } of client.records(transaction)) {
      records.push(`${oids.indexOf(oid)} ${data === null ? null : text(data)}`);
    }
  }
  assert.deepEqual(found, tids);
  assert.deepEqual(records, oids.map((_, at) => `${at} object ${at}`));
  const [, second, third] = tids;
  assert.ok(second !== undefined && third !== undefined);
  const some: Tid[] = [];
  for await (const { tid } of client.transactions({ start: second, stop: third })) some.push(tid);
  assert.deepEqual(some, [second, third]);
  const log = await client.undoLog({ first: 1, last: 4 });
  assert.deepEqual(log.map(({ tid }) => tid), tids.toReversed().slice(1, 4));
}

async function packing(client: Client): Promise<void> {
  const oid = await create(client, "one");
  const second = await change(client, oid, "two");
  const third = await change(client, oid, "three");
  await client.pack(third);
  assert.equal((await client.history(oid, { last: 5 })).length, 1);
  assert.equal(text((await client.load(oid)).data), "three");
  await assert.rejects(client.loadSerial(oid, second), NotFoundError);
  await assert.rejects(client.undo(second), UndoError);
}
