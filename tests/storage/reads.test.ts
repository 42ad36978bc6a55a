/** What clients read: revisions, history, lists of transactions. */

import assert from "node:assert/strict";
import {
  AskFinalTID,
  AskObject,
  AskObjectHistory,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
} from "../../gen/packets.ts";
import { MAX_TID, type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { Reads } from "../../nodes/storage/clients/reads.ts";
import { Ledger } from "./ledger.ts";
import { type Client, o, S2, Stage, t } from "./support.ts";

const ALL = 0xffff_ffff;

/** An object with revisions at 100, 200 and 300, in a database of three partitions. */
async function withRevisions(): Promise<{ stage: Stage; client: Client }> {
  const stage = await Stage.operating({ partitions: 3 });
  const client = await stage.client();
  let serial: Tid = ZERO_TID;
  for (const tid of [100, 200, 300]) {
    await stage.commit(client, t(tid), [{ oid: o(4), serial, data: `at ${tid}` }]);
    serial = t(tid);
  }
  return { stage, client };
}

Deno.test("an object is loaded at, before, or last", async () => {
  const { stage, client } = await withRevisions();
  await using _ = stage;
  const load = async (at: number | null, before: number | null) => {
    const { serial, nextSerial } = await client.connection.ask(AskObject, {
      oid: o(4),
      at: at === null ? null : t(at),
      before: before === null ? null : t(before),
    });
    return [serial, nextSerial];
  };
  assert.deepEqual(await load(200, null), [t(200), t(300)]);
  assert.deepEqual(await load(null, 200), [t(100), t(200)]);
  assert.deepEqual(await load(null, 301), [t(300), null]);
  assert.deepEqual(await load(null, null), [t(300), null]);
  await assert.rejects(load(150, null), { code: "OID_NOT_FOUND", message: "0000000000000004" });
  await assert.rejects(load(null, 100), { code: "OID_NOT_FOUND" });
});

Deno.test("an object without revisions does not exist", async () => {
  const { stage, client } = await withRevisions();
  await using _ = stage;
  for (const revision of [{ at: t(1), before: null }, { at: null, before: t(1) }]) {
    await assert.rejects(
      client.connection.ask(AskObject, { oid: o(7), ...revision }),
      { code: "OID_DOES_NOT_EXIST", message: "0000000000000007" },
    );
  }
  await assert.rejects(client.load(o(7)), { code: "OID_DOES_NOT_EXIST" });
});

Deno.test("history is newest first, with sizes", async () => {
  const { stage, client } = await withRevisions();
  await using _ = stage;
  const history = async (first: number, last: number) =>
    (await client.connection.ask(AskObjectHistory, { oid: o(4), first, last })).history;
  assert.deepEqual(await history(0, 10), [
    { serial: t(300), size: 6 },
    { serial: t(200), size: 6 },
    { serial: t(100), size: 6 },
  ]);
  assert.deepEqual(await history(1, 2), [{ serial: t(200), size: 6 }]);
  await assert.rejects(history(3, 4), { code: "OID_NOT_FOUND" });
  await assert.rejects(history(2, 2), { code: "PROTOCOL_ERROR", message: "invalid offsets" });
});

Deno.test("tids are newest first over all partitions", async () => {
  const { stage, client } = await withRevisions();
  await using _ = stage;
  await stage.commit(client, t(401), [{ oid: o(4), serial: t(300), data: "more" }]);
  const tids = async (first: number, last: number, partition = ALL) =>
    (await client.connection.ask(AskTIDs, { first, last, partition })).tids;
  assert.deepEqual(await tids(0, 10), [401, 300, 200, 100].map(t));
  assert.deepEqual(await tids(1, 3), [300, 200].map(t));
  assert.deepEqual(await tids(0, Number.MAX_SAFE_INTEGER), [401, 300, 200, 100].map(t));
  assert.deepEqual(await tids(0, 10, 2), [401, 200].map(t));
});

Deno.test("tids from and to are ascending, and both included", async () => {
  const { stage, client } = await withRevisions();
  await using _ = stage;
  await stage.commit(client, t(401), [{ oid: o(4), serial: t(300), data: "more" }]);
  const tids = async (min: number, max: Tid, length: number) =>
    (await client.connection.ask(AskTIDsFrom, {
      minTid: t(min),
      maxTid: max,
      length,
      partition: 2,
    })).tids;
  assert.deepEqual(await tids(200, t(401), 10), [200, 401].map(t));
  assert.deepEqual(await tids(201, MAX_TID, 10), [401].map(t));
  assert.deepEqual(await tids(0, MAX_TID, 1), [200].map(t));
});

Deno.test("who committed and why is told as it was stored, and that it was packed", async () => {
  await using first = await Stage.operating();
  const writer = await first.client();
  await first.commit(writer, t(100), [{ oid: o(1), data: "one" }, { oid: o(2), data: "two" }]);
  await first.stop();
  // NEO's tables have this flag, though its own packs leave it as it is.
  await first.database.execute("UPDATE trans SET packed = 1");
  await using stage = await Stage.operating({ database: first.database });
  const client = await stage.client();
  const told = await client.connection.ask(AskTransactionInformation, { tid: t(100) });
  const [user, description] = [told.user, told.description].map((bytes) => {
    return new TextDecoder().decode(bytes);
  });
  assert.deepEqual([user, description, told.extension.length], ["user", "text", 0]);
  assert.deepEqual([told.oids, told.packed], [[o(1), o(2)], true]);
});

Deno.test("the final tid of a transaction is known once it is committed", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  const finalTid = async (ttid: number) =>
    (await client.connection.ask(AskFinalTID, { ttid: t(ttid) })).tid;
  assert.equal(await finalTid(100), null);
  await client.vote(t(100), [o(1)]);
  await stage.finish(t(100), t(110));
  assert.equal(await finalTid(100), t(110));
  assert.equal(await finalTid(99), null);
});

