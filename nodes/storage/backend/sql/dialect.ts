/** Where SQLite and MySQL don't speak the same SQL. */

import type { BackendLimits } from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import type { SqlConnection } from "./connection.ts";
import type { ColumnType, TableName } from "./tables.ts";

/** What only looks into a database. */
export type Reader = Pick<SqlConnection, "read">;

export interface Dialect {
  readonly limits: BackendLimits;
  /** Bytes of a setting for which there is room in a table that was not changed for more. */
  readonly settingBytes: number;
  /** The type of a column. */
  type(column: ColumnType): string;
  /** What stands in a table's definition beside its columns and its key, and behind them. */
  suffix(table: TableName): { readonly inside: string; readonly behind: string };
  /** Statements that make what a complete schema has beside its tables. */
  readonly extras: readonly string[];
  hasTable(connection: Reader, name: string): Eventual<boolean>;
  /** Whether there is a unique index of `data` that begins with the hash. */
  isDeduplicated(connection: SqlConnection): Promise<boolean>;
  /** The table `obj` where its rows are looked for by oid, or by tid. */
  readonly objByOid: string;
  /** The same once more, as `later`. */
  readonly laterByOid: string;
  readonly objByTid: string;
  /** The table `trans` where its rows are looked for by tid. */
  readonly transByTid: string;
  /** Behind an INSERT: a row that is there stays as it is. */
  readonly unlessThere: string;
  /** The statement that deletes data that no revision refers to; its parameter is their id. */
  readonly pruneData: string;
  /** The size of the data in a row of `data`. */
  readonly dataSize: string;
}
