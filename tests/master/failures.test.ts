import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { type Nid, oid, partitionOf, type Tid } from "../../nodes/codec/ids.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import {
  ackText,
  emptyRows,
  type Peer,
  refused,
  runningCluster,
  S1,
  S2,
  S3,
  tidOf,
} from "./support.ts";

const C1 = nodeId("CLIENT", 1);

async function begin(client: Peer): Promise<Tid> {
  return (await client.ask(p.AskBeginTransaction, { tid: null })).ttid;
}

function finish(client: Peer, ttid: Tid): Promise<p.AnswerTransactionFinished> {
  const oids = [0n, 1n, 2n, 3n].map(oid);
  return client.ask(p.AskFinishTransaction, { ttid, oids, checkedOids: [] });
}

async function failedVote(client: Peer, ttid: Tid, nids: readonly Nid[]): Promise<void> {
  assert.equal(ackText(await client.ask(p.FailedVote, { ttid, nids })), "");
}

Deno.test("a storage that missed writes leaves the table before anything is locked", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  const client = await cluster.client();
  const ttid = await begin(client);
  await failedVote(client, ttid, [S2]);
  await first.drain();
  await client.drain();
  await admin.drain();
  const finished = finish(client, ttid);
  await second.closed();
  const { nodes } = await first.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S2, "DOWN"]]);
  const { changes } = await first.take(p.NotifyPartitionChanges);
  assert.deepEqual(
    changes,
    [0, 1, 2, 3].map((offset) => ({ offset, nid: S2, state: "OUT_OF_DATE" })),
  );
  (await first.takeRequest(p.AskLockInformation)).answer({ ttid });
  await finished;
});

Deno.test("a storage that is not touched by the commit may stay, though it failed", async () => {
  await using running = await runningCluster(3, { partitions: 3 });
  const { cluster, storages } = running;
  const client = await cluster.client();
  const { rows } = await client.ask(p.AskPartitionTable, {});
  const ttid = await begin(client);
  const offset = partitionOf(ttid, 3);
  const spare = storages.find(({ nid }) => !rows[offset]?.cells.some((cell) => cell.nid === nid));
  assert.ok(spare);
  await failedVote(client, ttid, [spare.nid]);
  for (const storage of storages) storage.answer(p.AskLockInformation, (packet) => packet);
  await client.ask(p.AskFinishTransaction, { ttid, oids: [], checkedOids: [] });
  await spare.drain();
});

Deno.test("a vote may not fail on the only readable copies", async () => {
  await using running = await runningCluster(2, { replicas: 0 });
  const client = await running.cluster.client();
  const ttid = await begin(client);
  const vote = client.ask(p.FailedVote, { ttid, nids: [S1] });
  await refused(vote, "INCOMPLETE_TRANSACTION", /only readable copies/);
  client.notify(p.AbortTransaction, { ttid, nids: [S1, S2] });
  await begin(client);
});

Deno.test("a vote that fails on a storage that began later does not matter", async () => {
  await using running = await runningCluster(1);
  const { cluster, admin } = running;
  const client = await cluster.client();
  const ttid = await begin(client);
  const late = await cluster.storage(2, { nid: null });
  await admin.ask(p.AddPendingNodes, { nids: [S2] });
  late.notify(p.NotifyReady, {});
  await late.drain();
  await failedVote(client, ttid, [S2]);
});

Deno.test("two votes that would take all copies together wait for each other", async () => {
  await using running = await runningCluster(2);
  const { cluster, storages: [first, second] } = running;
  assert.ok(first && second);
  const one = await cluster.client();
  const two = await cluster.client();
  const [ttid1, ttid2] = [await begin(one), await begin(two)];
  await failedVote(one, ttid1, [S1]);
  let voted = false;
  const vote = failedVote(two, ttid2, [S2]).then(() => voted = true);
  await two.drain();
  assert.equal(voted, false);
  one.notify(p.AbortTransaction, { ttid: ttid1, nids: [] });
  await vote;
});

Deno.test("when what failed can't be spared any more, the transaction is aborted", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  const client = await cluster.client();
  const ttid = await begin(client);
  await failedVote(client, ttid, [S2]);
  first.close();
  await admin.skipTo(p.NotifyPartitionChanges);
  await second.drain();
  await refused(finish(client, ttid), "INCOMPLETE_TRANSACTION", /./);
  assert.deepEqual(await second.take(p.AbortTransaction), { ttid, nids: [] });
  await client.drain();
});

