import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { MAX_TID, type Oid, oid, partitionOf, type Tid } from "../../nodes/codec/ids.ts";
import { addTid, tidFromTime } from "../../nodes/cluster/tid_time.ts";
import { type Peer, refused, runningCluster, S1, S2, tidOf } from "./support.ts";

function oids(...numbers: bigint[]): Oid[] {
  return numbers.map(oid);
}

async function begin(client: Peer, tid: Tid | null = null): Promise<Tid> {
  return (await client.ask(p.AskBeginTransaction, { tid })).ttid;
}

function finish(client: Peer, ttid: Tid, stored: Oid[], checkedOids: Oid[] = []) {
  return client.ask(p.AskFinishTransaction, { ttid, oids: stored, checkedOids });
}

/** Lets storages lock at once whatever they are asked to. */
function lockAtOnce(storages: readonly Peer[]): void {
  for (const storage of storages) {
    storage.answer(p.AskLockInformation, ({ ttid }) => ({ ttid }));
  }
}

Deno.test("no transaction begins while a storage is starting", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin } = running;
  const client = await cluster.client();
  const second = await cluster.storage(2, { nid: null });
  await begin(client);
  await admin.ask(p.AddPendingNodes, { nids: [S2] });
  let begun = false;
  const delayed = begin(client).then((ttid) => {
    begun = true;
    return ttid;
  });
  await client.drain();
  assert.equal(begun, false);
  second.notify(p.NotifyReady, {});
  assert.ok(await delayed > 0n);
});

Deno.test("a storage that never was told to start can't be ready", async () => {
  await using running = await runningCluster(1);
  running.storages[0]?.notify(p.NotifyReady, {});
  assert.deepEqual(await running.storages[0]?.rest(), []);
});

Deno.test("a commit goes from the client to the storages, and to everyone", async () => {
  await using running = await runningCluster(2);
  const { cluster, storages } = running;
  const client = await cluster.client();
  const other = await cluster.client();
  for (const storage of storages) await storage.drain();
  const ttid = await begin(client);
  const finished = finish(client, ttid, oids(5n, 6n), oids(9n));
  const locks = await Promise.all(storages.map((peer) => peer.takeRequest(p.AskLockInformation)));
  const tid = locks[0]?.packet.tid ?? MAX_TID;
  for (const { packet } of locks) assert.deepEqual(packet, { ttid, tid });
  assert.ok(tid > ttid);
  assert.equal(partitionOf(tid, 4), partitionOf(ttid, 4));
  locks[0]?.answer({ ttid });
  assert.deepEqual(await storages[0]?.rest(), [], "the other one has not locked it");
  assert.deepEqual(await other.rest(), []);
  locks[1]?.answer({ ttid });
  assert.deepEqual(await finished, { ttid, tid });
  assert.deepEqual(await other.take(p.InvalidateObjects), { tid, oids: [5n, 6n] });
  for (const storage of storages) {
    assert.deepEqual(await storage.take(p.NotifyUnlockInformation), { ttid });
  }
  assert.deepEqual(await client.rest(), [], "the client knows what it has written");
  assert.deepEqual(await other.ask(p.AskLastTransaction, {}), { tid });
  assert.deepEqual((await client.ask(p.AskNewOIDs, { count: 1 })).oids, [7n], "6 was used");
});

Deno.test("only storages with cells of what is stored or checked take part", async () => {
  await using running = await runningCluster(2, { partitions: 2, replicas: 0 });
  const { cluster, storages } = running;
  const client = await cluster.client();
  for (const storage of storages) await storage.drain();
  const { rows } = await client.ask(p.AskPartitionTable, {});
  const ownerOf = (id: Oid | Tid) => {
    const nid = rows[partitionOf(id, 2)]?.cells[0]?.nid;
    return storages.find((storage) => storage.nid === nid);
  };
  for (const checked of [false, true]) {
    const ttid = await begin(client);
    const same = oid(partitionOf(ttid, 2) === 0 ? 2n : 1n);
    const different = oid(same === 2n ? 1n : 2n);
    void finish(client, ttid, checked ? [] : [same], checked ? [different] : []).catch(() => {});
    await ownerOf(ttid)?.take(p.AskLockInformation);
    if (checked) await ownerOf(different)?.take(p.AskLockInformation);
    else assert.deepEqual(await ownerOf(different)?.rest(), []);
  }
});

