/** Opens a storage's database, of whichever kind it is. */

import type { NodeHost } from "../../host/host.ts";
import type { Backend, BackendOptions } from "./backend.ts";
import { type MysqlOptions, openMysql } from "./mysql/backend.ts";
import { openSqlite } from "./sqlite/backend.ts";

/** Where a storage's database is. */
export type DatabaseAddress =
  | { readonly adapter: "SQLite"; readonly path: string }
  | { readonly adapter: "MySQL" } & MysqlOptions;

/** Opens a database. Rejects with a DatabaseError when it can't be used; it is left as it is. */
export function openBackend(
  host: NodeHost,
  database: DatabaseAddress,
  options: BackendOptions,
): Promise<Backend> {
  return database.adapter === "SQLite"
    ? openSqlite(host, database.path, options)
    : openMysql(host, database, options);
}
