/** How a storage starts, who it lets in, and how it ends. */

import assert from "node:assert/strict";
import {
  AskCheckCurrentSerial,
  AskLockInformation,
  AskObject,
  AskStoreObject,
  NotifyRepair,
  NotifyUnlockInformation,
  RequestIdentification,
  StartOperation,
  StopOperation,
} from "../../gen/packets.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import {
  C1,
  C2,
  type Client,
  IDENTIFIED,
  isPending,
  M1,
  node,
  o,
  S1,
  S2,
  Stage,
  t,
} from "./support.ts";
import { isSqlite } from "./databases.ts";
import { encodeText } from "../../nodes/wire/text.ts";

/** Asks for identification, and expects a refusal that ends the connection. */
async function refused(
  stage: Stage,
  request: Partial<RequestIdentification>,
  expected: { readonly code: string; readonly message: string },
): Promise<void> {
  const stranger = await stage.stranger();
  await assert.rejects(stranger.identify(request), expected);
  await assert.rejects(stranger.settled());
}

Deno.test("a client that the master has told of is accepted", async () => {
  await using stage = await Stage.operating({ partitions: 3 });
  stage.tellNodes(node("CLIENT", C1));
  const client = await stage.stranger();
  const accepted = await client.connection.ask(RequestIdentification, {
    nodeType: "CLIENT",
    nid: C1,
    address: null,
    cluster: encodeText("test"),
    devpath: [],
    idTimestamp: IDENTIFIED,
  });
  assert.deepEqual(accepted, {
    nodeType: "STORAGE",
    nid: S1,
    partitions: 3,
    replicas: 0,
    yourNid: C1,
  });
});

Deno.test("who is not wanted is refused", async () => {
  await using stage = await Stage.operating();
  await stage.client(C1);
  const protocol = (message: string) => ({ code: "PROTOCOL_ERROR", message });
  await refused(stage, { cluster: encodeText("other") }, protocol("invalid cluster name"));
  await refused(stage, { nid: null }, protocol("reject anonymous non-storage node"));
  await refused(
    stage,
    { nid: S1, nodeType: "STORAGE" },
    protocol("uuid conflict or loopback connection"),
  );
  await refused(stage, { nid: C1 }, protocol("already connected"));
  const unknown = { code: "NOT_READY", message: "unknown by master" };
  await refused(stage, { nid: C2 }, unknown);
  await refused(stage, { nid: C1, idTimestamp: IDENTIFIED - 1 }, unknown);
  await refused(stage, { nid: C2, idTimestamp: null }, unknown);
  stage.tellNodes(node("MASTER", M1));
  await stage.settled();
  await refused(
    stage,
    { nid: M1, nodeType: "MASTER" },
    protocol("reject non-client-or-storage node"),
  );
});

Deno.test("who comes before the master's news of him waits for them", async () => {
  await using stage = await Stage.operating();
  const stranger = await stage.stranger();
  const late = IDENTIFIED + 1000;
  const identified = stranger.identify({ nid: C2, idTimestamp: late });
  assert(await isPending(identified, stranger));
  stage.tellNodes(node("STORAGE", S2));
  await stage.settled();
  assert(await isPending(identified, stranger), "these were not about him");
  stage.tellNodes({ ...node("CLIENT", C2), idTimestamp: late });
  await identified;
  await stranger.store(t(100), { oid: o(1), data: "one" });
});

Deno.test("before operation, and after it, nobody is served", async () => {
  await using stage = await Stage.identified();
  const notReady = { code: "NOT_READY", message: "Retry Later" };
  await refused(stage, {}, notReady);
  stage.sendTable();
  await stage.operate();
  const client = await stage.client();
  stage.master.notify(StopOperation, {});
  await assert.rejects(async () => {
    while (true) await client.settled();
  });
  await refused(stage, {}, notReady);
});

Deno.test("what is not a request of clients is refused", async () => {
  await using stage = await Stage.operating();
  const stranger = await stage.stranger();
  await assert.rejects(
    stranger.connection.ask(AskObject, { oid: o(1), at: null, before: null }),
    { code: "PROTOCOL_ERROR", message: "unexpected packet: AskObject" },
  );
  const client = await stage.client();
  await assert.rejects(client.identify(), {
    code: "PROTOCOL_ERROR",
    message: "unexpected packet: RequestIdentification",
  });
});

async function breaksOff(client: Client, request: Promise<unknown>, message: string) {
  await assert.rejects(request, { code: "PROTOCOL_ERROR", message });
  await assert.rejects(client.settled());
}

