/**
 * Brings a database of an older NEO to the present schema, step by step; each step and its version
 * are committed together. NEO's own steps are not atomic: one that was cut short may have left
 * `new_T` beside the table T, or in its place.
 */

import { DatabaseError } from "../../../errors.ts";
import { integerOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { createTable, hasTable, SCHEMA_VERSION, type TableName } from "./schema.ts";

const STEPS: readonly ((connection: Connection) => void)[] = [
  (connection) => {
    for (const table of ["ttrans", "tobj"]) {
      if (!hasTable(connection, table)) continue;
      const count = connection.read(`SELECT COUNT(*) AS count FROM ${table}`).get()?.count;
      if (integerOf(count) === 0n) continue;
      throw new DatabaseError(
        "The database can not be upgraded because you have unfinished transactions. " +
          "Use an older version of NEO to verify them.",
      );
    }
    // The tid of a transaction that only voted is null since NEO 1.6.
    connection.execute("DROP TABLE IF EXISTS ttrans;" + createTable("ttrans"));
  },
  // The primary key was (partition, tid, oid).
  (connection) => rewrite(connection, "obj", "SELECT partition, oid, tid, data_id, value_tid"),
  // The columns were rid, nid and state.
  (connection) =>
    rewrite(
      connection,
      "pt",
      "SELECT rid, nid, CASE state WHEN 0 THEN -1 WHEN 2 THEN -2 ELSE 1 - state END",
    ),
];

/** Migrates from `version`. `setVersion` is called after each step, in the same transaction. */
export function migrate(
  connection: Connection,
  version: number,
  setVersion: (version: number) => void,
): void {
  if (version > SCHEMA_VERSION) throw new DatabaseError("The database can not be downgraded.");
  for (const [from, step] of STEPS.entries()) {
    if (from < version) continue;
    step(connection);
    setVersion(from + 1);
    connection.commitNow();
  }
}

function rewrite(connection: Connection, table: TableName, select: string): void {
  const rewritten = `new_${table}`;
  if (hasTable(connection, table)) {
    connection.execute(
      `DROP TABLE IF EXISTS ${rewritten}; ${createTable(table, rewritten)}
       INSERT INTO ${rewritten} ${select} FROM ${table}; DROP TABLE ${table};`,
    );
  }
  if (hasTable(connection, rewritten)) {
    connection.execute(`ALTER TABLE ${rewritten} RENAME TO ${table};`);
  }
}
