/** Creates and drops the tables of a storage. */

import type { SqlConnection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import { type Table, TABLE_NAMES, type TableName, TABLES } from "./tables.ts";

/** The statement that creates a table, perhaps under another name. */
export function createTable(dialect: Dialect, table: TableName, name: string = table): string {
  const { columns, key }: Table = TABLES[table];
  const { inside, behind } = dialect.suffix(table);
  const definitions = columns.map(({ name, type, nullable }) =>
    `\`${name}\` ${dialect.type(type)}${nullable ? "" : " NOT NULL"}`
  );
  if (key.length > 0) definitions.push(`PRIMARY KEY (${key.map((n) => `\`${n}\``).join(", ")})`);
  if (inside !== "") definitions.push(inside);
  return `CREATE TABLE IF NOT EXISTS ${name} (\n  ${definitions.join(",\n  ")})${behind}`;
}

/** Creates what is missing: everything in a new database, indexes in one that is old. */
export function completeSchema(connection: SqlConnection, dialect: Dialect): void {
  for (const name of TABLE_NAMES) connection.execute(createTable(dialect, name));
  for (const statement of dialect.extras) connection.execute(statement);
}

/** Deletes everything, also what a migration that was cut short left. */
export function dropSchema(connection: SqlConnection): void {
  for (const name of [...TABLE_NAMES, "bigdata"]) {
    connection.execute(`DROP TABLE IF EXISTS ${name}`);
    connection.execute(`DROP TABLE IF EXISTS new_${name}`);
  }
}
