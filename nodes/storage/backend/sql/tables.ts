/**
 * The tables of NEO 1.11, schema version 3, in all dialects. The order of columns is part of it:
 * NEO's own nodes open these databases and rely on it.
 */

/** The version of the schema that is written here. */
export const SCHEMA_VERSION = 3;

/** What kind of value a column has; a `?` behind it says that it may be null. */
export type ColumnType =
  | "name"
  | "setting"
  | "partition"
  | "nid"
  | "cell"
  | "id"
  | "flag"
  | "hash"
  | "compression"
  | "text"
  | "value";

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export interface Table {
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

function column(name: string, type: ColumnType, nullable = false): Column {
  return { name, type, nullable };
}

const PARTITION = column("partition", "partition");

const transaction = (tid: Column): readonly Column[] => [
  PARTITION,
  tid,
  column("packed", "flag"),
  column("oids", "value"),
  column("user", "text"),
  column("description", "text"),
  column("ext", "text"),
  column("ttid", "id"),
];

const OBJECT: readonly Column[] = [
  PARTITION,
  column("oid", "id"),
  column("tid", "id"),
  column("data_id", "id", true),
  column("value_tid", "id", true),
];

export const TABLES = {
  config: { columns: [column("name", "name"), column("value", "setting", true)], key: ["name"] },
  pt: {
    columns: [PARTITION, column("nid", "nid"), column("tid", "cell")],
    key: ["partition", "nid"],
  },
  trans: { columns: transaction(column("tid", "id")), key: ["partition", "tid"] },
  obj: { columns: OBJECT, key: ["partition", "oid", "tid"] },
  data: {
    columns: [
      column("id", "id"),
      column("hash", "hash"),
      // Whether it may be null depends on the dialect; it never is.
      column("compression", "compression", true),
      column("value", "value"),
    ],
    key: ["id"],
  },
  ttrans: { columns: transaction(column("tid", "id", true)), key: [] },
  tobj: { columns: OBJECT, key: ["tid", "oid"] },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES: readonly TableName[] = [
  "config",
  "pt",
  "trans",
  "obj",
  "data",
  "ttrans",
  "tobj",
];
