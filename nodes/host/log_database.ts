/**
 * A log file in the format of NEO 1.11: an SQLite database of messages and packets, beside a
 * description of the protocol, so that a log can be read long after and elsewhere.
 *
 * Nothing is forced to disk, and there is no journal: a crash of the process loses nothing that was
 * written out, one of the machine may lose the log, and a log file is always one file, which can be
 * renamed, compressed and sent away.
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ConfigurationError } from "../errors.ts";
import type { LogLevel } from "./host.ts";
import type { LogBacklog } from "./log_backlog.ts";

/** Levels as numbers, as Python's logging has them. */
const LEVEL_NUMBERS: Readonly<Record<LogLevel, number>> = {
  DEBUG: 10,
  INFO: 20,
  WARNING: 30,
  ERROR: 40,
  CRITICAL: 50,
};

const SCHEMA = `
CREATE TABLE IF NOT EXISTS log (
  date REAL PRIMARY KEY,
  node INTEGER,
  level INTEGER NOT NULL,
  pathname TEXT,
  lineno INTEGER,
  msg TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packet (
  date REAL PRIMARY KEY,
  node INTEGER,
  msg_id INTEGER NOT NULL,
  code INTEGER NOT NULL,
  peer TEXT NOT NULL,
  body BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS protocol (
  date REAL PRIMARY KEY,
  text BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (
  id INTEGER PRIMARY KEY,
  name TEXT,
  cluster TEXT,
  nid INTEGER);`;

/** Tables of versions of NEO before 1.11, which name the node in each row, get a name of their own. */
const OLD_TABLES = ["log", "packet"];

/** Whom a node is known as. */
export interface NodeIdentity {
  readonly cluster: string;
  readonly nid: number;
}

export interface LogDatabaseOptions {
  readonly path: string;
  /** What the log says of the protocol of its packets. */
  readonly protocol: Uint8Array;
  /** Unix time in milliseconds. */
  now(): number;
}

export class LogDatabase {
  readonly #options: LogDatabaseOptions;
  #database: DatabaseSync;
  #statements: Statements;
  /** The rows of identities that were used already. */
  #nodes = new Map<string, number>();

  /** Opens (creates) the file. Throws a ConfigurationError. */
  constructor(options: LogDatabaseOptions) {
    this.#options = options;
    this.#database = this.#open();
    this.#statements = new Statements(this.#database);
  }

  /**
   * Writes records, all or none. `identities` are those that records name by their number, from 1.
   * Returns false when the file is being read by another process right now; throws when it can't
   * be written.
   */
  write(backlog: LogBacklog, identities: readonly NodeIdentity[]): boolean {
    try {
      this.#database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
    try {
      this.#insert(backlog, identities);
      this.#database.exec("COMMIT");
      return true;
    } catch (error) {
      // What was inserted for an identity is undone as well.
      this.#nodes.clear();
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Leaves this file, which was renamed or removed, and goes on with a new one under the old name.
   * When that can't be opened, it goes on with this one, and throws a ConfigurationError.
   */
  reopen(): void {
    const database = this.#open();
    leave(this.#database);
    this.#database = database;
    this.#statements = new Statements(database);
    this.#nodes = new Map();
  }

  /** How long writing and closing may wait for others who read the file, from now on. */
  waitForReaders(timeoutMs: number): void {
    this.#database.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
  }

  close(): void {
    this.#database.close();
  }

  #open(): DatabaseSync {
    const { path } = this.#options;
    let database: DatabaseSync | null = null;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      database.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY");
      for (const table of OLD_TABLES) keepOldTable(database, table);
      database.exec(SCHEMA);
      this.#describeProtocol(database);
      return database;
    } catch (cause) {
      database?.close();
      throw new ConfigurationError(cannotUse(path, cause), { cause });
    }
  }

  #describeProtocol(database: DatabaseSync): void {
    const { protocol, now } = this.#options;
    const last = database.prepare("SELECT text FROM protocol ORDER BY date DESC LIMIT 1").get();
    const text = last?.text;
    if (text instanceof Uint8Array && sameBytes(text, protocol)) return;
    // The first one holds for everything in the file, also for what is older than the file.
    const date = last === undefined ? 0 : now() / 1000;
    database.prepare("INSERT INTO protocol VALUES (?, ?)").run(date, protocol);
  }

  #insert(backlog: LogBacklog, identities: readonly NodeIdentity[]): void {
    const { message, packet } = this.#statements;
    const nodeRow = (node: number) => {
      const identity = identities[node - 1];
      return identity === undefined ? null : this.#nodeRow(identity);
    };
    backlog.visit({
      message: ({ date, node, level, module, text }) =>
        insertAt(
          date,
          (at) => message.run(at, nodeRow(node), LEVEL_NUMBERS[level], module, 0, text),
        ),
      packet: ({ date, node, peer, id, code, body }) =>
        insertAt(date, (at) => packet.run(at, nodeRow(node), id, code, peer, body)),
    });
  }

