/**
 * The tables of NEO 1.11 in SQLite, schema version 3. The order of columns is part of it: NEO's
 * own nodes open these files and rely on it.
 */

import type { Connection } from "./connection.ts";

/** The version of the schema that is written here. */
export const SCHEMA_VERSION = 3;

const TRANSACTION_COLUMNS = (tid: string) => `
  partition INTEGER NOT NULL,
  tid INTEGER${tid},
  packed BOOLEAN NOT NULL,
  oids BLOB NOT NULL,
  user BLOB NOT NULL,
  description BLOB NOT NULL,
  ext BLOB NOT NULL,
  ttid INTEGER NOT NULL`;

const OBJECT_COLUMNS = `
  partition INTEGER NOT NULL,
  oid INTEGER NOT NULL,
  tid INTEGER NOT NULL,
  data_id INTEGER,
  value_tid INTEGER`;

/** What stands between the parentheses, and what follows them, of each table's definition. */
export const TABLES = {
  config: { columns: `name TEXT NOT NULL PRIMARY KEY, value TEXT`, suffix: "" },
  pt: {
    columns: `
  partition INTEGER NOT NULL,
  nid INTEGER NOT NULL,
  tid INTEGER NOT NULL,
  PRIMARY KEY (partition, nid)`,
    suffix: "",
  },
  trans: {
    columns: `${TRANSACTION_COLUMNS(" NOT NULL")},
  PRIMARY KEY (partition, tid)`,
    suffix: " WITHOUT ROWID",
  },
  obj: {
    columns: `${OBJECT_COLUMNS},
  PRIMARY KEY (partition, oid, tid)`,
    suffix: " WITHOUT ROWID",
  },
  data: {
    columns: `
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,
  compression INTEGER NOT NULL,
  value BLOB NOT NULL`,
    suffix: "",
  },
  ttrans: { columns: TRANSACTION_COLUMNS(""), suffix: "" },
  tobj: {
    columns: `${OBJECT_COLUMNS},
  PRIMARY KEY (tid, oid)`,
    suffix: "",
  },
} as const;

export type TableName = keyof typeof TABLES;

const TABLE_NAMES = Object.keys(TABLES).filter((name): name is TableName => name in TABLES);

/** The statement that creates a table, perhaps under another name. */
export function createTable(table: TableName, name: string = table): string {
  const { columns, suffix } = TABLES[table];
  return `CREATE TABLE IF NOT EXISTS ${name} (${columns})${suffix};`;
}

const INDEXES = `
CREATE INDEX IF NOT EXISTS _obj_i1 ON obj(partition, tid, oid);
CREATE INDEX IF NOT EXISTS _obj_i2 ON obj(data_id);`;

const DEDUP_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS _data_i1 ON data(hash, compression);";

/** Creates what is missing: everything in a new file, indexes in one that NEO 1.9 upgraded. */
export function completeSchema(connection: Connection, options: { readonly dedup: boolean }): void {
  connection.execute(TABLE_NAMES.map((name) => createTable(name)).join("\n") + INDEXES);
  if (options.dedup) connection.execute(DEDUP_INDEX);
}

/** Deletes everything, also what a migration that was cut short left. */
export function dropSchema(connection: Connection): void {
  for (const name of TABLE_NAMES) {
    connection.execute(`DROP TABLE IF EXISTS ${name}; DROP TABLE IF EXISTS new_${name};`);
  }
}

/** Whether there is a table of that name. */
export function hasTable(connection: Connection, name: string): boolean {
  const find = connection.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  return find.get(name) !== undefined;
}

/**
 * Whether equal data are stored once: there is a unique index that begins with the hash. Databases
 * of NEO 1.0 to 1.8 have one without having been asked.
 */
export function isDeduplicated(connection: Connection): boolean {
  const list = connection.read("SELECT name FROM pragma_index_list('data') WHERE \"unique\" = 1");
  const columns = connection.read("SELECT name FROM pragma_index_info(?) WHERE seqno = 0");
  return list.all().some(({ name }) => columns.get(name ?? null)?.name === "hash");
}
