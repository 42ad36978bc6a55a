/**
 * Whether a database may be opened at all: whose it is, and whether this version can use it. It
 * comes before anything in the database is changed, so that what is refused stays as it was.
 */

import { type Eventual, eventually, got, type Steps } from "../eventual.ts";
import { textOf } from "./columns.ts";
import type { Dialect, Reader } from "./dialect.ts";
import { SCHEMA_VERSION } from "./tables.ts";

/** What is to be opened, and for what. */
export interface Examination {
  readonly connection: Reader;
  readonly dialect: Pick<Dialect, "hasTable">;
  readonly cluster: string;
  /** Whether everything is to be erased, whatever version it has. */
  readonly reset: boolean;
}

/** Why a database is to be left alone; null where it is not. */
export function examine(examination: Examination): Eventual<string | null> {
  return eventually(steps(examination));
}

function* steps({ connection, dialect, cluster, reset }: Examination): Steps<string | null> {
  const hasRows = function* (table: string): Steps<boolean> {
    if (!(yield* got(dialect.hasTable(connection, table)))) return false;
    return (yield* got(connection.read(`SELECT 1 FROM ${table} LIMIT 1`).get())) !== undefined;
  };
  if (!(yield* got(dialect.hasTable(connection, "config")))) return null;
  const find = connection.read("SELECT value FROM config WHERE name = ?");
  const setting = function* (key: string): Steps<string | null> {
    const value = (yield* got(find.get(key)))?.value ?? null;
    return value === null ? null : textOf(value);
  };
  // Whose database it is comes first: a mistaken name must cost nothing.
  const name = yield* setting("name");
  if (name !== null && name !== cluster) {
    return `name '${cluster}' does not match with the database: '${name}'`;
  }
  if (reset) return null;
  const version = Number((yield* setting("version")) ?? 0);
  if (version > SCHEMA_VERSION) return "The database can not be downgraded.";
  // Before NEO 1.6, a transaction had its final tid when it was voted on.
  if (version === 0 && ((yield* hasRows("ttrans")) || (yield* hasRows("tobj")))) {
    return "The database can not be upgraded because you have unfinished transactions. " +
      "Use an older version of NEO to verify them.";
  }
  return null;
}
