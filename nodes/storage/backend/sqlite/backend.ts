/** A storage's database in an SQLite file. */

import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendOptions } from "../backend.ts";
import { makeBackend } from "../sql/backend.ts";
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
  const { database, device } = host.openDatabase(path);
  const connection = new Connection({ host, database, failed: options.failed });
  const dialect = sqliteDialect(options);
  const devpath = [host.hostname, device];
  return await makeBackend({ host, connection, dialect, bigValues: null, devpath }, options);
}
