/** Whole clusters that are backups of others: what operators and readers get. */

import assert from "node:assert/strict";
import {
  AddPendingNodes,
  AskLastTransaction,
  AskPartitionTable,
  AskRecovery,
  SetClusterState,
  Truncate,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import { type Client, type Oid, StorageError, TransientError } from "../../mod.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { partitionOf } from "../../nodes/codec/ids.ts";
import {
  change,
  commit,
  follow,
  open,
  type Pair,
  untilHas,
  untilSeen,
  untilState,
  withPair,
} from "../support/backup.ts";
import { type InProcessCluster, withCluster } from "../support/in_process.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

async function read(client: Client, oid: Oid): Promise<string> {
  return decoder.decode((await client.load(oid)).data);
}

function store(client: Client, oid: Oid, text: string): Promise<unknown> {
  return client.transact((tx) => tx.store(oid, encoder.encode(text)));
}

/** Waits until all cells of a cluster are complete. */
async function untilComplete(cluster: InProcessCluster): Promise<void> {
  for (;;) {
    const { rows } = await cluster.ask(AskPartitionTable, {});
    if (rows.every(({ cells }) => cells.every(({ state }) => state === "UP_TO_DATE"))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("readers of a backup see what is committed upstream, without coming again", async () => {
  await withPair({ backup: { storages: 2, replicas: 1 } }, async ({ upstream, backup }) => {
    await using writer = await open(upstream);
    const { oid, tid } = await commit(writer, "one");
    await follow(backup);
    await using reader = await open(backup);
    await untilSeen(reader, tid);
    assert.equal(await read(reader, oid), "one");
    const told = reader.invalidations();
    const followed = reader.follow();
    for (const text of ["two", "three"]) {
      await store(writer, oid, text);
      const { value } = await told.next();
      assert.deepEqual(value?.oids, [oid]);
      assert.equal((await reader.load(oid)).serial, value?.tid);
      assert.equal(await read(reader, oid), text);
      assert.equal((await followed.next()).value?.tid, value?.tid);
    }
    await followed.return?.();
    await assert.rejects(store(reader, oid, "four"), StorageError);
    assert.equal(await read(reader, oid), "three");
  });
});

Deno.test("a backup becomes a cluster of its own, with all that it had", async () => {
  await withPair({ backup: { storages: 2, replicas: 1 } }, async ({ upstream, backup }) => {
    await using writer = await open(upstream);
    const { oid } = await commit(writer, "kept");
    await follow(backup);
    const { tid } = await commit(writer, "last");
    await untilHas(backup, tid);
    await upstream.stop();
    await untilState(backup, "STARTING_BACKUP");
    await change(backup, "STOPPING_BACKUP", "RUNNING");
    await using client = await open(backup);
    assert.equal(await read(client, oid), "kept");
    await store(client, oid, "changed");
    assert.equal(await read(client, oid), "changed");
  });
});

Deno.test("a backup goes on after its own nodes and those upstream were gone", async () => {
  await withPair({ backup: { storages: 2 } }, async ({ upstream, backup }) => {
    await using writer = await open(upstream);
    await follow(backup);
    await untilHas(backup, (await commit(writer, "before")).tid);
    // Without one of them it can't be read; it starts again as a backup.
    await backup.kill("storage1");
    await backup.masterLog.says(/the cluster is RECOVERING/);
    await commit(writer, "meanwhile");
    await backup.startStorage(1);
    await untilState(backup, "BACKINGUP");
    await untilHas(backup, (await commit(writer, "after")).tid);

    await upstream.kill("master");
    await backup.masterLog.says(/lost the upstream cluster/);
    await upstream.startMaster();
    await untilState(backup, "BACKINGUP");
    await untilHas(backup, (await commit(writer, "again")).tid);

    await backup.kill("master");
    const { tid } = await commit(writer, "unseen");
    await backup.startMaster();
    await untilState(backup, "BACKINGUP");
    await untilHas(backup, tid);
    await using reader = await open(backup);
    const read = await commit(writer, "read");
    await untilSeen(reader, read.tid);
    assert.equal((await reader.load(read.oid)).serial, read.tid);
  });
});

Deno.test("a backup that is stopped goes on as one when it is started again", async () => {
  await withPair({ backup: { storages: 2, replicas: 1 } }, async ({ upstream, backup }) => {
    await using writer = await open(upstream);
    await follow(backup);
    await untilHas(backup, (await commit(writer, "before")).tid);
    const names = ["master", "storage1", "storage2"];
    await backup.ask(SetClusterState, { state: "STOPPING" });
    for (const name of names) await backup.ended(name);
    const { oid, tid } = await commit(writer, "meanwhile");
    await backup.startMaster();
    for (const number of [1, 2]) await backup.startStorage(number);
    await untilState(backup, "BACKINGUP");
    await using reader = await open(backup);
    await untilSeen(reader, tid);
    assert.equal(await read(reader, oid), "meanwhile");
  });
});

Deno.test("the original becomes a backup of what was its backup", async () => {
  await withPair({}, async ({ upstream, backup }) => {
    const down = { cluster: backup.name, masters: [backup.master] };
    let oid: Oid;
    {
      await using writer = await open(upstream);
      await follow(backup);
      const both = await commit(writer, "both have it");
      oid = both.oid;
      await untilHas(backup, both.tid);
      await change(backup, "STOPPING_BACKUP", "RUNNING");
      await store(writer, oid, "only the original has it");
    }
    await using writer = await open(backup);
    await store(writer, oid, "the backup goes on");
    await upstream.kill("master");
    await upstream.startMaster(down);
    await untilState(upstream, "RUNNING");
    const { tid } = await commonTid(writer, upstream, oid);
    await change(upstream, "STARTING_BACKUP", "STARTING_BACKUP");
    await upstream.masterLog.says(/the upstream cluster down: it does not have transaction/);
    await change(upstream, "STOPPING_BACKUP", "RUNNING");
    upstream.masterLog.clear();
    await upstream.ask(Truncate, { tid });
    await upstream.masterLog.says(/the cluster is RUNNING/);
    await follow(upstream);
    await using reader = await open(upstream);
    await untilSeen(reader, writer.lastTid);
    assert.equal(await read(reader, oid), "the backup goes on");
  });
});

Deno.test("a storage of a backup is replaced by an empty one", async () => {
  await withPair({ backup: { storages: 2, replicas: 1 } }, async ({ upstream, backup }) => {
    await using writer = await open(upstream);
    const { oid } = await commit(writer, "old");
    await follow(backup);
    await backup.kill("storage1");
    await store(writer, oid, "new");
    await backup.startStorage(3);
    await backup.masterLog.says(/accepted S3 .* as PENDING/);
    await backup.ask(AddPendingNodes, { nids: [nodeId("STORAGE", 3)] });
    await backup.ask(TweakPartitionTable, { nids: [] });
    await untilComplete(backup);
    // All that there is must be on the new one, too.
    await backup.kill("storage2");
    await backup.startStorage(2);
    await untilComplete(backup);
    await using reader = await open(backup);
    await untilSeen(reader, writer.lastTid);
    assert.equal(await read(reader, oid), "new");
  });
});

Deno.test("a backup can have a backup", async () => {
  await withPair({}, async ({ upstream, backup }) => {
    const down = { cluster: backup.name, masters: [backup.master] };
    await withCluster({ name: "farther", upstream: down }, async (farther) => {
      await using writer = await open(upstream);
      const { oid } = await commit(writer, "one");
      await follow(backup);
      await follow(farther);
      await store(writer, oid, "two");
      await using reader = await open(farther);
      await untilSeen(reader, writer.lastTid);
      assert.equal(await read(reader, oid), "two");
    });
  });
});

Deno.test("who gives up to become a backup keeps all that was there, also after a restart", async () => {
  const partitions = 2;
  const options = { upstream: { partitions }, backup: { storages: 2, partitions } };
  await withPair(options, async ({ upstream, backup }) => {
    await upstream.kill("master");
    let last;
    {
      await using writer = await open(backup);
      // The last one concerns one storage only: the other knows of nothing so late.
      do last = await commit(writer, "ours"); while (
        partitionOf(last.oid, partitions) !== partitionOf(last.tid, partitions)
      );
    }
    await change(backup, "STARTING_BACKUP", "STARTING_BACKUP");
    assert.equal((await backup.ask(AskRecovery, {})).backupTid, last.tid);
    await backup.kill("master");
    await backup.startMaster();
    await untilState(backup, "STARTING_BACKUP");
    assert.equal((await backup.ask(AskRecovery, {})).backupTid, last.tid);
    await change(backup, "STOPPING_BACKUP", "RUNNING");
    await using reader = await open(backup);
    assert.equal(reader.lastTid, last.tid);
    assert.equal(await read(reader, last.oid), "ours");
  });
});

/** The newest revision of an object that two clusters have. */
async function commonTid(client: Client, cluster: InProcessCluster, oid: Oid) {
  await using other = await open(cluster);
  const history = await client.history(oid, { last: 10 });
  const others = new Set((await other.history(oid, { last: 10 })).map(({ tid }) => tid));
  const common = history.find(({ tid }) => others.has(tid));
  assert.ok(common !== undefined);
  return common;
}

/** Changes a few objects all the time, until it is stopped. */
class Changes {
  #isOver = false;
  readonly #done: Promise<void>;
  count = 0;

  constructor(client: Client, readonly oids: readonly Oid[]) {
    this.#done = this.#run(client);
  }

  async #run(client: Client): Promise<void> {
    while (!this.#isOver) {
      const oid = this.oids[this.count++ % this.oids.length];
      if (oid !== undefined) await store(client, oid, String(this.count));
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }
}

/** Sees that each object that is told of is found as it was changed, while nodes come and go. */
async function watch(reader: Client, end: AbortSignal): Promise<number> {
  let seen = 0;
  for await (const { tid, oids } of reader.invalidations({ signal: end })) {
    for (const oid of oids ?? []) {
      try {
        const { serial } = await reader.load(oid);
        assert.ok(serial >= tid, `object ${oid} of ${tid} was found as of ${serial}`);
        seen++;
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
      }
    }
  }
  return seen;
}

Deno.test("readers see no stale object while storages of the backup fail and return", async () => {
  const backup = { storages: 3, replicas: 1, partitions: 6 };
  await withPair({ upstream: { storages: 2, partitions: 6 }, backup }, async (pair: Pair) => {
    await using writer = await open(pair.upstream);
    const oids: Oid[] = [];
    for (let number = 0; number < 20; number++) oids.push((await commit(writer, "0")).oid);
    await follow(pair.backup);
    const changes = new Changes(writer, oids);
    await using reader = await open(pair.backup);
    const end = new AbortController();
    const watching = watch(reader, end.signal);
    for (const victim of [1, 2, 3]) {
      await pair.backup.kill(`storage${victim}`);
      const { count } = changes;
      while (changes.count < count + 100) await new Promise((resolve) => setTimeout(resolve, 5));
      await pair.backup.startStorage(victim);
      await untilComplete(pair.backup);
    }
    await changes.stop();
    const { tid } = await commit(writer, "last");
    await untilSeen(reader, tid);
    end.abort();
    assert.ok(await watching > 100);
    const { tid: last } = await pair.backup.ask(AskLastTransaction, {});
    assert.equal(last, tid);
    for (const oid of oids) assert.equal(await read(reader, oid), await read(writer, oid));
  });
});