Deno.test("commits are told in the order of their tids, whichever is locked first", async () => {
  await using running = await runningCluster(1);
  const { cluster } = running;
  const [storage] = running.storages;
  assert.ok(storage);
  const clients = [await cluster.client(), await cluster.client()];
  await storage.drain();
  const [first, second] = clients;
  assert.ok(first && second);
  const told: string[] = [];
  const tids: Tid[] = [];
  const locks: (() => void)[] = [];
  first.watch(p.InvalidateObjects, ({ oids }) => told.push(`invalidated ${oids}`));
  for (const [at, client] of clients.entries()) {
    const ttid = await begin(client);
    const packet = { ttid, oids: oids(BigInt(at)), checkedOids: [] };
    void client.connection.ask(p.AskFinishTransaction, packet, ({ tid }) => {
      tids.push(tid);
      if (client === first) told.push("finished 0");
    });
    const { answer } = await storage.takeRequest(p.AskLockInformation);
    locks.push(() => answer({ ttid }));
  }
  // Both commits happen in one turn of the master, the first one last.
  locks[1]?.();
  locks[0]?.();
  await storage.skipTo(p.NotifyUnlockInformation);
  await storage.skipTo(p.NotifyUnlockInformation);
  await first.drain();
  await second.drain();
  assert.deepEqual(told, ["finished 0", "invalidated 1"]);
  assert.ok((tids[0] ?? 0n) < (tids[1] ?? 0n));
});

Deno.test("tids always grow, in each partition too", async () => {
  await using running = await runningCluster(1, { partitions: 12 });
  const client = await running.cluster.client();
  lockAtOnce(running.storages);
  let last = tidOf(0);
  for (let i = 0; i < 100; i++) {
    const ttid = await begin(client);
    const { tid } = await finish(client, ttid, oids(BigInt(i)));
    assert.ok(last < ttid && ttid < tid);
    assert.equal(partitionOf(tid, 12), partitionOf(ttid, 12));
    last = tid;
  }
});

Deno.test("what is not the client's transaction is refused, or gone already", async () => {
  await using running = await runningCluster(1);
  const { cluster, storages: [storage] } = running;
  assert.ok(storage);
  const other = await cluster.client();
  const foreign = await begin(other);
  const client = await cluster.client();
  await storage.drain();
  for (const ttid of [tidOf(77), foreign]) {
    const refusal = ["PROTOCOL_ERROR", /^unknown ttid [0-9a-f]{16}$/] as const;
    await refused(finish(client, ttid, []), ...refusal);
    await refused(client.ask(p.FailedVote, { ttid, nids: [] }), ...refusal);
    client.notify(p.AbortTransaction, { ttid, nids: [S1] });
  }
  assert.deepEqual(await client.rest(), []);
  assert.deepEqual(await storage.rest(), []);
});

Deno.test("a commit that was asked for can be neither stopped nor asked for again", async () => {
  await using running = await runningCluster(1);
  for (const isAbort of [true, false]) {
    const client = await running.cluster.client();
    const ttid = await begin(client);
    const first = finish(client, ttid, []).catch(() => {});
    if (isAbort) client.notify(p.AbortTransaction, { ttid, nids: [] });
    else {
      await refused(
        finish(client, ttid, []),
        "PROTOCOL_ERROR",
        /^commit already requested for ttid/,
      );
    }
    await client.closed();
    await first;
  }
});

Deno.test("an abort is told to the storages that may know the transaction", async () => {
  await using running = await runningCluster(2);
  const [first, second] = running.storages;
  assert.ok(first && second);
  const client = await running.cluster.client();
  for (const storage of running.storages) await storage.drain();
  const ttid = await begin(client);
  const { ttids } = await second.ask(p.AskUnfinishedTransactions, { offsets: [] });
  assert.deepEqual(ttids, [ttid]);
  client.notify(p.AbortTransaction, { ttid, nids: [S1] });
  for (const storage of [first, second]) {
    assert.deepEqual(await storage.take(p.AbortTransaction), { ttid, nids: [] });
  }
});

