/**
 * The databases of a cluster to throw away: made where they are missing, and erased when told so,
 * whichever cluster they were of.
 *
 * Invariant: nothing is erased that a storage has in use, or that no storage made.
 */

import { DatabaseSync } from "node:sqlite";
import { ConfigurationError, DatabaseError } from "../../nodes/errors.ts";
import { lockDatabase } from "../../nodes/host/database_lock.ts";
import type { NodeHost, SqlServerAddress, SqlSession } from "../../nodes/host/host.ts";
import { textOf } from "../../nodes/storage/backend/sql/columns.ts";
import { takeLock } from "../../nodes/storage/backend/mysql/server.ts";
import { Template } from "../../nodes/storage/backend/mysql/template.ts";
import { messageOf } from "../files.ts";

/** What is beside an SQLite file while it is used, or after a crash. */
const FILE_SUFFIXES = ["", "-wal", "-shm", "-journal"] as const;

/** The table that storages create before all others. */
const FIRST_TABLE = "config";

const FILE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'";
const TABLES = new Template(
  "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ?",
);
const EXISTS = new Template(
  "SELECT 1 AS found FROM information_schema.schemata WHERE schema_name = ?",
);

/** Deletes an SQLite file. Throws a ConfigurationError, also where it is in use or another's. */
export function eraseFile(path: string): void {
  try {
    const lock = isThere(path) ? lockDatabase(path) : null;
    try {
      if (lock !== null) refuseStrange(tablesOf(path));
      for (const suffix of FILE_SUFFIXES) {
        if (isThere(path + suffix)) Deno.removeSync(path + suffix);
      }
    } finally {
      lock?.release();
    }
  } catch (cause) {
    throw new ConfigurationError(`${path} can't be erased: ${messageOf(cause)}`, { cause });
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function tablesOf(path: string): string[] {
  const database = new DatabaseSync(path);
  try {
    return database.prepare(FILE_TABLES).all().map(({ name }) => String(name));
  } finally {
    database.close();
  }
}

/** Throws a DatabaseError where tables are not those of a storage. */
function refuseStrange(tables: readonly string[]): void {
  if (tables.length === 0 || tables.includes(FIRST_TABLE)) return;
  throw new DatabaseError(
    `expected a storage's tables, found others (${tables[0]}): choose another database, or ` +
      "remove this one yourself",
  );
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
    if (erase) await drop(session, database, name);
    const [found = []] = await session.query([EXISTS.fill([database])]);
    if (found.length === 0) await session.query([`CREATE DATABASE ${name}`]);
  } catch (cause) {
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new DatabaseError(`the database ${database} can't be made: ${cause.message}`, { cause });
  } finally {
    // With it goes the lock.
    await session.close();
  }
}

async function drop(session: SqlSession, database: string, name: string): Promise<void> {
  await takeLock(session, database);
  const [rows = []] = await session.query([TABLES.fill([database])]);
  refuseStrange(rows.map(({ name }) => textOf(name)));
  await session.query([`DROP DATABASE IF EXISTS ${name}`]);
}
