/**
 * The databases of a cluster to throw away: made where they are missing, and erased when told so,
 * whatever they were before.
 */

import { ConfigurationError, DatabaseError } from "../../nodes/errors.ts";
import type { NodeHost, SqlServerAddress } from "../../nodes/host/host.ts";
import { Template } from "../../nodes/storage/backend/mysql/template.ts";
import { messageOf } from "../files.ts";

/** What is beside an SQLite file while it is used, or after a crash. */
const FILE_SUFFIXES = ["", "-wal", "-shm"] as const;

const EXISTS = new Template(
  "SELECT 1 AS found FROM information_schema.schemata WHERE schema_name = ?",
);

/** Deletes an SQLite file. Throws a ConfigurationError. */
export function eraseFile(path: string): void {
  for (const suffix of FILE_SUFFIXES) {
    try {
      Deno.removeSync(path + suffix);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) continue;
      throw new ConfigurationError(`${path} can't be erased: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Sees to it that there is a database on a server. Rejects with a DatabaseError. */
export async function makeDatabase(
  host: Pick<NodeHost, "connectDatabase">,
  address: SqlServerAddress,
  { erase }: { readonly erase: boolean },
): Promise<void> {
  const { database } = address;
  // Everybody may use this one, and it is always there.
  const session = await host.connectDatabase({ ...address, database: "information_schema" });
  try {
    const name = `\`${database.replaceAll("`", "``")}\``;
    if (erase) await session.query([`DROP DATABASE IF EXISTS ${name}`]);
    const [found = []] = await session.query([EXISTS.fill([database])]);
    if (found.length === 0) await session.query([`CREATE DATABASE ${name}`]);
  } catch (cause) {
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new DatabaseError(`the database ${database} can't be made: ${cause.message}`, { cause });
  } finally {
    await session.close();
  }
}
