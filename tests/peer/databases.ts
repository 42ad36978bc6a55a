/** Looks into the SQLite databases of storage nodes, to see what a node has put on disk. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Cluster } from "../support/cluster.ts";

/** The committed contents of a database, without the ids that each database gives to its data. */
const QUERIES = [
  "SELECT partition, tid, packed, oids, user, description, ext, ttid FROM trans " +
  "ORDER BY partition, tid",
  "SELECT partition, oid, tid, hash, compression, value, value_tid " +
  "FROM obj LEFT JOIN data ON obj.data_id = data.id ORDER BY partition, oid, tid",
];

/** All committed transactions and objects of the database at `path`, whose node has ended. */
export function committedContents(path: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return QUERIES.map((query) => {
      const statement = database.prepare(query);
      statement.setReadBigInts(true);
      return statement.all();
    });
  } finally {
    database.close();
  }
}

/**
 * Stops a cluster of two storages, which are replicas, and checks that both have the same on disk.
 * NEO's storage puts off the last step of its last transaction and may end before it; the start
 * that follows makes up for it, so this starts and stops the cluster once more.
 */
export async function assertSameContents(cluster: Cluster, directory: string): Promise<void> {
  await cluster.stop();
  await cluster.startNodes();
  await cluster.stop();
  const [first, second] = [1, 2].map((number) =>
    committedContents(`${directory}/storage${number}.sqlite`)
  );
  assert.deepEqual(first, second);
}
