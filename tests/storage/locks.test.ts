/** Write locks: who conflicts, who waits, and in which order those that waited go on. */

import assert from "node:assert/strict";
import {
  AbortTransaction,
  AskCheckCurrentSerial,
  AskFinalTID,
  AskLockInformation,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { C1, C2, C3, type Client, isPending, o, Stage, t } from "./support.ts";

async function check(
  client: Client,
  packet: { readonly ttid: number; readonly oid: number; readonly serial: number },
) {
  const { conflict } = await client.connection.ask(AskCheckCurrentSerial, {
    ttid: t(packet.ttid),
    oid: o(packet.oid),
    serial: t(packet.serial),
  });
  return conflict;
}

Deno.test("a store on an older revision conflicts with the last one", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  assert.equal(await client.store(t(200), { oid: o(1), serial: t(50), data: "x" }), t(100));
  assert.equal(await client.store(t(200), { oid: o(1), serial: t(100), data: "x" }), null);
});

Deno.test("a store on a revision that is not there yet conflicts, too", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  assert.equal(await client.store(t(200), { oid: o(1), serial: t(150), data: "x" }), t(100));
});

Deno.test("a new object never conflicts", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  assert.equal(await client.store(t(200), { oid: o(1), serial: t(150), data: "x" }), null);
});

Deno.test("the younger waits for the older, and conflicts with what that committed", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  assert.equal(await older.store(t(100), { oid: o(1), data: "older" }), null);
  const waiting = younger.store(t(200), { oid: o(1), data: "younger" });
  assert(await isPending(waiting, younger));
  await older.vote(t(100), [o(1)]);
  await stage.finish(t(100), t(300));
  assert.equal(await waiting, t(300));
});

Deno.test("the younger gets the lock when the older is aborted", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await older.store(t(100), { oid: o(1), data: "older" });
  const waiting = younger.store(t(200), { oid: o(1), data: "younger" });
  assert(await isPending(waiting, younger));
  older.connection.notify(AbortTransaction, { ttid: t(100), nids: [] });
  assert.equal(await waiting, null);
  await younger.vote(t(200), [o(1)]);
  await stage.finish(t(200));
  assert.equal((await younger.load(o(1))).data, "younger");
});

Deno.test("those that wait go on by age, not by arrival", async () => {
  await using stage = await Stage.operating();
  const clients = [await stage.client(C1), await stage.client(C2), await stage.client(C3)];
  const [holder, young, old] = clients;
  assert(holder && young && old);
  await holder.store(t(100), { oid: o(1), data: "holder" });
  const third = young.store(t(300), { oid: o(1), data: "third" });
  assert(await isPending(third, young));
  const second = old.store(t(200), { oid: o(1), data: "second" });
  assert(await isPending(second, old));
  holder.connection.notify(AbortTransaction, { ttid: t(100), nids: [] });
  assert.equal(await second, null);
  assert(await isPending(third, young));
});

Deno.test("whoever comes to a voted transaction waits, even the older", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await younger.store(t(200), { oid: o(1), data: "younger" });
  await younger.vote(t(200), [o(1)]);
  const waiting = older.store(t(100), { oid: o(1), data: "older" });
  assert(await isPending(waiting, older));
  await stage.finish(t(200));
  assert.equal(await waiting, t(200));
  assert.deepEqual(stage.notices.all(), [], "that is no deadlock");
});

Deno.test("a check takes the lock, and conflicts like a store", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await stage.commit(older, t(100), [{ oid: o(1), data: "one" }]);
  assert.equal(await check(older, { ttid: 200, oid: 1, serial: 90 }), t(100));
  assert.equal(await check(older, { ttid: 200, oid: 1, serial: 100 }), null);
  const waiting = younger.store(t(300), { oid: o(1), serial: t(100), data: "two" });
  assert(await isPending(waiting, younger));
  await older.voteOnly(t(200));
  await stage.finish(t(200));
  assert.equal(await waiting, null, "a check changes nothing");
});

Deno.test("an object that was checked can be stored", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  assert.equal(await check(client, { ttid: 200, oid: 1, serial: 100 }), null);
  assert.equal(await client.store(t(200), { oid: o(1), serial: t(100), data: "two" }), null);
});

Deno.test("what is stored twice is stored once", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "first" });
  assert.equal(await client.store(t(100), { oid: o(1), data: "second" }), null);
  await client.vote(t(100), [o(1)]);
  await stage.finish(t(100));
  assert.equal((await client.load(o(1))).data, "second");
  await stage.stop();
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 1);
});

Deno.test("what waits when its transaction is aborted is not stored", async () => {
  await using stage = await Stage.operating();
  const [older, younger] = [await stage.client(C1), await stage.client(C2)];
  await older.store(t(100), { oid: o(1), data: "older" });
  const waiting = younger.store(t(200), { oid: o(1), data: "younger" });
  assert(await isPending(waiting, younger));
  younger.connection.notify(AbortTransaction, { ttid: t(200), nids: [] });
  assert.equal(await waiting, ZERO_TID);
  older.connection.notify(AbortTransaction, { ttid: t(100), nids: [] });
  await older.settled();
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT * FROM data"), []);
});

Deno.test("requests of a closed connection vanish from the queue", async () => {
  await using stage = await Stage.operating();
  const clients = [await stage.client(C1), await stage.client(C2), await stage.client(C3)];
  const [holder, gone, last] = clients;
  assert(holder && gone && last);
  await holder.store(t(100), { oid: o(1), data: "holder" });
  const lost = assert.rejects(gone.store(t(200), { oid: o(1), data: "gone" }));
  await gone.settled();
  const waiting = last.store(t(300), { oid: o(1), data: "last" });
  assert(await isPending(waiting, last));
  gone.connection.close();
  await lost;
  holder.connection.notify(AbortTransaction, { ttid: t(100), nids: [] });
  assert.equal(await waiting, null);
});

Deno.test("a fast client's next transaction waits for the end of the one before", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(150) });
  const next = client.store(t(120), { oid: o(1), serial: t(150), data: "two" });
  assert(await isPending(next, client));
  const { tid } = await client.connection.ask(AskFinalTID, { ttid: t(100) });
  assert.equal(tid, t(150), "its final tid is known already");
  stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
  assert.equal(await next, null);
});

Deno.test("what is not assigned here is accepted and ignored", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  stage.change({ offset: 1, state: "DISCARDED" });
  await stage.settled();
  assert.equal(await client.store(t(100), { oid: o(1), data: "one" }), ZERO_TID);
  await client.vote(t(100), [o(1)]);
  await stage.finish(t(100));
  assert.deepEqual(await stage.onDisk("SELECT id FROM data UNION SELECT oid FROM tobj"), []);
});
