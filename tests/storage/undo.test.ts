/** Undo: which data are reused, and how the database looks afterwards. */

import assert from "node:assert/strict";
import {
  AskLockInformation,
  AskObject,
  AskObjectUndoSerial,
  AskPack,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import type { Oid, Tid } from "../../nodes/codec/ids.ts";
import { C1, type Client, node, o, sha1, Stage, t } from "./support.ts";

const A = t(101);
const B = t(202);
const C = t(303);
const D = t(404);
const E = t(505);

function undoSerials(
  client: Client,
  ttid: Tid,
  undone: { readonly tid: Tid; readonly ltid?: Tid; readonly oids: readonly Oid[] },
) {
  return client.connection.ask(AskObjectUndoSerial, {
    ttid,
    ltid: undone.ltid ?? ttid,
    undoneTid: undone.tid,
    oids: undone.oids,
  });
}

/** Undoes what the last transaction did to an object. */
async function undo(
  stage: Stage,
  client: Client,
  { ttid, tid, oid }: { readonly ttid: Tid; readonly tid: Tid; readonly oid: Oid },
) {
  const { undoSerials: serials } = await undoSerials(client, ttid, { tid, oids: [oid] });
  const found = serials.get(oid);
  assert(found?.isCurrent);
  const { currentSerial, undoSerial } = found;
  await stage.commit(client, ttid, [{
    oid,
    serial: currentSerial,
    data: null,
    ...(undoSerial === null ? {} : { dataSerial: undoSerial }),
  }]);
  return found;
}

Deno.test("the tables after undos are those of NEO", async () => {
  await using stage = await Stage.operating({ partitions: 4 });
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  assert.deepEqual(await undo(stage, client, { ttid: C, tid: B, oid: o(1) }), {
    currentSerial: B,
    undoSerial: A,
    isCurrent: true,
  });
  await stage.commit(client, D, [{ oid: o(2), data: "" }]);
  assert.deepEqual(await undo(stage, client, { ttid: E, tid: D, oid: o(2) }), {
    currentSerial: D,
    undoSerial: null,
    isCurrent: true,
  });
  const undone = await client.connection.ask(AskObject, { oid: o(1), at: null, before: null });
  assert.equal(new TextDecoder().decode(undone.data), "foo");
  assert.equal(undone.dataSerial, A);
  const deleted = await client.connection.ask(AskObject, { oid: o(2), at: null, before: null });
  assert.deepEqual([deleted.serial, deleted.data.length], [E, 0]);
  assert.deepEqual(deleted.checksum, new Uint8Array(20));
  await stage.stop();
  const [p1, p2] = [1n << 48n, 2n << 48n];
  assert.deepEqual(
    (await stage.onDisk("SELECT * FROM obj ORDER BY tid")).map((row) => Object.values(row)),
    [
      [1n, 1n, A, p1, null],
      [1n, 1n, B, p1 + 1n, null],
      [1n, 1n, C, p1, A],
      [2n, 2n, D, p2, null],
      [2n, 2n, E, null, null],
    ],
  );
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.deepEqual(
    (await stage.onDisk("SELECT * FROM data ORDER BY id")).map((row) => Object.values(row)),
    [
      [p1, sha1(bytes("foo")), 0n, bytes("foo")],
      [p1 + 1n, sha1(bytes("bar")), 0n, bytes("bar")],
      [p2, sha1(bytes("")), 0n, bytes("")],
    ],
  );
  assert.deepEqual(
    (await stage.onDisk("SELECT partition, tid FROM trans ORDER BY tid")).map((row) =>
      row.partition
    ),
    [A, B, C, D, E].map((tid) => tid % 4n),
  );
});

Deno.test("an undo of an undo finds where the data really are", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  await undo(stage, client, { ttid: C, tid: B, oid: o(1) });
  const found = await undo(stage, client, { ttid: D, tid: C, oid: o(1) });
  assert.equal(found.undoSerial, B);
  // The data of the undo of B are those of A: undoing A is no conflict then.
  const { undoSerials: serials } = await undoSerials(client, E, {
    tid: A,
    ltid: D,
    oids: [o(1)],
  });
  assert.deepEqual(serials.get(o(1)), { currentSerial: C, undoSerial: null, isCurrent: true });
});

