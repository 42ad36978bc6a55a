/** Looks into the SQLite databases of storage nodes, to see what a node has put on disk. */
import { DatabaseSync } from "node:sqlite";

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