Deno.test("a final tid that comes while one is asked for is not told before it is on disk", async () => {
  await using ledger = await Ledger.open({ partitions: 1, later: false });
  const { transactions, context } = ledger;
  await ledger.store(t(100), { oid: o(1), data: "one" });
  await transactions.voteKnown(t(100));
  const committed = Promise.withResolvers<void>();
  const commit = context.backend.commit.bind(context.backend);
  context.backend.commit = () => committed.promise;
  const asked = new Reads(context).finalTid(t(100));
  context.backend.commit = commit;
  const locked = transactions.lock({ ttid: t(100), tid: t(110) });
  committed.resolve();
  assert.equal(await asked, null);
  await locked;
});

Deno.test("what is not readable here is refused, and the connection stays", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  stage.change({ offset: 1, nid: S2, state: "UP_TO_DATE" }, { offset: 1, state: "CORRUPTED" });
  await stage.settled();
  const { connection } = client;
  const refused = { code: "NON_READABLE_CELL", message: "" };
  await assert.rejects(client.load(o(1)), refused);
  await assert.rejects(connection.ask(AskObjectHistory, { oid: o(1), first: 0, last: 1 }), refused);
  await assert.rejects(connection.ask(AskTIDs, { first: 0, last: 1, partition: 1 }), refused);
  await assert.rejects(connection.ask(AskFinalTID, { ttid: t(1) }), refused);
  await assert.rejects(connection.ask(AskTransactionInformation, { tid: t(1) }), refused);
  await assert.rejects(
    connection.ask(AskTIDsFrom, { minTid: t(0), maxTid: t(9), length: 1, partition: 1 }),
    refused,
  );
  await client.settled();
});

Deno.test("a partition that the database does not have ends the connection", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const client = await stage.client();
  await assert.rejects(
    client.connection.ask(AskTIDs, { first: 0, last: 1, partition: 2 }),
    { code: "PROTOCOL_ERROR", message: "there is no partition 2" },
  );
  await assert.rejects(client.settled());
});
