/** Opens a storage's database, of whichever kind it is. */

import type { NodeHost } from "../../host/host.ts";
import type { Backend, BackendOptions } from "./backend.ts";
import { openImporter } from "./importer/backend.ts";
import type { ImporterOptions } from "./importer/options.ts";
import { type MysqlOptions, openMysql } from "./mysql/backend.ts";
import { openSqlite } from "./sqlite/backend.ts";

/** Where a database is that is a storage's own. */
export type OwnDatabase =
  | { readonly adapter: "SQLite"; readonly path: string }
  | { readonly adapter: "MySQL" } & MysqlOptions;

/** Where a storage's database is: its own, or one that others are being imported to. */
export type DatabaseAddress =
  | OwnDatabase
  | {
    readonly adapter: "Importer";
    readonly importer: ImporterOptions;
    readonly database: OwnDatabase;
  };

/** Opens a database. Rejects with a DatabaseError when it can't be used; it is left as it is. */
export function openBackend(
  host: NodeHost,
  database: DatabaseAddress,
  options: BackendOptions,
): Promise<Backend> {
  switch (database.adapter) {
    case "SQLite":
      return openSqlite(host, database.path, options);
    case "MySQL":
      return openMysql(host, database, options);
    case "Importer": {
      const { importer } = database;
      const open = (own: BackendOptions) => openBackend(host, database.database, own);
      return openImporter(host, { importer, open }, options);
    }
  }
}
