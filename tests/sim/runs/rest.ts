/** What databases hold once the cluster has stopped: the same everywhere, and nothing besides. */

import assert from "node:assert/strict";
import { type Nid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import type { SqlRow } from "../../../nodes/host/host.ts";
import type { SimulatedCluster } from "../cluster.ts";
import { nidOn, rowsOn } from "../stopped.ts";
import type { RunOptions } from "./options.ts";

/** How long it may take until storages have heard that clients are gone. */
const NEWS_MS = 500;
/** How much of a row a message shows. */
const SHOWN_CHARACTERS = 400;

const TRANSACTIONS =
  "SELECT tid, oids, user, description, ext, ttid FROM trans WHERE partition = $ ORDER BY tid";
const OBJECTS = "SELECT oid, tid, value_tid, hash, compression, value FROM obj " +
  "LEFT JOIN data ON data.id = data_id WHERE obj.partition = $ ORDER BY oid, tid";

/** Stops a cluster. Throws when replicas differ, or when something is left that nobody needs. */
export async function assertAtRest(
  cluster: SimulatedCluster,
  options: RunOptions,
  { packTid }: { readonly packTid: Tid } = { packTid: ZERO_TID },
): Promise<void> {
  const rows = await cluster.world.run(cluster.table()) ?? [];
  assert.equal(rows.length, options.partitions);
  // Storages forget what clients left unfinished once they hear that those are gone.
  await cluster.world.runFor(NEWS_MS);
  // Who is not let in, since another one has its id by now, has nothing to say.
  const strangers = new Set(await cluster.stop());
  const storages = new Map<Nid | null, string>();
  const names = cluster.storageNames.filter((name) => !strangers.has(name));
  for (const name of names) storages.set(nidOn(cluster.world.host(name)), name);
  for (const [partition, { cells }] of rows.entries()) {
    const owners = cells.flatMap(({ nid, state }) =>
      state === "UP_TO_DATE" ? storages.get(nid) ?? [] : []
    );
    assertReplicasAgree(cluster, { partition, owners, packTid });
  }
  // One that takes no part keeps what it has until it does again.
  const inUse = new Set(rows.flatMap(({ cells }) => cells.map(({ nid }) => nid)));
  for (const [nid, name] of storages) {
    if (nid !== null && inUse.has(nid)) assertNothingLeft(cluster, name, options);
  }
}

/** A partition, the names of the storages that have all of it, and up to where it was packed. */
interface Replicas {
  readonly partition: number;
  readonly owners: readonly string[];
  readonly packTid: Tid;
}

/** Throws when nobody has a partition, or not all have the same. */
function assertReplicasAgree(cluster: SimulatedCluster, replicas: Replicas): void {
  const { partition, owners: [first, ...others] } = replicas;
  assert.ok(first !== undefined, `nobody has partition ${partition}`);
  const expected = contents(cluster, first, replicas);
  for (const other of others) {
    const found = contents(cluster, other, replicas);
    const missing = [...expected.difference(found)];
    const surplus = [...found.difference(expected)];
    if (missing.length + surplus.length === 0) continue;
    throw new Error(
      `${other} and ${first} differ on partition ${partition}: ` +
        `it lacks ${missing.length} rows, such as ${missing[0]?.slice(0, SHOWN_CHARACTERS)}; ` +
        `it has ${surplus.length} of its own, such as ` +
        `${surplus[0]?.slice(0, SHOWN_CHARACTERS)}`,
    );
  }
}

/** What a storage has of a partition that replicas must agree on, a text for each row. */
function contents(
  cluster: SimulatedCluster,
  name: string,
  { partition, packTid }: Replicas,
): Set<string> {
  const rows = (sql: string) =>
    rowsOn(cluster.world.host(name), sql.replace("$", String(partition)));
  return new Set([...rows(TRANSACTIONS), ...needed(rows(OBJECTS), packTid)].map(rowText));
}

/** All of a row, its data last: rows are the same when their texts are. */
function rowText(row: SqlRow): string {
  return Object.entries(row).map(([name, value]) => `${name}=${columnText(value)}`).join(" ");
}

function columnText(value: SqlRow[string] | undefined): string {
  if (value instanceof Uint8Array) return value.toHex();
  return typeof value === "bigint" ? value.toString(16) : String(value);
}

/**
 * The revisions that no pack up to a tid may have deleted. A pack passes by cells that are not
 * complete, so that replicas may differ by what nobody needs any more: NEO's protocol has no way to
 * tell a replica that comes back what was packed meanwhile. Which revision has the data of an undo
 * may be another one as well.
 */
function needed(rows: readonly SqlRow[], packTid: Tid): readonly SqlRow[] {
  if (packTid === ZERO_TID) return rows;
  const last = new Map<SqlRow[string], SqlRow>();
  for (const row of rows) {
    const { oid = null, tid = null } = row;
    if (typeof tid === "bigint" && tid <= packTid) last.set(oid, row);
  }
  return rows.filter((row) => {
    const { oid = null, tid, hash } = row;
    if (typeof tid !== "bigint" || tid > packTid) return true;
    return last.get(oid) === row && hash !== null;
  }).map((row) => ({ ...row, value_tid: null }));
}

function assertNothingLeft(cluster: SimulatedCluster, name: string, { faults }: RunOptions): void {
  for (const table of ["tobj", "ttrans"]) {
    assert.deepEqual(
      rowsOn(cluster.world.host(name), `SELECT * FROM ${table}`),
      [],
      `${table} at rest`,
    );
  }
  // Data that were stored and not voted are orphans when the storage dies.
  if (faults !== "none" && faults !== "client") return;
  const orphans = "SELECT id FROM data WHERE id NOT IN " +
    "(SELECT data_id FROM obj WHERE data_id IS NOT NULL)";
  assert.deepEqual(rowsOn(cluster.world.host(name), orphans), [], `orphans of ${name}`);
}
