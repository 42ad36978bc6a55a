import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { tidFromTime } from "../../nodes/cluster/tid_time.ts";
import { oid, type Tid } from "../../nodes/codec/ids.ts";
import { type Peer, S1, S2, sameRows, type StorageState, TestCluster, tidOf } from "./support.ts";

const ROWS = sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "UP_TO_DATE" }]);
const T1 = tidOf(101);
const T2 = tidOf(105);

/** Two storages with the same table and these differences, on their way to operation. */
async function verify(
  have1: Partial<StorageState>,
  have2: Partial<StorageState>,
): Promise<{ cluster: TestCluster; first: Peer; second: Peer } & AsyncDisposable> {
  const cluster = await TestCluster.start();
  const first = await cluster.storage(1, { ptid: 3, rows: ROWS, ...have1 });
  const second = await cluster.storage(2, { ptid: 3, rows: ROWS, ...have2 });
  return { cluster, first, second, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

/** All transactions that a storage is told to finish before it starts. */
async function validated(peer: Peer): Promise<(readonly [Tid, Tid])[]> {
  const all: (readonly [Tid, Tid])[] = [];
  for (;;) {
    const name = await peer.peek();
    if (name === p.ValidateTransaction.name) {
      const { ttid, tid } = await peer.take(p.ValidateTransaction);
      all.push([ttid, tid]);
    } else if (name === p.StartOperation.name) {
      return all;
    } else {
      await peer.skip();
    }
  }
}

Deno.test("a transaction that one storage has locked is finished wherever it is", async () => {
  await using cluster = await verify(
    { locked: new Map([[T1, T2]]) },
    { locked: new Map([[T1, null]]) },
  );
  assert.deepEqual(await validated(cluster.first), [[T1, T2]]);
  assert.deepEqual(await validated(cluster.second), [[T1, T2]]);
});

Deno.test("one that was only voted is finished when another storage has unlocked it", async () => {
  const asked: Tid[] = [];
  await using cluster = await TestCluster.start();
  const first = await cluster.storage(1, {
    ptid: 3,
    rows: ROWS,
    locked: new Map([[T1, null]]),
  });
  const second = await cluster.connect();
  second.answer(p.AskFinalTID, ({ ttid }) => {
    asked.push(ttid);
    return { tid: T2 };
  });
  await cluster.storage(2, { ptid: 3, rows: ROWS }, { peer: second });
  assert.deepEqual(await validated(first), [[T1, T2]]);
  assert.deepEqual(asked, [T1]);
  assert.deepEqual(await validated(second), [], "it has nothing left to do");
});

Deno.test("one that nobody has locked is left to be dropped", async () => {
  await using cluster = await TestCluster.start();
  const first = await cluster.storage(1, {
    ptid: 3,
    rows: ROWS,
    locked: new Map([[T1, null]]),
  });
  const second = await cluster.connect();
  second.answer(p.AskFinalTID, () => ({ tid: null }));
  await cluster.storage(2, { ptid: 3, rows: ROWS }, { peer: second });
  assert.deepEqual(await validated(first), []);
});

Deno.test("the votes of a storage without readable cells do not count, its locks do", async () => {
  const rows = sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }]);
  await using cluster = await TestCluster.start();
  const second = await cluster.storage(2, {
    ptid: 3,
    rows,
    locked: new Map([[T1, null], [tidOf(201), tidOf(205)]]),
  });
  const first = await cluster.storage(1, {
    ptid: 3,
    rows,
    locked: new Map([[tidOf(201), null]]),
  });
  assert.deepEqual(await validated(first), [[tidOf(201), tidOf(205)]]);
  assert.deepEqual(await validated(second), []);
});

Deno.test("the last ids are the greatest of all", async () => {
  await using cluster = await verify(
    { lastIds: { lastOid: oid(9n), lastTid: tidOf(40) } },
    { lastIds: { lastOid: oid(7n), lastTid: tidOf(50) } },
  );
  for (const peer of [cluster.first, cluster.second]) {
    await peer.skipTo(p.StartOperation);
    peer.notify(p.NotifyReady, {});
  }
  const client = await cluster.cluster.client();
  assert.deepEqual(await client.ask(p.AskLastTransaction, {}), { tid: tidOf(50) });
  assert.deepEqual(await client.ask(p.AskLastIDs, {}), { lastOid: 9n, lastTid: tidOf(50) });
  assert.deepEqual((await client.ask(p.AskNewOIDs, { count: 2 })).oids, [10n, 11n]);
});

Deno.test("a ttid that was voted is not given again: its client may ask about it", async () => {
  const ahead = tidFromTime(Date.UTC(4000, 0, 1));
  await using cluster = await TestCluster.start();
  const locked = new Map([[ahead, null]]);
  const first = await cluster.storage(1, { ptid: 3, rows: ROWS, locked });
  const second = await cluster.connect();
  second.answer(p.AskFinalTID, () => ({ tid: null }));
  await cluster.storage(2, { ptid: 3, rows: ROWS }, { peer: second });
  for (const peer of [first, second]) {
    await peer.skipTo(p.StartOperation);
    peer.notify(p.NotifyReady, {});
  }
  const client = await cluster.client();
  assert.notEqual((await client.ask(p.AskLastTransaction, {})).tid, ahead, "it was not committed");
  const { ttid } = await client.ask(p.AskBeginTransaction, { tid: null });
  assert.ok(ttid > ahead, `${ttid} after ${ahead}`);
});

Deno.test("a storage that is lost meanwhile is outdated, and the others go on", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const first = await cluster.storage(1, { ptid: 3, rows: ROWS });
  const second = await cluster.connect();
  await cluster.storage(2, { ptid: 3, rows: ROWS }, { peer: second, open: [p.AskLastIDs] });
  await second.skipTo(p.AskLastIDs);
  second.close();
  await admin.skipTo(p.NotifyPartitionChanges);
  assert.equal((await admin.take(p.NotifyClusterInformation)).state, "RUNNING");
  const changes = await first.skipTo(p.NotifyPartitionChanges);
  assert.equal(changes.ptid, 4);
  await first.skipTo(p.StartOperation);
});

Deno.test("a truncation goes back to recovery when any storage is lost", async () => {
  await using cluster = await TestCluster.start();
  const admin = await cluster.admin();
  const have = { ptid: 3, rows: ROWS, truncateTid: tidOf(50) };
  const first = await cluster.storage(1, have);
  const second = await cluster.connect();
  await cluster.storage(2, have, { peer: second, open: [p.AskLastIDs] });
  await second.skipTo(p.AskLastIDs);
  second.close();
  await first.skipTo(p.StopOperation);
  await admin.skipTo(p.NotifyClusterInformation);
  assert.equal((await admin.skipTo(p.NotifyClusterInformation)).state, "RECOVERING");
  await first.drain();
  assert.equal((await admin.ask(p.AskClusterState, {})).state, "RECOVERING");
});

Deno.test("a storage that comes during verification starts with the others", async () => {
  await using cluster = await TestCluster.start();
  const rows = sameRows(4, [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }]);
  const first = await cluster.connect();
  await cluster.storage(1, { ptid: 3, rows }, { peer: first, open: [p.AskLastIDs] });
  const { answer } = await first.skipToRequest(p.AskLastIDs);
  const second = await cluster.storage(2, { ptid: 3, rows });
  await second.take(p.SendPartitionTable);
  answer({ lastOid: null, lastTid: null });
  await second.skipTo(p.StartOperation);
});
