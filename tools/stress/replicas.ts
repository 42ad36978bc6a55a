/** Comparing the databases of a stopped cluster, record by record. */

import { DatabaseSync } from "node:sqlite";
import type { Row } from "../../gen/packets.ts";

/** What one partition has, in an order that all replicas share. */
const RECORDS = [
  "SELECT tid, packed, oids, user, description, ext, ttid FROM trans " +
  "WHERE partition = ? ORDER BY tid",
  "SELECT oid, tid, value_tid, hash, compression, value FROM obj " +
  "LEFT JOIN data ON data.id = data_id WHERE obj.partition = ? ORDER BY oid, tid",
] as const;

/** Tables that are empty when no transaction is under way. */
const UNFINISHED = ["ttrans", "tobj"] as const;

/**
 * Throws when replicas differ, or a transaction is left that never ended. Returns how many records
 * were compared.
 */
export function compareReplicas(rows: readonly Row[], paths: readonly string[]): number {
  const databases = new Map<number, DatabaseSync>();
  let records = 0;
  try {
    for (const path of paths) {
      const database = new DatabaseSync(path, { readOnly: true });
      const nid = database.prepare("SELECT value FROM config WHERE name = 'nid'").get()?.value;
      databases.set(Number(nid), database);
      assertNothingUnfinished(path, database);
    }
    for (const { offset, cells } of rows) {
      const holders = cells.flatMap(({ nid }) => databases.get(nid) ?? []);
      if (holders.length !== cells.length) throw new Error(`a cell of ${offset} has no database`);
      for (const sql of RECORDS) records += compare(offset, holders, sql);
    }
  } finally {
    for (const database of databases.values()) database.close();
  }
  return records;
}

function assertNothingUnfinished(path: string, database: DatabaseSync): void {
  for (const table of UNFINISHED) {
    const count = database.prepare(`SELECT COUNT(*) AS count FROM ${table}`).get()?.count;
    if (count !== 0) throw new Error(`${path} has ${count} rows of unfinished work in ${table}`);
  }
}

function compare(offset: number, databases: readonly DatabaseSync[], sql: string): number {
  const [first, ...others] = databases.map((database) => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.iterate(offset);
  });
  if (first === undefined) throw new Error(`nobody has partition ${offset}`);
  for (let records = 0;; records++) {
    const expected = recordText(first.next());
    for (const other of others) {
      const found = recordText(other.next());
      if (found === expected) continue;
      throw new Error(`replicas of partition ${offset} differ: ${expected} and ${found}`);
    }
    if (expected === null) return records;
  }
}

/** A record as text; null where there is none left. */
function recordText(result: IteratorResult<unknown>): string | null {
  if (result.done === true) return null;
  return JSON.stringify(result.value, (_, value) => {
    if (typeof value === "bigint") return String(value);
    return value instanceof Uint8Array ? value.toHex() : value;
  });
}
