/** A storage's database on a MySQL or MariaDB server. */

import { DatabaseError } from "../../../errors.ts";
import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendOptions } from "../backend.ts";
import { makeBackend } from "../sql/backend.ts";
import { textOf } from "../sql/columns.ts";
import { MysqlBigValues } from "./big_values.ts";
import { Connection } from "./connection.ts";
import { type Engine, mysqlDialect } from "./dialect.ts";
import { Server, type ServerOptions } from "./server.ts";

export interface MysqlOptions extends ServerOptions {
  /** The engine of tables that are yet to be created. */
  readonly engine: Engine;
}

/**
 * Opens (creates the tables of, migrates) a database. Rejects with a DatabaseError when the server
 * can't be reached in time or does not fit, or when the database is in use, or belongs to another
 * cluster, or can't be migrated; then it is left as it is.
 */
export async function openMysql(
  host: NodeHost,
  { engine, ...serverOptions }: MysqlOptions,
  options: BackendOptions,
): Promise<Backend> {
  const server = await Server.open(host, serverOptions);
  const connection = await Connection.open({ host, server, failed: options.failed });
  const disk = host.diskOf(server.directory);
  try {
    await checkEngine(connection, engine);
    const backend = await makeBackend({
      host,
      connection,
      dialect: mysqlDialect({ engine, dedup: options.dedup }),
      bigValues: new MysqlBigValues(connection),
      devpath: disk === null ? [] : [host.hostname, disk],
    }, options);
    await connection.followTrail();
    return backend;
  } catch (error) {
    connection.abandon();
    throw error;
  }
}

/** Nothing may be created before it is known that all of it can be. */
async function checkEngine(connection: Connection, engine: Engine): Promise<void> {
  const rows = await connection.read(
    "SELECT engine AS name FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')",
  ).all();
  const names = rows.map(({ name }) => textOf(name));
  if (names.some((name) => name.toLowerCase() === engine.toLowerCase())) return;
  throw new DatabaseError(
    `the database server has no engine ${engine}: choose another one with --engine, or install it` +
      ` (it has ${names.join(", ")})`,
  );
}
