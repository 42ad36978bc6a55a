/** Comparing replicas: what is asked of them, what is found out, and what the master is told. */

import assert from "node:assert/strict";
import {
  type AnswerCheckSerialRange,
  type AnswerCheckTIDRange,
  AskCheckSerialRange,
  AskCheckTIDRange,
  AskLockInformation,
  CheckPartition,
  NotifyUnlockInformation,
} from "../../gen/packets.ts";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { type PeerLink, StoragePeer } from "./storage_peer.ts";
import { type Client, isPending, o, S1, S2, S3, sha1, Stage, t } from "./support.ts";

const sha = (text: string) => sha1(new TextEncoder().encode(text));

/** What the storage under test finds in itself: one transaction at 10 that stores the object 1. */
const TIDS: AnswerCheckTIDRange = { count: 1, checksum: sha("10"), maxTid: t(10) };
const SERIALS: AnswerCheckSerialRange = {
  ...{ count: 1, tidChecksum: sha("10"), maxTid: t(10), oidChecksum: sha("1"), maxOid: o(1) },
};

/** A storage with one object, and two others that have the same cell. */
async function withReplicas(
  test: (stage: Stage, second: StoragePeer, third: StoragePeer, client: Client) => Promise<void>,
): Promise<void> {
  await using stage = await Stage.operating();
  using second = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  using third = await StoragePeer.listen(stage.host, S3, { partitions: 1 });
  const client = await stage.client();
  await stage.commit(client, t(10), [{ oid: o(1), data: "x" }]);
  stage.tellNodes(second.information, third.information);
  stage.change(
    { offset: 0, nid: S2, state: "UP_TO_DATE" },
    { offset: 0, nid: S3, state: "UP_TO_DATE" },
  );
  await test(stage, second, third, client);
}

function order(
  stage: Stage,
  { partition = 0, upstream = "", source = null }: {
    readonly partition?: number;
    readonly upstream?: string;
    readonly source?: StoragePeer["address"] | null;
  } = {},
): void {
  const from = { upstreamName: encodeText(upstream), address: source };
  stage.master.notify(CheckPartition, { partition, source: from, minTid: t(1), maxTid: t(99) });
}

async function logged(stage: Stage, pattern: RegExp): Promise<void> {
  while (!stage.lines.some((line) => pattern.test(line))) await stage.settled();
}

/** Answers everything as the storage under test would. */
async function agree(link: PeerLink): Promise<void> {
  (await link.tidRanges.next()).answer.give(TIDS);
  (await link.serialRanges.next()).answer.give(SERIALS);
}

Deno.test("replicas that are the same are fine", async () => {
  await withReplicas(async (stage, second, third) => {
    order(stage);
    const [one, two] = [await second.links.next(), await third.links.next()];
    const tids = await one.tidRanges.next();
    assert.deepEqual(tids.packet, {
      ...{ partition: 0, length: 40_000, minTid: t(1), maxTid: t(99) },
    });
    tids.answer.give(TIDS);
    (await two.tidRanges.next()).answer.give(TIDS);
    const serials = await one.serialRanges.next();
    assert.deepEqual(serials.packet, {
      ...{ partition: 0, length: 40_000, minTid: t(1), maxTid: t(99), minOid: o(0) },
    });
    serials.answer.give(SERIALS);
    (await two.serialRanges.next()).answer.give(SERIALS);
    await logged(stage, /partition 0 was checked/);
    // The next check uses the same connections.
    order(stage);
    await Promise.all([agree(one), agree(two)]);
    assert.deepEqual(stage.notices.all(), []);
    assert.deepEqual([second.links.all(), third.links.all()], [[], []]);
  });
});

Deno.test("without a source, all of those that differ are corrupted, and no more is checked", async () => {
  await withReplicas(async (stage, second, third) => {
    order(stage);
    order(stage);
    const [one, two] = [await second.links.next(), await third.links.next()];
    (await one.tidRanges.next()).answer.give(TIDS);
    (await two.tidRanges.next()).answer.give({ ...TIDS, maxTid: t(11) });
    const notice = await stage.notices.next();
    assert.ok(notice.is === "corrupted");
    assert.deepEqual([notice.partition, [...notice.nids].sort()], [0, [S1, S2, S3]]);
    await logged(stage, /the check of partition 0 was given up/);
    await stage.settled();
    assert.deepEqual([one.tidRanges.all(), two.serialRanges.all()], [[], []]);
  });
});

