/** A storage's tables in an SQL database, whichever it is. */

import { DatabaseError } from "../../../errors.ts";
import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendLimits, BackendOptions } from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import type { BigValues } from "./big_values.ts";
import type { SqlConnection } from "./connection.ts";
import { SqlData } from "./data.ts";
import type { Dialect } from "./dialect.ts";
import { examine } from "./examination.ts";
import { LastIds } from "./last_ids.ts";
import { SqlMaintenance } from "./maintenance.ts";
import { migrate } from "./migrations.ts";
import { SqlObjects } from "./objects.ts";
import { SqlPartitionTable } from "./partition_table.ts";
import type { Parts } from "./parts.ts";
import { SqlPending } from "./pending.ts";
import { SqlReplica } from "./replica.ts";
import { completeSchema, dropSchema } from "./schema.ts";
import { SqlSettings } from "./settings.ts";
import { SCHEMA_VERSION } from "./tables.ts";
import { SqlTransactions } from "./transactions.ts";

/** An open database, and what is known of it. */
export interface Opened {
  readonly host: NodeHost;
  readonly connection: SqlConnection;
  readonly dialect: Dialect;
  readonly bigValues: BigValues | null;
  readonly devpath: readonly string[];
}

/**
 * Makes a backend of a database: creates or migrates its tables. Rejects with a DatabaseError when
 * it belongs to another cluster, or can't be migrated; then it is closed, and left as it was.
 */
export async function makeBackend(opened: Opened, options: BackendOptions): Promise<Backend> {
  const { connection, dialect } = opened;
  try {
    const isNew = await prepare(opened, options);
    completeSchema(connection, dialect);
    const settings = await SqlSettings.read(connection, dialect);
    if (isNew) settings.version = SCHEMA_VERSION;
    if (settings.name === null) settings.name = options.cluster;
    await connection.commitNow();
    const deduplicated = await dialect.isDeduplicated(connection);
    const { bigValues } = opened;
    const data = await SqlData.open({ connection, settings, dialect, deduplicated, bigValues });
    return new SqlBackend(opened, settings, data);
  } catch (error) {
    await connection.abandon();
    throw error;
  }
}

/** Checks, and erases or migrates, what is there. Returns whether the database is new. */
async function prepare(
  { connection, dialect }: Opened,
  { cluster, reset }: BackendOptions,
): Promise<boolean> {
  const refusal = await examine({ connection, dialect, cluster, reset });
  if (refusal !== null) throw new DatabaseError(refusal);
  if (!await dialect.hasTable(connection, "config")) return true;
  if (reset) {
    dropSchema(connection);
    return true;
  }
  const settings = await SqlSettings.read(connection, dialect);
  await migrate({ connection, dialect }, settings.version, (version) => {
    settings.version = version;
  });
  return false;
}

class SqlBackend implements Backend {
  readonly limits: BackendLimits;
  readonly settings: SqlSettings;
  readonly devpath: readonly string[];
  readonly table: SqlPartitionTable;
  readonly objects: SqlObjects;
  readonly transactions: SqlTransactions;
  readonly data: SqlData;
  readonly pending: SqlPending;
  readonly maintenance: SqlMaintenance;
  readonly replica: SqlReplica;
  readonly #connection: SqlConnection;

  constructor(
    { host, connection, dialect, devpath }: Opened,
    settings: SqlSettings,
    data: SqlData,
  ) {
    this.#connection = connection;
    this.limits = dialect.limits;
    this.settings = settings;
    this.devpath = devpath;
    this.data = data;
    const lastIds = new LastIds(connection, dialect);
    const parts: Parts = { host, connection, dialect, settings, data, lastIds };
    this.table = new SqlPartitionTable(connection, settings, lastIds);
    this.objects = new SqlObjects({ ...parts, log: host.log });
    this.transactions = new SqlTransactions(parts);
    this.pending = new SqlPending(connection, settings, data);
    this.maintenance = new SqlMaintenance(parts);
    this.replica = new SqlReplica(parts);
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

  erase(): Eventual<void> {
    return this.#connection.inOrder(() => dropSchema(this.#connection));
  }

  close({ commit }: { readonly commit: boolean }): Eventual<void> {
    return commit ? this.#connection.close() : this.#connection.abandon();
  }
}
