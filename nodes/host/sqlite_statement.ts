/**
 * Prepared statements of `node:sqlite`, which binds a JavaScript number as a float even when it is
 * whole, and then a text column gets `5.0` for 5: whole numbers are bound as integers here.
 *
 * There is no reading row by row, because Deno's `iterate` takes an error for the last row, and a
 * damaged page would look like the end of a table.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DatabaseError } from "../errors.ts";
import type { SqlRow, SqlStatement, SqlValue } from "./host.ts";

/** Prepares a statement. Throws a DatabaseError. */
export function prepareStatement(database: DatabaseSync, sql: string): SqlStatement {
  try {
    return new SqliteStatement(database.prepare(sql));
  } catch (error) {
    throw sqliteError(error);
  }
}

/** What SQLite says, as an error of the family. */
export function sqliteError(cause: unknown): DatabaseError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new DatabaseError(`SQLite: ${text}`, { cause });
}

class SqliteStatement implements SqlStatement {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    statement.setReadBigInts(true);
    this.#statement = statement;
  }

  run(...parameters: SqlValue[]): { readonly changes: number } {
    try {
      return { changes: Number(this.#statement.run(...bound(parameters)).changes) };
    } catch (error) {
      throw sqliteError(error);
    }
  }

  get(...parameters: SqlValue[]): SqlRow | undefined {
    try {
      return this.#statement.get(...bound(parameters));
    } catch (error) {
      throw sqliteError(error);
    }
  }

  all(...parameters: SqlValue[]): SqlRow[] {
    try {
      return this.#statement.all(...bound(parameters));
    } catch (error) {
      throw sqliteError(error);
    }
  }
}

/** Changes the array, which nobody else has. */
function bound(parameters: SqlValue[]): SqlValue[] {
  for (let at = 0; at < parameters.length; at++) {
    const value = parameters[at];
    if (typeof value === "number" && Number.isSafeInteger(value)) parameters[at] = BigInt(value);
  }
  return parameters;
}