Deno.test("a client that is lost before it commits takes its transactions along", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  const client = await cluster.client();
  const ttid = await begin(client);
  await first.ask(p.AskUnfinishedTransactions, { offsets: [] });
  for (const peer of [admin, first, second]) await peer.drain();
  client.close();
  assert.deepEqual(await first.take(p.AbortTransaction), { ttid, nids: [] });
  for (const peer of [admin, first, second]) {
    const { nodes } = await peer.take(p.NotifyNodeInformation);
    assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[C1, "UNKNOWN"]]);
  }
  const { ttids } = await first.ask(p.AskUnfinishedTransactions, { offsets: [] });
  assert.deepEqual(ttids, []);
});

Deno.test("a client that is lost while it commits has committed", async () => {
  await using running = await runningCluster(1);
  const { cluster, storages: [storage] } = running;
  assert.ok(storage);
  const client = await cluster.client();
  const other = await cluster.client();
  const ttid = await begin(client);
  await storage.drain();
  void finish(client, ttid).catch(() => {});
  client.close();
  const { answer, packet: { tid } } = await storage.takeRequest(p.AskLockInformation);
  await storage.take(p.NotifyNodeInformation);
  answer({ ttid });
  assert.deepEqual((await other.take(p.InvalidateObjects)).tid, tid);
  assert.deepEqual(await storage.take(p.NotifyUnlockInformation), { ttid });
});

Deno.test("a commit goes on without a storage once the others have saved that it is lost", async () => {
  await using running = await runningCluster(2);
  const { cluster, storages: [first, second] } = running;
  assert.ok(first && second);
  const client = await cluster.client();
  const ttid = await begin(client);
  for (const storage of [first, second]) await storage.drain();
  const before = (await client.ask(p.AskLastTransaction, {})).tid;
  const finished = finish(client, ttid);
  (await first.takeRequest(p.AskLockInformation)).answer({ ttid });
  await second.take(p.AskLockInformation);
  second.close();
  await first.take(p.NotifyNodeInformation);
  await first.take(p.NotifyPartitionChanges);
  const saved = await first.takeRequest(p.AskFinalTID);
  // The storage has locked it, but if it died now, it would not know that it is the only one.
  await client.ask(p.AskNewOIDs, { count: 1 });
  assert.equal((await client.ask(p.AskLastTransaction, {})).tid, before);
  const lines = cluster.master.describe();
  assert.ok(lines.some((line) => / of C1 commits, the loss .* not saved yet by: S1$/.test(line)));
  saved.answer({ tid: null });
  const { tid } = await finished;
  assert.deepEqual(await first.take(p.NotifyUnlockInformation), { ttid });
  assert.equal((await client.ask(p.AskLastTransaction, {})).tid, tid);
});

Deno.test("a commit waits until each loss is saved, but not by a storage that is lost", async () => {
  await using running = await runningCluster(3, { replicas: 2 });
  const { cluster, storages: [first, second, third] } = running;
  assert.ok(first && second && third);
  const client = await cluster.client();
  const ttid = await begin(client);
  for (const storage of [first, second, third]) await storage.drain();
  const before = (await client.ask(p.AskLastTransaction, {})).tid;
  const finished = finish(client, ttid);
  (await first.takeRequest(p.AskLockInformation)).answer({ ttid });
  for (const storage of [second, third]) await storage.take(p.AskLockInformation);
  const answers: ((packet: p.AnswerFinalTID) => void)[] = [];
  for (const lost of [second, third]) {
    lost.close();
    await first.take(p.NotifyNodeInformation);
    await first.take(p.NotifyPartitionChanges);
    answers.push((await first.takeRequest(p.AskFinalTID)).answer);
  }
  const [saved, savedLater] = answers;
  assert.ok(saved && savedLater);
  saved({ tid: null });
  await first.ask(p.Ping, {});
  assert.equal((await client.ask(p.AskLastTransaction, {})).tid, before);
  savedLater({ tid: null });
  assert.equal((await finished).ttid, ttid);
});

