/**
 * Brings a database of an older NEO to the present schema, step by step; each step and its version
 * are committed together where the database can do that with changes of its tables. Where it can't,
 * or when NEO's own step was cut short, there may be `new_T` beside the table T, or in its place.
 */

import type { SqlConnection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import { createTable } from "./schema.ts";
import type { TableName } from "./tables.ts";

type Step = (connection: SqlConnection, dialect: Dialect) => Promise<void>;

const STEPS: readonly Step[] = [
  // The tid of a transaction that only voted is null since NEO 1.6. There is none, as is known from
  // the examination.
  (connection, dialect) => {
    connection.execute("DROP TABLE IF EXISTS ttrans");
    connection.execute(createTable(dialect, "ttrans"));
    return Promise.resolve();
  },
  // The primary key was (partition, tid, oid).
  (connection, dialect) =>
    rewrite({ connection, dialect }, "obj", "SELECT partition, oid, tid, data_id, value_tid"),
  // The columns were rid, nid and state.
  (connection, dialect) =>
    rewrite(
      { connection, dialect },
      "pt",
      "SELECT rid, nid, CASE state WHEN 0 THEN -1 WHEN 1 THEN 0 WHEN 2 THEN -2 ELSE -3 END",
    ),
];

/** Migrates from `version`. `setVersion` is called after each step, before its commit. */
export async function migrate(
  { connection, dialect }: { readonly connection: SqlConnection; readonly dialect: Dialect },
  version: number,
  setVersion: (version: number) => void,
): Promise<void> {
  for (const [from, step] of STEPS.entries()) {
    if (from < version) continue;
    await step(connection, dialect);
    setVersion(from + 1);
    await connection.commitNow();
  }
}

async function rewrite(
  { connection, dialect }: { readonly connection: SqlConnection; readonly dialect: Dialect },
  table: TableName,
  select: string,
): Promise<void> {
  const rewritten = `new_${table}`;
  if (await dialect.hasTable(connection, table)) {
    connection.execute(`DROP TABLE IF EXISTS ${rewritten}`);
    connection.execute(createTable(dialect, table, rewritten));
    connection.execute(`INSERT INTO ${rewritten} ${select} FROM ${table}`);
    connection.execute(`DROP TABLE ${table}`);
  }
  if (await dialect.hasTable(connection, rewritten)) {
    connection.execute(`ALTER TABLE ${rewritten} RENAME TO ${table}`);
  }
}