Deno.test("what a client does wrong costs it its connection, and nothing else", async () => {
  await using stage = await Stage.operating();
  const store = {
    oid: o(1),
    serial: t(0),
    compression: false,
    checksum: new Uint8Array(20).fill(1),
    data: encodeText("one"),
    dataSerial: null,
    ttid: t(100),
  };
  let client = await stage.client();
  await breaksOff(
    client,
    client.connection.ask(AskStoreObject, store),
    "wrong checksum of 0000000000000001",
  );
  client = await stage.client();
  await breaksOff(
    client,
    client.connection.ask(AskStoreObject, { ...store, dataSerial: t(5) }),
    "a store has data, and the serial of others",
  );
  client = await stage.client();
  await breaksOff(client, client.voteOnly(t(100)), "unknown ttid 0000000000000064");
  client = await stage.client();
  await client.store(t(100), { oid: o(1), data: "one" });
  await client.vote(t(100), [o(1)]);
  await breaksOff(client, client.vote(t(100), [o(1)]), "TXN 0000000000000064 already voted");
  client = await stage.client(C2);
  await client.store(t(200), { oid: o(2), data: "two" });
  await client.vote(t(200), [o(2)]);
  await breaksOff(
    client,
    client.store(t(200), { oid: o(3), data: "three" }),
    "TXN 00000000000000c8 already voted",
  );
  client = await stage.client(C2);
  const check = { ttid: t(300), oid: o(4), serial: t(0) };
  await client.connection.ask(AskCheckCurrentSerial, check);
  await breaksOff(
    client,
    client.connection.ask(AskCheckCurrentSerial, check),
    "TXN 000000000000012c has 0000000000000004 already",
  );
  const last = await stage.client();
  assert.equal(await last.store(t(400), { oid: o(5), data: "five" }), null);
});

Deno.test("what a master does wrong costs it its connection, and nothing else", async () => {
  await using stage = await Stage.operating();
  const wrongs: ((client: Client) => Promise<unknown>)[] = [
    () => stage.master.ask(AskLockInformation, { ttid: t(999), tid: t(999) }),
    async (client) => {
      await client.store(t(100), { oid: o(1), data: "not voted" });
      await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(100) });
    },
    async (client) => {
      await client.store(t(100), { oid: o(1), data: "voted" });
      await client.vote(t(100), [o(1)]);
      await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(99) });
    },
    async (client) => {
      await client.store(t(100), { oid: o(1), data: "voted" });
      await client.vote(t(100), [o(1)]);
      stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
      await stage.settled();
    },
    async () => {
      stage.master.notify(StartOperation, { backup: false });
      await stage.settled();
    },
  ];
  for (const wrong of wrongs) {
    const client = await stage.client();
    const lost = new Promise<void>((resolve) => stage.master.onClose(resolve));
    await assert.rejects(wrong(client));
    await lost;
    await stage.next();
    stage.sendTable();
    await stage.verify();
    await stage.operate();
  }
});

const oneFile = async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  const { ended } = stage.node;
  await stage.stop();
  await ended;
  const files = [...Deno.readDirSync(stage.directory)].map(({ name }) => name);
  assert.deepEqual(files, ["storage.sqlite"]);
  assert.equal((await stage.onDisk("SELECT * FROM trans")).length, 1);
};
if (isSqlite()) Deno.test("a stop commits, and leaves one whole file", oneFile);

Deno.test("a node that is told that it is down ends, and keeps its data", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  stage.tellNodes(node("STORAGE", S1, "DOWN"));
  await stage.node.ended;
  assert.equal((await stage.onDisk("SELECT * FROM trans")).length, 1);
});

Deno.test("a node that was removed says so, and forgets everything", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  stage.tellNodes(node("STORAGE", S1, "UNKNOWN"));
  await stage.node.ended;
  assert.deepEqual(await stage.database.tables(), []);
  assert(stage.lines.some((line) => /removed from the cluster/.test(line)));
  // It can start again, as a new node.
  await stage.start();
  await stage.next();
  assert.equal(stage.requests.at(-1)?.nid, null);
});

Deno.test("a database is used by one node at a time", async () => {
  await using stage = await Stage.operating();
  await assert.rejects(startStorage(stage.host, stage.options), /database is locked/);
});

Deno.test("data that nobody needs are counted, and deleted when that is wanted", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "kept" }]);
  // A store that another transaction's vote makes durable, and that a crash leaves alone.
  await client.store(t(200), { oid: o(2), data: "orphan" });
  await client.store(t(300), { oid: o(3), data: "voted" });
  await client.vote(t(300), [o(3)]);
  await using after = await Stage.identified({ database: await stage.database.crashImage() });
  const ids = async () => (await after.onDisk("SELECT id FROM data")).map(({ id }) => id);
  const told = async (dryRun: boolean, message: string) => {
    after.master.notify(NotifyRepair, { dryRun });
    while (!after.lines.includes(message)) await after.settled();
  };
  await told(true, "INFO 1 orphan data found");
  assert.deepEqual(await ids(), [0n, 1n, 2n]);
  await told(false, "INFO 1 orphan data deleted");
  assert.deepEqual(await ids(), [0n, 2n]);
});

Deno.test("after a write that fails, nothing is acknowledged, and the node ends", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  const { ended } = stage.node;
  await stage.database.execute("DROP TABLE ttrans");
  await client.store(t(100), { oid: o(1), data: "one" });
  await assert.rejects(client.vote(t(100), [o(1)]));
  await assert.rejects(ended, /no such table: ttrans|ttrans' doesn't exist/);
  assert.deepEqual(await stage.onDisk("SELECT id FROM data UNION SELECT oid FROM tobj"), []);
});