Deno.test("an undo of what was changed since is no plain undo", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  await stage.commit(client, C, [{ oid: o(1), serial: B, data: "baz" }]);
  const { undoSerials: serials } = await undoSerials(client, D, { tid: B, oids: [o(1)] });
  assert.deepEqual(serials.get(o(1)), { currentSerial: C, undoSerial: A, isCurrent: false });
});

Deno.test("several undos in one transaction go on from each other", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  await stage.commit(client, C, [{ oid: o(1), serial: B, data: "baz" }]);
  const undone = { oid: o(1), serial: C, data: null, dataSerial: B };
  assert.equal(await client.store(D, undone), null);
  const { undoSerials: serials } = await undoSerials(client, D, { tid: B, oids: [o(1)] });
  assert.deepEqual(serials.get(o(1)), { currentSerial: B, undoSerial: A, isCurrent: true });
  // What follows within the transaction is based on what the first undo goes back to.
  assert.equal(await client.store(D, { ...undone, serial: C, dataSerial: A }), B);
  assert.equal(await client.store(D, { ...undone, serial: B, dataSerial: A }), null);
  await client.vote(D, [o(1)]);
  await stage.finish(D);
  assert.equal((await client.load(o(1))).data, "foo");
});

Deno.test("an undo of what is not there is refused", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  const refusal = { code: "OID_NOT_FOUND", message: "0000000000000001" };
  await assert.rejects(undoSerials(client, C, { tid: B, oids: [o(1)] }), refusal);
  await assert.rejects(undoSerials(client, C, { tid: A, ltid: A, oids: [o(1)] }), refusal);
  await assert.rejects(
    client.store(C, { oid: o(1), serial: A, data: null, dataSerial: B }),
    { code: "OID_NOT_FOUND" },
  );
});

Deno.test("an undo waits for the end of the transaction that it is about", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(A, { oid: o(1), data: "foo" });
  await client.vote(A, [o(1)]);
  await stage.master.ask(AskLockInformation, { ttid: A, tid: A });
  const asked = undoSerials(client, B, { tid: A, oids: [o(1)] });
  stage.master.notify(NotifyUnlockInformation, { ttid: A });
  assert.equal((await asked).undoSerials.size, 1);
});

Deno.test("an aborted undo frees the data that it took", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  await client.store(C, { oid: o(1), serial: B, data: null, dataSerial: A });
  await client.vote(C, [o(1)]);
  client.connection.close();
  stage.tellNodes(node("CLIENT", C1, "UNKNOWN"));
  await stage.settled();
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT * FROM tobj"), []);
  assert.equal((await stage.onDisk("SELECT * FROM data")).length, 2);
});

Deno.test("what was packed can't be undone: its undo would look like a deletion", async () => {
  await using stage = await Stage.operating({ partitions: 4 });
  const client = await stage.client();
  await stage.commit(client, A, [{ oid: o(1), data: "foo" }]);
  await stage.commit(client, B, [{ oid: o(1), serial: A, data: "bar" }]);
  await stage.commit(client, C, [{ oid: o(1), serial: B, data: "baz" }]);
  await stage.master.ask(AskPack, { tid: B });
  await assert.rejects(undoSerials(client, D, { tid: B, oids: [o(1)] }), {
    code: "OID_NOT_FOUND",
    message: "00000000000000ca is not after the last pack",
  });
  assert.deepEqual(await undo(stage, client, { ttid: D, tid: C, oid: o(1) }), {
    currentSerial: C,
    undoSerial: B,
    isCurrent: true,
  });
});
