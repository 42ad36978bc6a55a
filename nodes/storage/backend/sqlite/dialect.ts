/** The SQL of SQLite. */

import { then } from "../eventual.ts";
import type { Dialect } from "../sql/dialect.ts";
import type { ColumnType } from "../sql/tables.ts";

const TYPES: Readonly<Record<ColumnType, string>> = {
  name: "TEXT",
  setting: "TEXT",
  partition: "INTEGER",
  nid: "INTEGER",
  cell: "INTEGER",
  id: "INTEGER",
  flag: "BOOLEAN",
  hash: "BLOB",
  compression: "INTEGER NOT NULL",
  text: "BLOB",
  value: "BLOB",
};

const INDEXES = [
  "CREATE INDEX IF NOT EXISTS _obj_i1 ON obj(partition, tid, oid)",
  "CREATE INDEX IF NOT EXISTS _obj_i2 ON obj(data_id)",
];

const DEDUP_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS _data_i1 ON data(hash, compression)";

/** @param options.dedup whether equal data are to be stored once from now on */
export function sqliteDialect({ dedup }: { readonly dedup: boolean }): Dialect {
  return {
    // Data ids have 63 bits here, of which 48 are for those of one partition.
    limits: { partitions: 32768, textBytes: Infinity, oids: Infinity },
    settingBytes: Infinity,
    type: (column) => TYPES[column],
    suffix: (table) => ({
      inside: "",
      behind: table === "trans" || table === "obj" ? " WITHOUT ROWID" : "",
    }),
    extras: dedup ? [...INDEXES, DEDUP_INDEX] : INDEXES,
    hasTable(connection, name) {
      const find = connection.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
      return then(find.get(name), (row) => row !== undefined);
    },
    /** Databases of NEO 1.0 to 1.8 have such an index without having been asked. */
    async isDeduplicated(connection) {
      const list = connection.read(
        "SELECT name FROM pragma_index_list('data') WHERE \"unique\" = 1",
      );
      const columns = connection.read("SELECT name FROM pragma_index_info(?) WHERE seqno = 0");
      for (const { name } of await list.all()) {
        if ((await columns.get(name ?? null))?.name === "hash") return true;
      }
      return false;
    },
    objByOid: "obj",
    laterByOid: "obj AS later",
    objByTid: "obj",
    transByTid: "trans",
    unlessThere: "ON CONFLICT DO NOTHING",
    pruneData: "DELETE FROM data WHERE id = ?1 " +
      "AND NOT EXISTS (SELECT 1 FROM obj WHERE data_id = ?1)",
    dataSize: "LENGTH(value)",
  };
}