  /** The row of an identity, which is made when there is none. */
  #nodeRow({ cluster, nid }: NodeIdentity): number {
    const key = `${nid} ${cluster}`;
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const { findNode, addNode } = this.#statements;
    const found = findNode.get(cluster, nid) ?? addNode.get(cluster, nid);
    const row = Number(found?.id);
    this.#nodes.set(key, row);
    return row;
  }
}

function cannotUse(path: string, cause: unknown): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return /not a database|malformed/.test(reason)
    ? `expected ${path} to be a log file, or not to be there, and found another file (${reason}): ` +
      "move it away, or choose another name"
    : `the log file ${path} can't be used (${reason}): choose a file in a directory that is there ` +
      "and that this user may write to";
}

/** Closes a file. One without packets needs no description of their protocol, and gets small. */
function leave(database: DatabaseSync): void {
  try {
    if (database.prepare("SELECT 1 FROM packet LIMIT 1").get() === undefined) {
      database.exec("DROP TABLE protocol; VACUUM");
    }
  } catch {
    // It is only bigger than need be.
  }
  database.close();
}

class Statements {
  readonly message: StatementSync;
  readonly packet: StatementSync;
  readonly findNode: StatementSync;
  readonly addNode: StatementSync;

  constructor(database: DatabaseSync) {
    this.message = database.prepare("INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?, ?)");
    this.packet = database.prepare("INSERT OR IGNORE INTO packet VALUES (?, ?, ?, ?, ?, ?)");
    this.findNode = database.prepare(
      "SELECT id FROM node WHERE name IS NULL AND cluster = ? AND nid = ?",
    );
    this.addNode = database.prepare(
      "INSERT INTO node (id, cluster, nid) " +
        "VALUES ((SELECT ifnull(max(id), -1) + 1 FROM node), ?, ?) RETURNING id",
    );
  }
}

/** Inserts at a time, or at the next one that is not taken. */
function insertAt(
  date: number,
  insert: (date: number) => { readonly changes: number | bigint },
): void {
  for (let at = date; Number(insert(at).changes) === 0;) at = nextTime(at);
}

const FLOAT = new DataView(new ArrayBuffer(8));

/** The next greater number. */
function nextTime(date: number): number {
  FLOAT.setFloat64(0, date);
  FLOAT.setBigInt64(0, FLOAT.getBigInt64(0) + 1n);
  return FLOAT.getFloat64(0);
}

function keepOldTable(database: DatabaseSync, table: string): void {
  const columns = database.prepare(`PRAGMA table_info(${table})`).all();
  if (!columns.some(({ name }) => name === "name")) return;
  database.exec(`ALTER TABLE ${table} RENAME TO ${table}1`);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Whether another process reads or writes the file. */
function isBusy(error: unknown): boolean {
  return error instanceof Error &&
    /database is locked|database table is locked/.test(error.message);
}
