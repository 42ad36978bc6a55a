/** A storage's database in an SQLite file. */

import { DatabaseError } from "../../../errors.ts";
import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendOptions } from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import { Connection } from "./connection.ts";
import { SqliteData } from "./data.ts";
import { LastIds } from "./last_ids.ts";
import { SqliteMaintenance } from "./maintenance.ts";
import { migrate } from "./migrations.ts";
import { SqliteObjects } from "./objects.ts";
import { SqlitePartitionTable } from "./partition_table.ts";
import { SqlitePending } from "./pending.ts";
import { SqliteReplica } from "./replica.ts";
import { completeSchema, dropSchema, hasTable, SCHEMA_VERSION } from "./schema.ts";
import { SqliteSettings } from "./settings.ts";
import { SqliteTransactions } from "./transactions.ts";

/**
 * Opens (creates, migrates) a database. Throws a DatabaseError when it is in use, or belongs to
 * another cluster, or can't be migrated; then it is left as it is.
 */
export function openSqlite(
  host: NodeHost,
  path: string,
  options: BackendOptions,
): Backend {
  const { database, device } = host.openDatabase(path);
  const connection = new Connection({ host, database, failed: options.failed });
  try {
    // Whose database it is comes first: a mistaken name must cost nothing.
    if (hasTable(connection, "config")) checkName(connection, options.cluster);
    if (options.reset) dropSchema(connection);
    if (hasTable(connection, "config")) {
      const settings = new SqliteSettings(connection);
      migrate(connection, settings.version, (version) => settings.version = version);
    }
    const isNew = !hasTable(connection, "config");
    completeSchema(connection, options);
    const settings = new SqliteSettings(connection);
    if (isNew) settings.version = SCHEMA_VERSION;
    if (settings.name === null) settings.name = options.cluster;
    connection.commitNow();
    return new SqliteBackend(host, connection, {
      settings,
      devpath: [host.hostname, device],
    });
  } catch (error) {
    connection.abandon();
    throw error;
  }
}

function checkName(connection: Connection, cluster: string): void {
  const find = connection.read("SELECT value FROM config WHERE name = 'name'");
  const name = find.get()?.value ?? null;
  if (name === null || name === cluster) return;
  throw new DatabaseError(`name '${cluster}' does not match with the database: '${name}'`);
}

class SqliteBackend implements Backend {
  readonly settings: SqliteSettings;
  readonly devpath: readonly string[];
  readonly table: SqlitePartitionTable;
  readonly objects: SqliteObjects;
  readonly transactions: SqliteTransactions;
  readonly data: SqliteData;
  readonly pending: SqlitePending;
  readonly maintenance: SqliteMaintenance;
  readonly replica: SqliteReplica;
  readonly #connection: Connection;

  constructor(host: NodeHost, connection: Connection, { settings, devpath }: {
    readonly settings: SqliteSettings;
    readonly devpath: readonly string[];
  }) {
    this.#connection = connection;
    this.settings = settings;
    this.devpath = devpath;
    const lastIds = new LastIds(connection);
    const data = new SqliteData(connection, settings);
    this.data = data;
    this.table = new SqlitePartitionTable(connection, settings, lastIds);
    this.objects = new SqliteObjects(connection, settings, host.log);
    this.transactions = new SqliteTransactions(connection, settings);
    this.pending = new SqlitePending(connection, settings, data);
    this.maintenance = new SqliteMaintenance({ host, connection, settings, data, lastIds });
    this.replica = new SqliteReplica({ connection, settings, data, lastIds });
  }

  commit(): Promise<void> {
    return this.#connection.commit();
  }

  commitLater(): void {
    this.#connection.commitLater();
  }

  committed(): Eventual<void> {
    return this.#connection.committed();
  }

  erase(): void {
    dropSchema(this.#connection);
  }

  close({ commit }: { readonly commit: boolean }): void {
    if (commit) this.#connection.close();
    else this.#connection.abandon();
  }
}
