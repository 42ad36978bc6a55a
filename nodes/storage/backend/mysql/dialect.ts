/** The SQL of MySQL and MariaDB. */

import type { Dialect } from "../sql/dialect.ts";
import type { ColumnType, TableName } from "../sql/tables.ts";

/** The engines that NEO knows; which of them there are depends on the server. */
export const ENGINES = ["InnoDB", "RocksDB", "TokuDB"] as const;

export type Engine = (typeof ENGINES)[number];

/** Bytes of a piece of a value that has no room in a row. */
export const PIECE_BYTES = 0x80_0000;

const TYPES: Readonly<Record<ColumnType, string>> = {
  name: "VARBINARY(255)",
  setting: "VARBINARY(255)",
  partition: "SMALLINT UNSIGNED",
  nid: "INT",
  cell: "BIGINT",
  id: "BIGINT UNSIGNED",
  flag: "BOOLEAN",
  hash: "BINARY(20)",
  compression: "TINYINT UNSIGNED",
  text: "BLOB",
  value: "MEDIUMBLOB",
};

/** What TokuDB should not compress: it is gone soon, or compressed already. */
const UNCOMPRESSED: ReadonlySet<string> = new Set(["data", "bigdata", "ttrans", "tobj"]);

const BIG_VALUES = `CREATE TABLE IF NOT EXISTS bigdata (
  \`id\` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  \`value\` MEDIUMBLOB NOT NULL)`;

/** A big-endian number of four bytes in the column `value`, which tells where pieces are. */
function number(from: number): string {
  return `CAST(CONV(HEX(SUBSTR(data.value, ${from}, 4)), 16, 10) AS UNSIGNED)`;
}

/** @param options of tables that are yet to be created */
export function mysqlDialect(
  { engine, dedup }: { readonly engine: Engine; readonly dedup: boolean },
): Dialect {
  const behind = (table: string) =>
    ` ENGINE=${engine}` +
    (engine === "TokuDB" && UNCOMPRESSED.has(table) ? " compression='tokudb_uncompressed'" : "");
  return {
    limits: { partitions: 65535, textBytes: 0xffff, oids: Math.floor(0xff_ffff / 8) },
    settingBytes: 255,
    type: (column) => TYPES[column],
    suffix: (table) => ({ inside: keys(table, { engine, dedup }), behind: behind(table) }),
    extras: [BIG_VALUES + behind("bigdata")],
    async hasTable(connection, name) {
      const find = connection.read(
        "SELECT 1 FROM information_schema.tables " +
          "WHERE table_schema = DATABASE() AND table_name = ?",
      );
      return await find.get(name) !== undefined;
    },
    async isDeduplicated(connection) {
      const find = connection.read(
        "SELECT 1 FROM information_schema.statistics " +
          "WHERE table_schema = DATABASE() AND table_name = 'data' AND index_name = 'hash'",
      );
      return await find.get() !== undefined;
    },
    objByOid: "obj FORCE INDEX (PRIMARY)",
    laterByOid: "obj AS later FORCE INDEX (PRIMARY)",
    objByTid: "obj FORCE INDEX (tid)",
    transByTid: "trans FORCE INDEX (PRIMARY)",
    unlessThere: "ON DUPLICATE KEY UPDATE tid = tid",
    pruneData: "DELETE data, bigdata FROM data LEFT JOIN bigdata ON data.compression >= 128 " +
      `AND bigdata.id >= ${number(1)} ` +
      `AND bigdata.id < ${number(1)} + CEIL(${number(5)} / ${PIECE_BYTES}) ` +
      "WHERE data.id = ?1 AND NOT EXISTS (SELECT 1 FROM obj WHERE data_id = ?1)",
    dataSize: `CAST(IF(compression >= 128, ${number(5)}, LENGTH(value)) AS UNSIGNED)`,
  };
}

function keys(
  table: TableName,
  { engine, dedup }: { readonly engine: Engine; readonly dedup: boolean },
): string {
  // NEO has no such key. Without one, RocksDB looks at each transaction that was ever finished
  // whenever it looks for one here, until it writes its memory to a file.
  if (table === "ttrans") return engine === "RocksDB" ? "KEY `ttid` (`ttid`)" : "";
  if (table === "obj") {
    return "KEY `tid` (`partition`, `tid`, `oid`), KEY `data_id` (`data_id`)";
  }
  return table === "data" && dedup ? "UNIQUE KEY `hash` (`hash`, `compression`)" : "";
}