Deno.test("with a source, those that differ from it are corrupted, and the rest goes on", async () => {
  await withReplicas(async (stage, second, third) => {
    order(stage, { source: second.address });
    const [one, two] = [await second.links.next(), await third.links.next()];
    (await one.tidRanges.next()).answer.give(TIDS);
    (await two.tidRanges.next()).answer.give({ ...TIDS, checksum: sha("11") });
    assert.deepEqual(await stage.notices.next(), { is: "corrupted", partition: 0, nids: [S3] });
    (await one.serialRanges.next()).answer.give({ ...SERIALS, oidChecksum: sha("2") });
    assert.deepEqual(await stage.notices.next(), { is: "corrupted", partition: 0, nids: [S1] });
    assert.deepEqual(two.serialRanges.all(), []);
  });
});

Deno.test("the storage itself may be the source", async () => {
  await withReplicas(async (stage, second, third) => {
    stage.tellNodes({ ...second.information, nid: S1, address: stage.node.address });
    order(stage, { source: stage.node.address });
    const [one, two] = [await second.links.next(), await third.links.next()];
    (await one.tidRanges.next()).answer.give({ ...TIDS, count: 2 });
    (await two.tidRanges.next()).answer.give(TIDS);
    assert.deepEqual(await stage.notices.next(), { is: "corrupted", partition: 0, nids: [S2] });
    (await two.serialRanges.next()).answer.give(SERIALS);
    await logged(stage, /partition 0 was checked/);
  });
});

Deno.test("a storage of another cluster may be the source", async () => {
  await withReplicas(async (stage, second, third) => {
    using upstream = await StoragePeer.listen(stage.host, null, { partitions: 1 });
    order(stage, { upstream: "up", source: upstream.address });
    const links = [second, third, upstream].map(({ links }) => links.next());
    const [one, two, source] = await Promise.all(links);
    assert.ok(one && two && source);
    const request = await upstream.requests.next();
    assert.deepEqual([request.nid, request.cluster], [null, encodeText("up")]);
    for (const link of [one, two, source]) (await link.tidRanges.next()).answer.give(TIDS);
    for (const link of [one, two]) (await link.serialRanges.next()).answer.give(SERIALS);
    (await source.serialRanges.next()).answer.give({ ...SERIALS, maxOid: o(2) });
    const notice = await stage.notices.next();
    assert.ok(notice.is === "corrupted");
    assert.deepEqual([...notice.nids].sort(), [S1, S2, S3]);
  });
});

Deno.test("more rows than fit into one comparison are compared in several", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  const client = await stage.client();
  const oids = Array.from({ length: 20_001 }, (_, at) => o(at));
  for (const tid of [10, 20]) {
    await Promise.all(oids.map((oid) => {
      const serial = tid === 10 ? t(0) : t(10);
      return client.store(t(tid), { oid, serial, data: null });
    }));
    await client.vote(t(tid), []);
    await stage.finish(t(tid));
  }
  stage.tellNodes(peer.information);
  stage.change({ offset: 0, nid: S2, state: "UP_TO_DATE" });
  order(stage);
  const link = await peer.links.next();
  const tids = { count: 2, checksum: sha("10,20"), maxTid: t(20) };
  (await link.tidRanges.next()).answer.give(tids);
  const all = [...oids.map((oid) => [10, oid]), ...oids.map((oid) => [20, oid])];
  const [first, second] = [all.slice(0, 40_000), all.slice(40_000)];
  const answerTo = (rows: typeof all): AnswerCheckSerialRange => ({
    count: rows.length,
    tidChecksum: sha(rows.map(([tid]) => tid).join(",")),
    maxTid: t(20),
    oidChecksum: sha(rows.map(([, oid]) => oid).join(",")),
    maxOid: o(Number(rows.at(-1)?.[1])),
  });
  (await link.serialRanges.next()).answer.give(answerTo(first));
  const asked = await link.serialRanges.next();
  assert.deepEqual([asked.packet.minTid, asked.packet.minOid], [t(20), o(19_999)]);
  asked.answer.give(answerTo(second));
  await logged(stage, /partition 0 was checked/);
  assert.deepEqual(stage.notices.all(), []);
});

