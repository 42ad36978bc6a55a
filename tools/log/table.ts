/**
 * One table of a log, read in pages from where the last reading ended. No transaction stays open
 * between two pages: a node must be able to write while somebody looks at a page for an hour. What
 * a reading gives ends where the table ended when it began.
 */

import type { DatabaseSync } from "node:sqlite";
import type { SqlRow, SqlStatement } from "../../nodes/host/host.ts";
import { prepareStatement } from "../../nodes/host/sqlite_statement.ts";

const PAGE_ROWS = 1000;

export class LogTable {
  readonly #page: SqlStatement;
  readonly #last: SqlStatement;
  #date: number;
  /** How many rows of that date were given already: in old logs it need not be unique. */
  #given = 0;

  /** `from` is the date to begin with. Throws a DatabaseError when there is no such table. */
  constructor(
    database: DatabaseSync,
    { name, columns, from }: {
      readonly name: string;
      readonly columns: string;
      readonly from: number;
    },
  ) {
    const hasNodes = columnsOf(database, name).includes("node");
    const node = hasNodes ? "name, cluster, nid" : "name, NULL AS cluster, NULL AS nid";
    const join = hasNodes ? "LEFT JOIN node ON node = id" : "";
    this.#page = prepareStatement(
      database,
      `SELECT date, ${node}, ${columns} FROM ${name} ${join} WHERE date >= ? AND date <= ? ` +
        `ORDER BY date LIMIT ${PAGE_ROWS} OFFSET ?`,
    );
    // A text comes after all numbers, and is no date.
    this.#last = prepareStatement(
      database,
      `SELECT date FROM ${name} WHERE date < '' ORDER BY date DESC LIMIT 1`,
    );
    this.#date = from;
  }

  /** Remembers where the table ends now, and reads up to there. */
  read(): Generator<SqlRow> {
    const last = this.#last.get();
    return this.#rows(last === undefined ? -Infinity : dateOf(last));
  }

  *#rows(end: number): Generator<SqlRow> {
    for (;;) {
      const rows = this.#page.all(this.#date, end, this.#given);
      for (const row of rows) {
        const date = dateOf(row);
        if (date === this.#date) this.#given++;
        else {
          this.#date = date;
          this.#given = 1;
        }
        yield row;
      }
      if (rows.length < PAGE_ROWS) return;
    }
  }
}

/** The time of a row, in seconds. */
export function dateOf({ date }: SqlRow): number {
  return Number(date);
}

/** The names of a table's columns; none when there is no such table. */
export function columnsOf(database: DatabaseSync, table: string): string[] {
  return prepareStatement(database, `PRAGMA table_info(${table})`).all()
    .map(({ name }) => String(name));
}
