/**
 * A transaction of 100,000 objects: neither the client nor the nodes keep its data in memory, only
 * what each object is called and based on.
 */

import assert from "node:assert/strict";
import { type Client, connect, type Oid, oid as asOid } from "../../mod.ts";
import { Cluster, ours, ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";

const OBJECTS = 100_000;
const OBJECT_BYTES = 3000;
const CLIENT_MS = 180_000;
const MEBIBYTE = 1 << 20;

/**
 * How much each may grow by; the data of the transaction are 286 MiB. Per object, a storage keeps
 * about 700 bytes until the end and a client about 400, besides data in flight (16 MiB) and those
 * in the cache (20 MiB). Of nodes it is the resident memory, where garbage counts; of the client
 * what is alive.
 */
const CLIENT_BOUND = 128 * MEBIBYTE;
const STORAGE_BOUND = 240 * MEBIBYTE;
const MASTER_BOUND = 96 * MEBIBYTE;

interface Result {
  readonly oids: readonly number[];
  readonly sentMs: number;
  readonly committedMs: number;
  readonly grownBytes: number;
}

Deno.test("a transaction of 100,000 objects is committed in bounded memory", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo-huge-" });
  try {
    await using cluster = await Cluster.start({
      directory,
      master: ours,
      storages: [ours],
      ctl: ours,
      partitions: 12,
    });
    const url = `neo://${cluster.name}@${cluster.masters}`;
    await using client = await connect(url);
    const before = {
      storage: peakBytes(cluster, "storage1"),
      master: peakBytes(cluster, "master"),
    };
    const { oids, sentMs, committedMs, grownBytes } = await commitMany(url);
    const grown = {
      client: grownBytes,
      storage: peakBytes(cluster, "storage1") - before.storage,
      master: peakBytes(cluster, "master") - before.master,
    };
    const parts = Object.entries(grown).map(([who, bytes]) => `${who} ${mebibytes(bytes)} MiB`);
    console.log(
      `${OBJECTS} objects of ${OBJECT_BYTES} bytes: sent in ${sentMs.toFixed(0)} ms, committed ` +
        `after ${committedMs.toFixed(0)} ms; grown by ${parts.join(", ")}`,
    );
    assert.ok(grown.client < CLIENT_BOUND, `the client grew by ${mebibytes(grown.client)} MiB`);
    assert.ok(grown.storage < STORAGE_BOUND, `the storage grew by ${mebibytes(grown.storage)} MiB`);
    assert.ok(grown.master < MASTER_BOUND, `the master grew by ${mebibytes(grown.master)} MiB`);
    await checkWhole(client, oids.map((oid) => asOid(BigInt(oid))));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Lets a client of its own process commit all objects at once. */
async function commitMany(url: string): Promise<Result> {
  const argv = [
    Deno.execPath(),
    ...["run", "-A", "--v8-flags=--expose-gc", `--config=${ROOT}deno.json`],
    `${ROOT}tests/cluster-in-processes/huge_client.ts`,
    ...[url, String(OBJECTS), String(OBJECT_BYTES)],
  ];
  const client = await run(argv, { name: "client", timeoutMs: CLIENT_MS });
  assert.equal(client.code, 0, client.stderr);
  return JSON.parse(client.stdout);
}

/** The transaction names all its objects, and they are there, as some of them show. */
async function checkWhole(client: Client, oids: readonly Oid[]): Promise<void> {
  assert.equal(oids.length, OBJECTS);
  await client.sync();
  const { oids: told } = await client.transaction(client.lastTid);
  assert.equal(told.length, OBJECTS);
  assert.deepEqual(new Set(told), new Set(oids));
  for (let at = 0; at < OBJECTS; at += 997) {
    const oid = oids[at];
    assert.ok(oid !== undefined);
    const { data, serial } = await client.load(oid);
    assert.equal(serial, client.lastTid);
    assert.equal(data.length, OBJECT_BYTES);
    assert.equal(new DataView(data.buffer, data.byteOffset).getBigUint64(0), oid);
  }
}

/** The greatest resident memory that a node has had so far. */
function peakBytes(cluster: Cluster, node: string): number {
  const status = Deno.readTextFileSync(`/proc/${cluster.node(node).pid}/status`);
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  assert.ok(found !== null, status);
  return Number(found[1]) * 1024;
}

function mebibytes(bytes: number): string {
  return (bytes / MEBIBYTE).toFixed(0);
}