Deno.test("a replica that is lost is left out, unless too few remain", async () => {
  await withReplicas(async (stage, second, third) => {
    order(stage);
    const [one, two] = [await second.links.next(), await third.links.next()];
    await one.tidRanges.next();
    one.connection.close();
    await agree(two);
    await logged(stage, /partition 0 was checked/);
    order(stage);
    const again = await second.links.next();
    again.connection.close();
    (await two.tidRanges.next()).connection.close();
    await logged(stage, /given up: there is no other replica any more/);
    assert.deepEqual(stage.notices.all(), []);
  });
});

Deno.test("a lost source ends the check", async () => {
  await withReplicas(async (stage, second, third) => {
    order(stage, { source: second.address });
    const [one, two] = [await second.links.next(), await third.links.next()];
    (await two.tidRanges.next()).answer.give(TIDS);
    (await one.tidRanges.next()).connection.close();
    await logged(stage, /given up: its source was lost/);
    assert.deepEqual(stage.notices.all(), []);
  });
});

Deno.test("what can't be checked is left, and the next partition follows", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 2 });
  stage.tellNodes(peer.information);
  stage.change({ offset: 0, state: "DISCARDED" }, { offset: 1, nid: S2, state: "UP_TO_DATE" });
  await stage.settled();
  order(stage);
  order(stage, { partition: 1, source: { host: "127.0.0.1", port: 1 } });
  order(stage, { partition: 1 });
  const link = await peer.links.next();
  (await link.tidRanges.next()).answer.give({
    count: 0,
    checksum: new Uint8Array(20),
    maxTid: t(0),
  });
  await link.serialRanges.next();
  assert.ok(stage.lines.some((line) => /partition 0 .* given up: it is discarded/.test(line)));
  assert.ok(stage.lines.some((line) => /given up: its source is unavailable/.test(line)));
});

Deno.test("a check waits until what it is about is visible here", async () => {
  await withReplicas(async (stage, second, third, client) => {
    await client.store(t(50), { oid: o(5), data: "y" });
    await client.vote(t(50), [o(5)]);
    await stage.master.ask(AskLockInformation, { ttid: t(50), tid: t(60) });
    order(stage);
    const [one, two] = [await second.links.next(), await third.links.next()];
    await stage.settled();
    assert.deepEqual([one.tidRanges.all(), two.tidRanges.all()], [[], []]);
    stage.master.notify(NotifyUnlockInformation, { ttid: t(50) });
    await one.tidRanges.next();
  });
});

Deno.test("a storage is asked for its checksums", async () => {
  await withReplicas(async (stage, second, _third, client) => {
    const { link: { connection } } = await second.connect(stage.node.address);
    const range = { partition: 0, length: 100, minTid: t(0), maxTid: MAX_TID };
    assert.deepEqual(await connection.ask(AskCheckTIDRange, range), TIDS);
    assert.deepEqual(
      await connection.ask(AskCheckSerialRange, { ...range, minOid: o(0) }),
      SERIALS,
    );
    await client.store(t(50), { oid: o(5), data: "y" });
    await client.vote(t(50), [o(5)]);
    await stage.master.ask(AskLockInformation, { ttid: t(50), tid: t(60) });
    const waiting = connection.ask(AskCheckTIDRange, range);
    assert.ok(await isPending(waiting, client));
    stage.master.notify(NotifyUnlockInformation, { ttid: t(50) });
    assert.equal((await waiting).count, 2);
    stage.change({ offset: 0, state: "OUT_OF_DATE" });
    const refused = { code: "CHECKING_ERROR", message: "partition 0 not readable" };
    await stage.settled();
    await assert.rejects(connection.ask(AskCheckTIDRange, range), refused);
    await assert.rejects(connection.ask(AskCheckSerialRange, { ...range, minOid: o(0) }), refused);
  });
});

Deno.test("revisions are not compared before transactions", async () => {
  await withReplicas(async (stage, second, _third, client) => {
    const { link: { connection } } = await second.connect(stage.node.address);
    await client.store(t(50), { oid: o(5), data: "y" });
    await client.vote(t(50), [o(5)]);
    await stage.master.ask(AskLockInformation, { ttid: t(50), tid: t(60) });
    const range = { partition: 0, length: 100, minTid: t(0), maxTid: MAX_TID, minOid: o(0) };
    await assert.rejects(connection.ask(AskCheckSerialRange, range), {
      ...{ code: "PROTOCOL_ERROR", message: "transactions must be checked before objects" },
    });
  });
});
