/** A storage's database in an SQLite file. */

import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendOptions } from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import { makeBackend } from "../sql/backend.ts";
import { examine } from "../sql/examination.ts";
import { Connection } from "./connection.ts";
import { sqliteDialect } from "./dialect.ts";

/**
 * Opens (creates, migrates) a database. Rejects with a DatabaseError when it is in use, or belongs
 * to another cluster, or can't be migrated; then it is left as it is.
 */
export async function openSqlite(
  host: NodeHost,
  path: string,
  options: BackendOptions,
): Promise<Backend> {
  const dialect = sqliteDialect(options);
  const { database, device } = host.openDatabase(path, (database) => {
    const connection = { read: (sql: string) => database.prepare(sql) };
    return atOnce(examine({ connection, dialect, ...options }));
  });
  const connection = new Connection({ host, database, failed: options.failed });
  const devpath = [host.hostname, device];
  const parts = { host, connection, dialect, bigValues: null, devpath };
  const backend = await makeBackend(parts, options);
  // What pages were like before a statement that moves rows is kept in memory: it would go to a
  // new file, for each transaction of some 20 objects. No statement moves more than some hundred,
  // and only migrations, which are over, sort more than a few rows.
  database.exec("PRAGMA temp_store = MEMORY");
  return backend;
}

/** What an embedded database answers. */
function atOnce<T>(value: Eventual<T>): T {
  if (value instanceof Promise) throw new RangeError("expected SQLite to answer at once");
  return value;
}