Deno.test("when the last readable copies are lost, nothing is committed any more", async () => {
  await using running = await runningCluster(2, { replicas: 0 });
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  const client = await cluster.client();
  const ttid = await begin(client);
  for (const storage of [first, second]) await storage.drain();
  const unfinished = assert.rejects(finish(client, ttid));
  const lock = await first.takeRequest(p.AskLockInformation);
  await second.take(p.AskLockInformation);
  await admin.drain();
  await client.drain();
  second.close();
  await client.skipTo(p.StopOperation);
  await unfinished;
  await first.skipTo(p.StopOperation);
  const { nodes } = await admin.take(p.NotifyNodeInformation);
  assert.deepEqual(nodes.map(({ nid, state }) => [nid, state]), [[S2, "DOWN"]]);
  const changed = await admin.take(p.NotifyNodeInformation);
  assert.deepEqual(
    changed.nodes.map(({ nid, state }) => [nid, state]).sort(),
    [[C1, "UNKNOWN"], [S1, "PENDING"]].sort(),
  );
  assert.equal((await admin.take(p.NotifyClusterInformation)).state, "RECOVERING");
  lock.answer({ ttid });
  await first.drain();
  const { rows } = await admin.ask(p.AskPartitionTable, {});
  assert.ok(rows.every(({ cells }) => cells.length === 0), "the table is asked for again");
});

Deno.test("a cell is readable again once its storage has replicated all", async () => {
  await using running = await runningCluster(2);
  const { cluster, admin, storages: [first, second] } = running;
  assert.ok(first && second);
  second.close();
  await admin.skipTo(p.NotifyPartitionChanges);
  const back = await cluster.storage(2);
  back.notify(p.NotifyReady, {});
  // Nothing was asked yet: this is late news of a former life.
  back.notify(p.NotifyReplicationDone, { offset: 1, tid: tidOf(1) });
  assert.deepEqual(await back.rest(), ["SendPartitionTable", "StartOperation"]);
  await back.ask(p.AskUnfinishedTransactions, { offsets: [0, 1, 2, 3] });
  await admin.drain();
  back.notify(p.NotifyReplicationDone, { offset: 1, tid: tidOf(1) });
  const { changes } = await admin.take(p.NotifyPartitionChanges);
  assert.deepEqual(changes, [{ offset: 1, nid: S2, state: "UP_TO_DATE" }]);
  back.notify(p.NotifyReplicationDone, { offset: 9, tid: tidOf(1) });
  await back.closed();
});

Deno.test("a cell that is found corrupted is not read any more, or ends operation", async () => {
  await using running = await runningCluster(2);
  const { admin, storages: [first] } = running;
  assert.ok(first);
  first.notify(p.NotifyPartitionCorrupted, { partition: 2, nids: [S2] });
  const { changes } = await admin.take(p.NotifyPartitionChanges);
  assert.deepEqual(changes, [{ offset: 2, nid: S2, state: "CORRUPTED" }]);
  first.notify(p.NotifyPartitionCorrupted, { partition: 2, nids: [S1, S3] });
  await admin.take(p.NotifyPartitionChanges);
  await admin.take(p.NotifyNodeInformation);
  assert.equal((await admin.take(p.NotifyClusterInformation)).state, "RECOVERING");
});

Deno.test("that a cell is corrupted is only believed of a storage that has one, too", async () => {
  await using running = await runningCluster(2);
  const { admin, cluster } = running;
  const pending = await cluster.storage(3, { rows: emptyRows(4) });
  await admin.drain();
  pending.notify(p.NotifyPartitionCorrupted, { partition: 2, nids: [S1, S2] });
  pending.notify(p.NotifyPartitionCorrupted, { partition: 2 ** 32 - 1, nids: [S1] });
  await pending.ask(p.Ping, {});
  assert.deepEqual(await admin.rest(), []);
  await cluster.log.says(/ignored S3: it has no part in partition 2/);
});

Deno.test("what a storage said before it heard of the end of operation is ignored", async () => {
  await using running = await runningCluster(2, { replicas: 0 });
  const { admin, storages: [first, second] } = running;
  assert.ok(first && second);
  second.close();
  await admin.skipTo(p.NotifyClusterInformation);
  first.notify(p.NotifyReady, {});
  first.notify(p.NotifyDeadlock, { ttid: tidOf(1), lockingTid: tidOf(1) });
  first.notify(p.NotifyReplicationDone, { offset: 1, tid: tidOf(1) });
  void first.ask(p.AskUnfinishedTransactions, { offsets: [1] }).catch(() => {});
  await first.drain();
});
