/** What is in the database of a storage that was stopped. */

import { type Nid, nid as asNid } from "../../nodes/codec/ids.ts";
import type { SqlRow } from "../../nodes/host/host.ts";
import type { SimulatedHost } from "./host.ts";

/** Where storages have their databases. */
export const DATABASE = "/neo.sqlite";

/** The rows that a query finds. */
export function rowsOn(host: SimulatedHost, sql: string): SqlRow[] {
  const { database } = host.openDatabase(DATABASE);
  const rows = database.prepare(sql).all();
  database.close();
  return rows;
}

/** The storage's id; null for one that was never given any. */
export function nidOn(host: SimulatedHost): Nid | null {
  const tables = "SELECT name FROM sqlite_master WHERE name = 'config'";
  if (rowsOn(host, tables).length === 0) return null;
  const [row] = rowsOn(host, "SELECT value FROM config WHERE name = 'nid'");
  return row === undefined ? null : asNid(Number(row.value));
}
