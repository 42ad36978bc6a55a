/** The life of a commit: what is visible and what is on disk, at which moment. */

import assert from "node:assert/strict";
import {
  AbortTransaction,
  AskLockInformation,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { C1, C2, isPending, node, o, S2, Stage, t } from "./support.ts";

Deno.test("a vote is answered when all that was stored is on disk", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  assert.equal(await client.store(t(100), { oid: o(1), data: "one" }), null);
  assert.deepEqual(await stage.onDisk("SELECT * FROM data"), [], "a store alone is not committed");
  await client.vote(t(100), [o(1)]);
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 1);
  assert.deepEqual(await stage.onDisk("SELECT partition, oid, tid, data_id, value_tid FROM tobj"), [
    { partition: 0n, oid: 1n, tid: 100n, data_id: 0n, value_tid: null },
  ]);
  assert.deepEqual(await stage.onDisk("SELECT partition, tid, packed, ttid FROM ttrans"), [
    { partition: 0n, tid: null, packed: 0n, ttid: 100n },
  ]);
});

Deno.test("a lock is answered when the final tid is on disk", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  const { ttid } = await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(103) });
  assert.equal(ttid, t(100));
  assert.deepEqual(await stage.onDisk("SELECT tid, ttid FROM ttrans"), [{ tid: 103n, ttid: 100n }]);
});

Deno.test("what is unlocked is visible at once, and on disk a little later", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await stage.finish(t(100), t(103));
  assert.deepEqual(await client.load(o(1)), { data: "one", serial: t(103) });
  const { oids, user } = await client.connection.ask(AskTransactionInformation, { tid: t(103) });
  assert.deepEqual([oids, new TextDecoder().decode(user)], [[o(1)], "user"]);
  assert.deepEqual(await stage.onDisk("SELECT * FROM obj"), []);
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT oid, tid FROM obj"), [{ oid: 1n, tid: 103n }]);
  assert.deepEqual(await stage.onDisk("SELECT tid, ttid FROM trans"), [{ tid: 103n, ttid: 100n }]);
  assert.deepEqual(await stage.onDisk("SELECT * FROM ttrans"), []);
  assert.deepEqual(await stage.onDisk("SELECT * FROM tobj"), []);
});

Deno.test("what is unlocked is committed after a second by itself", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  const deadline = performance.now() + 5000;
  while ((await stage.onDisk("SELECT * FROM obj")).length === 0) {
    assert(performance.now() < deadline, "not committed in time");
    await client.settled();
  }
});

Deno.test("a node without metadata votes and locks as well", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.voteOnly(t(100));
  assert.equal((await stage.onDisk("SELECT * FROM tobj")).length, 1);
  assert.deepEqual(await stage.onDisk("SELECT * FROM ttrans"), []);
  await stage.finish(t(100), t(104));
  assert.equal((await client.load(o(1))).serial, t(104));
  await assert.rejects(
    client.connection.ask(AskTransactionInformation, { tid: t(104) }),
    { code: "TID_NOT_FOUND" },
  );
});

Deno.test("an object is not read between lock and unlock", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "old" }]);
  await client.store(t(200), { oid: o(1), serial: t(100), data: "new" });
  await client.vote(t(200), [o(1)]);
  assert.equal((await client.load(o(1))).data, "old");
  await stage.master.ask(AskLockInformation, { ttid: t(200), tid: t(200) });
  const last = client.load(o(1));
  const old = client.load(o(1), t(100));
  assert(await isPending(last, client));
  assert(await isPending(old, client), "whichever revision is asked for");
  stage.master.notify(NotifyUnlockInformation, { ttid: t(200) });
  assert.equal((await last).data, "new");
  assert.equal((await old).data, "old");
});

Deno.test("nobody misses a transaction that he knows to be committed", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(100) });
  const { connection } = client;
  const lists = [
    connection.ask(AskTIDs, { first: 0, last: 9, partition: 0 }),
    connection.ask(AskTIDsFrom, { minTid: t(0), maxTid: t(100), length: 9, partition: 0 }),
  ];
  const information = connection.ask(AskTransactionInformation, { tid: t(100) });
  assert(await isPending(Promise.race([...lists, information]), client));
  const earlier = { minTid: t(0), maxTid: t(99), length: 9, partition: 0 };
  assert.deepEqual((await connection.ask(AskTIDsFrom, earlier)).tids, []);
  stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
  for (const list of lists) assert.deepEqual((await list).tids, [t(100)]);
  assert.deepEqual((await information).oids, [o(1)]);
});

Deno.test("an aborted transaction leaves nothing", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  client.connection.notify(AbortTransaction, { ttid: t(100), nids: [] });
  await client.settled();
  await stage.stop();
  for (const table of ["data", "tobj", "ttrans", "obj", "trans"]) {
    assert.deepEqual(await stage.onDisk(`SELECT * FROM ${table}`), [], table);
  }
});

Deno.test("a locked transaction is not aborted any more", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(100) });
  stage.master.notify(AbortTransaction, { ttid: t(100), nids: [] });
  stage.tellNodes(node("CLIENT", C1, "UNKNOWN"));
  stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
  const other = await stage.client();
  assert.equal((await other.load(o(1))).data, "one");
});

Deno.test("a lost client's transactions end, but what it voted waits for the master", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.store(t(200), { oid: o(2), data: "two" });
  await client.vote(t(200), [o(2)]);
  client.connection.close();
  const other = await stage.client(C2);
  assert.equal(await other.store(t(300), { oid: o(1), data: "free" }), null);
  const waiting = other.store(t(300), { oid: o(2), data: "free" });
  assert(await isPending(waiting, other));
  stage.tellNodes(node("CLIENT", C1, "UNKNOWN"));
  assert.equal(await waiting, null);
});

Deno.test("a transaction of hundreds of objects is stored whole", async () => {
  await using stage = await Stage.operating({ partitions: 3 });
  const client = await stage.client();
  const stores = Array.from({ length: 300 }, (_, at) => ({ oid: o(at), data: `data ${at}` }));
  await stage.commit(client, t(1000), stores);
  for (const { oid, data } of stores) assert.equal((await client.load(oid)).data, data);
  await stage.stop();
  assert.deepEqual(
    await stage.onDisk("SELECT partition, COUNT(*) AS n, MIN(data_id) AS id FROM obj GROUP BY 1"),
    [0n, 1n, 2n].map((partition) => ({ partition, n: 100n, id: partition << 48n })),
  );
});

Deno.test("a vote at a cell that was just discarded leaves nothing there", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "stays" });
  stage.change({ offset: 0, state: "DISCARDED" }, { offset: 0, nid: S2, state: "UP_TO_DATE" });
  await stage.settled();
  // The client does not know yet: it also tells here of the transaction, whose partition is gone.
  assert.equal(await client.store(t(100), { oid: o(0), data: "is elsewhere" }), ZERO_TID);
  await client.vote(t(100), [o(1), o(0)]);
  assert.deepEqual(await stage.onDisk("SELECT ttid FROM ttrans"), []);
  assert.deepEqual(await stage.onDisk("SELECT oid FROM tobj"), [{ oid: 1n }]);
  await stage.finish(t(100), t(101));
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT oid, tid FROM obj"), [{ oid: 1n, tid: 101n }]);
  assert.deepEqual(await stage.onDisk("SELECT tid FROM trans"), []);
});
