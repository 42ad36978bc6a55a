/** The server: sessions with it that are set up, and the lock on the database. */

import { DatabaseError, DatabaseLostError } from "../../../errors.ts";
import type { NodeHost, SqlServerAddress, SqlSession } from "../../../host/host.ts";
import { integerOf, textOf } from "../sql/columns.ts";
import { Template } from "./template.ts";

/** How long to wait between attempts to reach the server, in milliseconds. */
const RETRY_MS = 1000;

/**
 * What the server must take in one message: a value of nearly 16 MiB, all of whose bytes have to
 * be escaped. The message is NEO's.
 */
const MIN_PACKET_BYTES = 32_769 * 1024;

/** An idle session lives as long as the server allows: a year. */
const IDLE_TIMEOUT_S = 31_536_000;

const SET_UP = "SET SESSION autocommit = 1, " +
  // Too long a value, or an unknown engine, is an error; 0 is an id like any other.
  "sql_mode = 'TRADITIONAL,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', " +
  `wait_timeout = ${IDLE_TIMEOUT_S}`;

/** The server may need a moment to notice that a former life of this node is over. */
const LOCK_WAIT_S = 2;

/** Settings of engines, and the values with which what was committed survives a crash. */
const DURABLE: ReadonlyMap<string, readonly string[]> = new Map([
  ["innodb_flush_log_at_trx_commit", ["1", "3"]],
  ["rocksdb_flush_log_at_trx_commit", ["1"]],
]);

const LOCK = new Template("SELECT GET_LOCK(?, ?) AS locked");
const UNLOCK = new Template("DO RELEASE_LOCK(?)");

export interface ServerOptions {
  readonly address: SqlServerAddress;
  /** How long to try to reach the server, in milliseconds; for ever where negative. */
  readonly waitMs: number;
}

export class Server {
  readonly #host: NodeHost;
  readonly #options: ServerOptions;
  readonly #closing: AbortController;
  /** The session that has the lock. */
  readonly session: SqlSession;
  /** What the server takes in one message, in bytes. */
  readonly maxPacket: number;
  /** Where the server keeps its files. */
  readonly directory: string;

  private constructor(
    host: NodeHost,
    options: ServerOptions,
    opened: {
      readonly closing: AbortController;
      readonly session: SqlSession;
      readonly maxPacket: number;
      readonly directory: string;
    },
  ) {
    this.#host = host;
    this.#options = options;
    this.#closing = opened.closing;
    this.session = opened.session;
    this.maxPacket = opened.maxPacket;
    this.directory = opened.directory;
  }

  /**
   * Reaches the server and locks the database. Rejects with a DatabaseError when the server can't
   * be reached in time, refuses us, or takes too little, or when another node has the lock.
   */
  static async open(host: NodeHost, options: ServerOptions): Promise<Server> {
    const closing = new AbortController();
    const session = await connect(host, options, closing.signal);
    try {
      await takeLock(session, options.address.database);
      const [rows = []] = await session.query([
        "SELECT @@GLOBAL.max_allowed_packet AS packet, @@datadir AS directory",
      ]);
      const maxPacket = Number(integerOf(rows[0]?.packet));
      if (maxPacket < MIN_PACKET_BYTES) {
        throw new DatabaseError(
          "Global variable 'max_allowed_packet' is too small. " +
            `Minimal value must be ${MIN_PACKET_BYTES / 1024}k.`,
        );
      }
      await warnOfLosses(host, session);
      const directory = textOf(rows[0]?.directory);
      return new Server(host, options, { closing, session, maxPacket, directory });
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  /** Nobody waits for the server any more. */
  close(): void {
    this.#closing.abort();
  }

  get database(): string {
    return this.#options.address.database;
  }

  /** The statement by which the session with the lock gives it up. */
  get unlock(): string {
    return UNLOCK.fill([lockName(this.database)]);
  }

  /** Opens another session, without the lock. */
  connect(): Promise<SqlSession> {
    return connect(this.#host, this.#options, this.#closing.signal);
  }

  /**
   * Opens a session in place of the one that had the lock, and takes that again. Rejects with what
   * `check` rejects with, which looks at the database under the lock.
   */
  async reconnect(check: (session: SqlSession) => Promise<void>): Promise<SqlSession> {
    this.#host.log.log("WARNING", "storage", "lost the database server: connecting again");
    const session = await this.connect();
    try {
      await takeLock(session, this.database);
      await check(session);
    } catch (error) {
      session.destroy();
      throw error;
    }
    return session;
  }
}

async function connect(
  host: NodeHost,
  { address, waitMs }: ServerOptions,
  closing: AbortSignal,
): Promise<SqlSession> {
  const start = host.monotonic();
  for (let isWaiting = false;;) {
    try {
      const session = await host.connectDatabase(address);
      await session.query([SET_UP]);
      return session;
    } catch (error) {
      const isOver = waitMs >= 0 && host.monotonic() - start + RETRY_MS > waitMs;
      if (!(error instanceof DatabaseLostError) || isOver) throw error;
      if (!isWaiting) host.log.log("WARNING", "storage", `${error.message}: waiting for it`);
      isWaiting = true;
    }
    await pause(host, closing);
    if (closing.aborted) throw new DatabaseError("the database is closed");
  }
}

/** Waits before the next attempt, or until nobody waits any more. */
async function pause(host: NodeHost, closing: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = host.setTimer(RETRY_MS, resolve, { keepsProcess: true });
  const stop = () => resolve();
  closing.addEventListener("abort", stop);
  await promise;
  timer.cancel();
  closing.removeEventListener("abort", stop);
}

/** Nothing can be done about a server that acknowledges commits before they are on disk. */
async function warnOfLosses({ log }: NodeHost, session: SqlSession): Promise<void> {
  const [rows = []] = await session.query([
    "SHOW GLOBAL VARIABLES LIKE '%\\_flush\\_log\\_at\\_trx\\_commit'",
  ]);
  for (const { Variable_name, Value } of rows) {
    const [name, value] = [textOf(Variable_name), textOf(Value)];
    if (DURABLE.get(name)?.includes(value) !== false) continue;
    const consequence = "what this node acknowledges may be lost when that machine fails";
    log.log("WARNING", "storage", `the database server has ${name} = ${value}: ${consequence}`);
  }
}

/** The name by which all nodes of NEO know the lock on a database. */
function lockName(database: string): string {
  return `${database}.neostorage`;
}

/**
 * Takes the lock on a database, which lasts as long as the session. Rejects with a DatabaseError
 * where another node has it.
 */
export async function takeLock(session: SqlSession, database: string): Promise<void> {
  const [rows = []] = await session.query([LOCK.fill([lockName(database), LOCK_WAIT_S])]);
  if (rows[0]?.locked !== 1n) throw new DatabaseError("database is locked");
}
