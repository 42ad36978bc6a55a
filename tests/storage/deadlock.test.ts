/** Deadlock avoidance: who lets go, and what a rebase gives back. */

import assert from "node:assert/strict";
import {
  AbortTransaction,
  AskCheckCurrentSerial,
  AskRebaseObject,
  AskRebaseTransaction,
} from "../../gen/packets.ts";
import { C1, C2, type Client, isPending, o, sha1, Stage, t } from "./support.ts";

async function rebase(client: Client, ttid: number, lockingTid: number) {
  const packet = { ttid: t(ttid), lockingTid: t(lockingTid) };
  return [...(await client.connection.ask(AskRebaseTransaction, packet)).oids].sort();
}

async function rebaseObject(client: Client, ttid: number, oid: number) {
  return (await client.connection.ask(AskRebaseObject, { ttid: t(ttid), oid: o(oid) })).conflict;
}

Deno.test("the older that meets a younger lets go of its locks and tells the master", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await older.store(t(100), { oid: o(1), data: "older 1" });
  await younger.store(t(200), { oid: o(2), data: "younger 2" });
  const youngerWaits = younger.store(t(200), { oid: o(1), data: "younger 1" });
  assert(await isPending(youngerWaits, younger));
  const olderWaits = older.store(t(100), { oid: o(2), data: "older 2" });
  assert.deepEqual(await stage.notices.next(), {
    is: "deadlock",
    ttid: t(100),
    lockingTid: t(100),
  });
  // What the older let go of, the younger gets.
  assert.equal(await youngerWaits, null);
  assert(await isPending(olderWaits, older));
  // Now it is the youngest, and has to rebase what the other one holds.
  assert.deepEqual(await rebase(older, 100, 300), [o(1)]);
  const conflict = rebaseObject(older, 100, 1);
  assert(await isPending(conflict, older));
  await younger.vote(t(200), [o(1), o(2)]);
  await stage.finish(t(200), t(400));
  const found = await conflict;
  assert.equal(found?.serial, t(0));
  assert.equal(found?.conflictSerial, t(400));
  const data = new TextEncoder().encode("older 1");
  assert.deepEqual(found?.data?.data, data);
  assert.deepEqual(found?.data?.checksum, sha1(data));
  assert.equal(await olderWaits, t(400), "the store that waited conflicts");
  // The client resolves both, and stores again.
  for (const oid of [o(1), o(2)]) {
    assert.equal(await older.store(t(100), { oid, serial: t(400), data: "resolved" }), null);
  }
  await older.vote(t(100), [o(1), o(2)]);
  await stage.finish(t(100), t(500));
  assert.equal((await older.load(o(1))).data, "resolved");
  await stage.stop();
  assert.equal(
    (await stage.onDisk("SELECT * FROM data")).length,
    4,
    "what was given back is deleted",
  );
});

Deno.test("locks that are free are taken again by the rebase", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await older.store(t(100), { oid: o(1), data: "older 1" });
  await younger.store(t(200), { oid: o(2), data: "younger 2" });
  const waits = older.store(t(100), { oid: o(2), data: "older 2" });
  await stage.notices.next();
  younger.connection.notify(AbortTransaction, { ttid: t(200), nids: [] });
  await younger.settled();
  assert(await isPending(waits, older), "without a new locking tid it gets no lock");
  assert.deepEqual(await rebase(older, 100, 300), []);
  assert.equal(await waits, null);
  const third = younger.store(t(400), { oid: o(1), data: "third" });
  assert(await isPending(third, younger));
});

Deno.test("on a storage that saw no deadlock, a rebase frees and takes again", async () => {
  await using stage = await Stage.operating();
  const [first, second] = [await stage.client(C1), await stage.client(C2)];
  await first.store(t(100), { oid: o(1), data: "first 1" });
  await first.store(t(100), { oid: o(2), data: "first 2" });
  const waits = second.store(t(200), { oid: o(1), data: "second 1" });
  assert(await isPending(waits, second));
  // The order is now another one: the second was waiting, and is older.
  assert.deepEqual(await rebase(first, 100, 300), [o(1)]);
  assert.equal(await waits, null);
  const conflict = rebaseObject(first, 100, 1);
  assert(await isPending(conflict, first));
  second.connection.notify(AbortTransaction, { ttid: t(200), nids: [] });
  assert.equal(await conflict, null, "nothing was committed meanwhile");
});

Deno.test("what was committed between lock and rebase is a conflict", async () => {
  await using stage = await Stage.operating();
  const [first, second] = [await stage.client(C1), await stage.client(C2)];
  await first.store(t(100), { oid: o(1), data: "first 1" });
  await second.store(t(200), { oid: o(2), data: "second 2" });
  const waits = first.store(t(100), { oid: o(2), data: "first 2" });
  await stage.notices.next();
  assert.equal(await second.store(t(200), { oid: o(1), data: "second 1" }), null);
  await second.vote(t(200), [o(1), o(2)]);
  await stage.finish(t(200));
  assert.deepEqual(await rebase(first, 100, 300), [o(1)]);
  assert.equal(await waits, t(200));
  assert.equal((await rebaseObject(first, 100, 1))?.conflictSerial, t(200));
  assert.equal(await rebaseObject(first, 100, 1), null, "it is not pending any more");
});

Deno.test("a check is rebased without data", async () => {
  await using stage = await Stage.operating();
  const [first, second] = [await stage.client(C1), await stage.client(C2)];
  await first.connection.ask(AskCheckCurrentSerial, { ttid: t(100), oid: o(1), serial: t(0) });
  await second.store(t(200), { oid: o(2), data: "second 2" });
  const waits = first.store(t(100), { oid: o(2), data: "first 2" });
  await stage.notices.next();
  await second.store(t(200), { oid: o(1), data: "second 1" });
  await second.vote(t(200), [o(1), o(2)]);
  await stage.finish(t(200));
  assert.deepEqual(await rebase(first, 100, 300), [o(1)]);
  assert.deepEqual(await rebaseObject(first, 100, 1), {
    serial: t(0),
    conflictSerial: t(200),
    data: null,
  });
  assert.equal(await waits, t(200));
});

Deno.test("a rebase of what is unknown changes nothing", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  assert.deepEqual(await rebase(client, 100, 300), []);
  assert.equal(await rebaseObject(client, 999, 1), null);
  assert.equal(await rebaseObject(client, 100, 1), null);
});

Deno.test("what has voted is not rebased", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await assert.rejects(rebase(client, 100, 300), {
    code: "PROTOCOL_ERROR",
    message: "TXN 0000000000000064 already voted",
  });
});