Deno.test("a storage that replicates hears of the end of what was pending", async () => {
  await using running = await runningCluster(1);
  const [storage] = running.storages;
  assert.ok(storage);
  const client = await running.cluster.client();
  await storage.drain();
  lockAtOnce(running.storages);
  const ttid = await begin(client);
  await storage.ask(p.AskUnfinishedTransactions, { offsets: [] });
  const { tid } = await finish(client, ttid, oids(1n));
  assert.deepEqual(await storage.take(p.NotifyUnlockInformation), { ttid });
  assert.deepEqual(await storage.take(p.NotifyTransactionFinished), { ttid, maxTid: tid });
  const answer = await storage.ask(p.AskUnfinishedTransactions, { offsets: [] });
  assert.deepEqual(answer, { maxTid: tid, ttids: [] });
});

Deno.test("an imported transaction keeps its tid", async () => {
  await using running = await runningCluster(1);
  const client = await running.cluster.client();
  lockAtOnce(running.storages);
  const past = tidFromTime(Date.UTC(2012, 0, 1));
  assert.equal(await begin(client, past), past);
  assert.equal((await finish(client, past, oids(1n))).tid, past);
  await refused(begin(client, past), "PROTOCOL_ERROR", /^expected a tid after/);
  await refused(begin(client, MAX_TID), "PROTOCOL_ERROR", /^expected a tid after/);
  const next = addTid(past, 1);
  assert.equal(await begin(client, next), next, "the client is still connected");
  const ttid = await begin(client);
  await finish(client, ttid, oids(2n));
  // It may not be committed any more, since that would be before the last one.
  await refused(finish(client, next, oids(3n)), "INCOMPLETE_TRANSACTION", /./);
  assert.ok(await begin(client) > ttid);
});

Deno.test("new oids follow each other, and there can't be none or too many", async () => {
  await using running = await runningCluster(1);
  const client = await running.cluster.client();
  const give = async (count: number) => (await client.ask(p.AskNewOIDs, { count })).oids;
  assert.deepEqual(await give(3), [1n, 2n, 3n]);
  await refused(give(0), "PROTOCOL_ERROR", /./);
  await refused(give(2 ** 32 - 1), "PROTOCOL_ERROR", /./);
  assert.deepEqual(await give(1), [4n]);
});

Deno.test("a client that was cut off learns what became of its transaction", async () => {
  await using running = await runningCluster(1);
  const [storage] = running.storages;
  assert.ok(storage);
  const client = await running.cluster.client();
  await storage.drain();
  const ttid = await begin(client);
  void finish(client, ttid, oids(1n)).catch(() => {});
  const { packet: { tid }, answer } = await storage.takeRequest(p.AskLockInformation);
  client.close();
  const again = await running.cluster.client();
  const asked = again.ask(p.AskFinalTID, { ttid });
  await again.drain();
  answer({ ttid });
  assert.deepEqual(await asked, { tid });
  assert.deepEqual(await again.ask(p.AskFinalTID, { ttid }), { tid: MAX_TID }, "storages know");
  assert.deepEqual(await again.ask(p.AskFinalTID, { ttid: MAX_TID }), { tid: null });
});

Deno.test("several reports of one deadlock are one new place in the queue", async () => {
  await using running = await runningCluster(2);
  const [first, second] = running.storages;
  const client = await running.cluster.client();
  const ttid = await begin(client);
  first?.notify(p.NotifyDeadlock, { ttid, lockingTid: ttid });
  const { ttid: told, lockingTid } = await client.take(p.NotifyDeadlock);
  assert.equal(told, ttid);
  assert.ok(lockingTid > ttid);
  second?.notify(p.NotifyDeadlock, { ttid, lockingTid: ttid });
  second?.notify(p.NotifyDeadlock, { ttid: tidOf(3), lockingTid: tidOf(3) });
  await second?.drain();
  assert.deepEqual(await client.rest(), []);
  second?.notify(p.NotifyDeadlock, { ttid, lockingTid });
  assert.ok((await client.take(p.NotifyDeadlock)).lockingTid > lockingTid);
});

Deno.test("one pack at a time, over when all storages have answered or are gone", async () => {
  await using running = await runningCluster(2);
  const [first, second] = running.storages;
  assert.ok(first && second);
  const client = await running.cluster.client();
  for (const storage of running.storages) await storage.drain();
  const packed = client.ask(p.AskPack, { tid: tidOf(9) });
  const { packet, answer } = await first.takeRequest(p.AskPack);
  assert.deepEqual(packet, { tid: tidOf(9) });
  assert.deepEqual(await client.ask(p.AskPack, { tid: tidOf(9) }), { status: false });
  await second.take(p.AskPack);
  second.close();
  answer({ status: false });
  assert.deepEqual(await packed, { status: true });
});
