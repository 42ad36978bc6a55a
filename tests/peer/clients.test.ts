/**
 * Real NEO clients (neo.client.Storage under ZODB) on clusters of this project's nodes: one node
 * of each kind, and a replicated one; in the clear and under TLS.
 */
import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import { Cluster, type ClusterOptions } from "../support/cluster.ts";
import { PeerClient, PeerError } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

const BIG_BYTES = 5 * 1024 * 1024 + 1;

interface Shape {
  readonly storages: number;
  readonly partitions: number;
  readonly replicas: number;
}

const SINGLE: Shape = { storages: 1, partitions: 1, replicas: 0 };
const REPLICATED: Shape = { storages: 2, partitions: 12, replicas: 1 };

async function readInAnotherProcess(cluster: Cluster, first: PeerClient): Promise<void> {
  await first.ask("set", { key: "colour", value: "green" });
  await using second = await PeerClient.open(cluster);
  assert.equal(await second.ask("get", { key: "colour" }), "green");
}

async function conflict(first: PeerClient, second: PeerClient): Promise<void> {
  await first.ask("set", { key: "tree", value: "oak" });
  assert.equal(await second.ask("get", { key: "tree" }), "oak");
  await second.ask("put", { key: "tree", value: "ash" });
  await first.ask("set", { key: "tree", value: "elm" });
  await assert.rejects(
    second.ask("commit"),
    (error: unknown) => error instanceof PeerError && error.exception === "ConflictError",
  );
  assert.equal(await second.ask("get", { key: "tree" }), "elm");
}

async function invalidation(first: PeerClient, second: PeerClient): Promise<void> {
  assert.equal(await second.ask("get", { key: "tree" }), "elm");
  const tid = await first.ask("set", { key: "tree", value: "fir" });
  // The root object, 0, was changed; whoever committed it is not told.
  assert.deepEqual((await second.ask("told") as unknown[]).at(-1), [tid, [0]]);
  assert.notDeepEqual((await first.ask("told") as unknown[]).at(-1), [tid, [0]]);
  // A transaction that began before keeps seeing what it saw; the next one sees the change.
  assert.equal(await second.ask("peek", { key: "tree" }), "elm");
  assert.equal(await second.ask("get", { key: "tree" }), "fir");
}

async function bigObject(first: PeerClient, second: PeerClient): Promise<void> {
  const digest = await first.ask("add_big", { key: "big", size: BIG_BYTES });
  assert.deepEqual(await second.ask("read_big", { key: "big" }), [BIG_BYTES, digest]);
}

async function manyObjects(first: PeerClient, second: PeerClient): Promise<void> {
  await first.ask("add_many", { key: "many", count: 500 });
  assert.deepEqual(await second.ask("read_many", { key: "many" }), [500, 500 * 499 / 2]);
}

async function undoAndHistory(first: PeerClient, second: PeerClient): Promise<void> {
  assert.equal(await first.ask("fill"), 4);
  assert.equal(await second.ask("get", { key: "counter" }), 4);
  const history = await second.ask("history", { oid: 0, size: 3 }) as unknown[][];
  assert.equal(history.length, 3);
  assert.equal(history[0]?.[2], "undo");
}

async function afterRestart(cluster: Cluster, stayed: PeerClient, dump: unknown): Promise<void> {
  // One client has kept running and finds its way back; another starts now.
  assert.deepEqual(await stayed.ask("dump"), dump);
  await using fresh = await PeerClient.open(cluster);
  assert.deepEqual(await fresh.ask("dump"), dump);
  await fresh.ask("set", { key: "colour", value: "red" });
  assert.equal(await stayed.ask("get", { key: "colour" }), "red");
}

/** Everything above on one cluster, then again after all of its nodes stopped and started. */
async function onCluster(t: Deno.TestContext, options: ClusterOptions): Promise<void> {
  await using cluster = await Cluster.start(options);
  await using first = await PeerClient.open(cluster);
  await using second = await PeerClient.open(cluster);
  await t.step(
    "what is committed is read by another process",
    () => readInAnotherProcess(cluster, first),
  );
  await t.step(
    "the later of two conflicting commits is refused",
    () => conflict(first, second),
  );
  await t.step(
    "a commit invalidates what other clients have cached",
    () => invalidation(first, second),
  );
  await t.step("an object of several MiB", () => bigObject(first, second));
  await t.step("500 objects in one transaction", () => manyObjects(first, second));
  await t.step("undo, deletion, extensions and history", () => undoAndHistory(first, second));
  const dump = await first.ask("dump");
  await t.step("a clean stop ends every node with status 0", () => cluster.stop());
  await cluster.startNodes();
  await t.step("everything is there after a restart", () => afterRestart(cluster, first, dump));
}

function onShape(shape: Shape, options: { readonly tls: boolean }) {
  return (t: Deno.TestContext) =>
    inDirectory(async (directory) => {
      await onCluster(t, {
        directory,
        master: ours,
        storages: Array<typeof ours>(shape.storages).fill(ours),
        ctl: real,
        partitions: shape.partitions,
        replicas: shape.replicas,
        tls: options.tls ? await makeCertificates(directory) : null,
      });
    });
}

peerGroup("real clients", {
  "1 storage, 1 partition": onShape(SINGLE, { tls: false }),
  "1 storage, 1 partition, TLS": onShape(SINGLE, { tls: true }),
  "2 storages, 12 partitions, 1 replica": onShape(REPLICATED, { tls: false }),
  "2 storages, 12 partitions, 1 replica, TLS": onShape(REPLICATED, { tls: true }),
});
