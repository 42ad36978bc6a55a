/**
 * Sessions with a MySQL or MariaDB server on its UNIX socket, by the package `mysql2`, which is
 * loaded by the first session: whoever keeps objects in SQLite does not pay for it.
 *
 * Statements are texts whose characters are bytes (ISO 8859-1), so that object data stand in them
 * as they are. Integers come back as `bigint`, everything else as bytes.
 */

import { Buffer } from "node:buffer";
import { existsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import type { Connection, FieldPacket, QueryError } from "mysql2";
import { DatabaseError, DatabaseLostError } from "../errors.ts";
import type { SqlRow, SqlServerAddress, SqlSession, SqlValue } from "./host.ts";

/** Where servers listen by default: on Debian, on Red Hat, and where they were built by hand. */
const DEFAULT_SOCKETS = [
  "/run/mysqld/mysqld.sock",
  "/var/lib/mysql/mysql.sock",
  "/tmp/mysql.sock",
] as const;

/** How long the server may take to greet, in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Errors of the server that end the session: it stops, is full, or somebody kills the session. */
const LOST_ERRORS = new Set([
  1040,
  1053,
  1152,
  1158,
  1159,
  1160,
  1161,
  1184,
  1203,
  1927,
  2006,
  2013,
]);

/** The error of the server that there is no such database. */
const NO_DATABASE = 1049;

/** Column types that are integers, on the wire. */
const INTEGER_TYPES = new Set([1, 2, 3, 8, 9, 13]);

/** Opens a session. Rejects with a DatabaseLostError when the server can't be reached. */
export async function connectMysql(address: SqlServerAddress): Promise<SqlSession> {
  const { default: { createConnection } } = await import("mysql2");
  const socketPath = address.socket ?? defaultSocket();
  const connection = createConnection({
    socketPath,
    user: address.user ?? userInfo().username,
    ...address.password === null ? {} : { password: address.password },
    database: address.database,
    charset: "BINARY",
    connectTimeout: CONNECT_TIMEOUT_MS,
    multipleStatements: true,
    typeCast: false,
    // The server asks the system who we are, and needs to hear nothing.
    authPlugins: { unix_socket: () => () => Buffer.alloc(0) },
  });
  const session = new MysqlSession(connection, socketPath);
  await session.opened();
  return session;
}

function defaultSocket(): string {
  const named = Deno.env.get("MYSQL_UNIX_PORT");
  return named ?? DEFAULT_SOCKETS.find((path) => existsSync(path)) ?? DEFAULT_SOCKETS[0];
}

/** The disk that a path is on: its decimal `st_dev`; null when this process can't see it. */
export function diskOf(path: string): string | null {
  try {
    return String(statSync(path, { bigint: true }).dev);
  } catch {
    return null;
  }
}

class MysqlSession implements SqlSession {
  readonly #connection: Connection;
  readonly #socketPath: string;
  #isOpen = false;
  #lost: DatabaseLostError | null = null;
  #closed = false;

  constructor(connection: Connection, socketPath: string) {
    this.#connection = connection;
    this.#socketPath = socketPath;
    connection.on("error", (cause) => this.#lose(cause));
    connection.on("end", () => this.#lose(new Error("the server has closed the connection")));
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connection.connect((cause) => {
        if (cause !== null) {
          this.#connection.destroy();
          return reject(this.#errorOf(cause));
        }
        this.#isOpen = true;
        resolve();
      });
    });
  }

  query(statements: readonly string[]): Promise<SqlRow[][]> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#connection.query(statements.join(";"), (cause, results, fields) => {
        if (cause !== null) return reject(this.#errorOf(cause));
        // One statement has its rows, several have a list of theirs.
        const isOne = statements.length === 1;
        try {
          resolve(rowsOf(isOne ? [results] : results, isOne ? [fields] : fields));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    if (this.#lost !== null) {
      this.#connection.destroy();
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#connection.end(() => resolve()));
  }

  destroy(): void {
    this.#closed = true;
    this.#connection.destroy();
  }

  #lose(cause: unknown): DatabaseLostError {
    if (this.#lost !== null) return this.#lost;
    const reason = reasonOf(cause);
    const what = this.#isOpen ? "lost the database server" : "no database server can be reached";
    const lost = new DatabaseLostError(`${what} at ${this.#socketPath}: ${reason}`, { cause });
    if (!this.#closed) this.#lost = lost;
    return lost;
  }

  /** What a query or the connection said, as an error of the family. */
  #errorOf(cause: QueryError): DatabaseError {
    const { message, errno } = cause;
    // What has no number of the server was said by the system or the package.
    if (errno === undefined || errno <= 0 || LOST_ERRORS.has(errno)) return this.#lose(cause);
    const advice = errno === NO_DATABASE ? ": create it, or correct its name" : "";
    return new DatabaseError(`MySQL error ${errno}: ${message}${advice}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // The most frequent reason, and the one that the system tells in the fewest words.
  const isAbsent = "code" in cause && cause.code === "ENOENT";
  return isAbsent ? "there is no such socket, as long as the server does not run" : cause.message;
}

function rowsOf(results: unknown, fields: unknown): SqlRow[][] {
  if (!Array.isArray(results) || !Array.isArray(fields)) {
    throw new DatabaseError("expected results of a query, found none");
  }
  return results.map((rows, at) => {
    // A statement that has no rows says how many it has changed.
    if (!Array.isArray(rows)) return [];
    const columns: readonly FieldPacket[] = fields[at] ?? [];
    return rows.map((row) => rowOf(row, columns));
  });
}

function rowOf(row: Readonly<Record<string, Buffer | null>>, fields: readonly FieldPacket[]) {
  const values: Record<string, SqlValue> = {};
  for (const { name, columnType } of fields) {
    const value = row[name] ?? null;
    values[name] = value === null
      ? null
      : INTEGER_TYPES.has(columnType ?? 0)
      ? BigInt(value.toString("latin1"))
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return values;
}
