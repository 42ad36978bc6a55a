/** What databases hold once the cluster has stopped: the same everywhere, and nothing besides. */

import assert from "node:assert/strict";
import { AskPartitionList } from "../../../gen/packets.ts";
import { type Nid, nid as asNid } from "../../../nodes/codec/ids.ts";
import type { SimulatedCluster } from "../cluster.ts";
import type { RunOptions } from "./options.ts";

/** How long it may take until storages have heard that clients are gone. */
const NEWS_MS = 500;

const TRANSACTIONS =
  "SELECT tid, oids, user, description, ext, ttid FROM trans WHERE partition = $ ORDER BY tid";
const OBJECTS = "SELECT oid, tid, value_tid, hash, compression, value FROM obj " +
  "LEFT JOIN data ON data.id = data_id WHERE obj.partition = $ ORDER BY oid, tid";

/** Stops a cluster. Throws when replicas differ, or when something is left that nobody needs. */
export async function assertAtRest(cluster: SimulatedCluster, options: RunOptions): Promise<void> {
  const { rows } = await cluster.world.run(
    cluster.control(AskPartitionList, { minOffset: 0, maxOffset: 0, nid: null }),
  ) ?? { rows: [] };
  assert.equal(rows.length, options.partitions);
  // Storages forget what clients left unfinished once they hear that those are gone.
  await cluster.world.runFor(NEWS_MS);
  await cluster.stop();
  const numbers = Array.from({ length: options.storages }, (_, at) => at + 1);
  const storages = new Map<Nid | null, number>();
  for (const number of numbers) storages.set(nidOf(cluster, number), number);
  for (const [partition, { cells }] of rows.entries()) {
    const [first, ...others] = cells.flatMap(({ nid, state }) =>
      state === "UP_TO_DATE" ? storages.get(nid) ?? [] : []
    );
    assert.ok(first !== undefined, `nobody has partition ${partition}`);
    for (const sql of [TRANSACTIONS, OBJECTS].map((sql) => sql.replace("$", String(partition)))) {
      const expected = cluster.rows(first, sql);
      for (const other of others) {
        const where: string = `storage ${other} and ${first} on partition ${partition}`;
        assert.deepEqual(cluster.rows(other, sql), expected, where);
      }
    }
  }
  for (const number of numbers) assertNothingLeft(cluster, number, options);
}

function assertNothingLeft(
  cluster: SimulatedCluster,
  storage: number,
  { faults }: RunOptions,
): void {
  for (const table of ["tobj", "ttrans"]) {
    assert.deepEqual(cluster.rows(storage, `SELECT * FROM ${table}`), [], `${table} at rest`);
  }
  // Data that were stored and not voted are orphans when the storage dies.
  if (faults !== "none" && faults !== "client") return;
  const orphans = "SELECT id FROM data WHERE id NOT IN " +
    "(SELECT data_id FROM obj WHERE data_id IS NOT NULL)";
  assert.deepEqual(cluster.rows(storage, orphans), [], `orphans of storage ${storage}`);
}

function nidOf(cluster: SimulatedCluster, storage: number): Nid {
  const [row] = cluster.rows(storage, "SELECT value FROM config WHERE name = 'nid'");
  return asNid(Number(row?.value));
}
