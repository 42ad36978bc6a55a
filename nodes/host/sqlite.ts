/**
 * A SQLite file that this process has for itself, with commits that are made durable in groups.
 *
 * The file is in WAL mode with `synchronous=NORMAL`, where a commit only appends to the `-wal`
 * file, and `durable` flushes that file; where the disk takes its time, without stopping the event
 * loop. This is as safe as `synchronous=FULL`, which does the same flush inside each commit: a
 * commit is on disk when its part of the WAL is. In NORMAL, SQLite itself still flushes the WAL
 * before a checkpoint and the main file after it, so that the main file never depends on an
 * unflushed WAL and the WAL is only written over when the main file has its contents; and it
 * flushes the WAL's header (and, when it has just created it, the directory) before the first
 * commit after that.
 *
 * The WAL is opened once: SQLite replaces it only when its last connection closes or the journal
 * mode changes, and neither can happen while this connection is open, which keeps a shared lock on
 * the main file. Closing our descriptor of it drops no lock, as SQLite locks `-shm` instead. For that
 * reason the descriptor of `-shm`, by which checkpoints.ts looks at the WAL, is closed last.
 */

import { closeSync, openSync, realpathSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "../errors.ts";
import { CHECKPOINT_PAGES, Checkpoints } from "./checkpoints.ts";
import { monotonic } from "./clock.ts";
import { type DatabaseLock, lockDatabase } from "./database_lock.ts";
import { GroupFlush } from "./group_flush.ts";
import type { DatabaseLook, SqlDatabase, SqlStatement } from "./host.ts";
import { prepareStatement, sqliteError } from "./sqlite_statement.ts";

/** How long a statement waits for another program, such as a backup, that locks the file. */
const BUSY_TIMEOUT_MS = 5000;

/** Pages of the file that are kept in memory. */
const CACHE_KIB = 16_384;

/**
 * Pages in the WAL from which on a commit copies them by itself, whatever that takes: only a disk
 * that can't keep up gets there (see checkpoints.ts).
 */
const MAX_WAL_PAGES = 32_000;

/**
 * A disk that took less than this for the last flush is waited for: another thread would cost as
 * much time to get started and heard, and most of the commit's time is spent here.
 */
const INLINE_FLUSH_MS = 0.5;

/** Opens (creates) a database file. Throws a DatabaseError, also for what `look` says. */
export function openSqlite(
  path: string,
  look: DatabaseLook = () => null,
): { database: SqlDatabase; device: string } {
  if (path === ":memory:") {
    throw new DatabaseError("expected the path of a database file, found :memory:");
  }
  const lock = lockDatabase(path);
  let refusal: string | null;
  try {
    // The absolute path without links, beside which SQLite puts its WAL.
    const absolute = realpathSync(path);
    refusal = lookInto(absolute, look);
    if (refusal === null) {
      return { database: new SqliteDatabase(absolute, lock), device: lock.device };
    }
  } catch (cause) {
    lock.release();
    const reason = cause instanceof Error ? cause.message : cause;
    throw new DatabaseError(`cannot use the database ${path}: ${reason}`, { cause });
  }
  lock.release();
  throw new DatabaseError(refusal);
}

/** Looks by a connection of its own: the one that stays puts the file in WAL mode at once. */
function lookInto(path: string, look: DatabaseLook): string | null {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return look({ prepare: (sql) => prepareStatement(database, sql) });
  } finally {
    database.close();
  }
}

class SqliteDatabase implements SqlDatabase {
  readonly #path: string;
  readonly #lock: DatabaseLock;
  readonly #database: DatabaseSync;
  readonly #wal: Deno.FsFile;
  readonly #index: number;
  readonly #checkpoints: Checkpoints;
  readonly #flushes: GroupFlush;
  #isDiskFast = false;
  #closed = false;

  constructor(path: string, lock: DatabaseLock) {
    this.#path = path;
    this.#lock = lock;
    this.#database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    try {
      this.#configure();
      this.#wal = Deno.openSync(`${path}-wal`, { read: true, write: true });
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#index = openSync(`${path}-shm`, "r");
    this.#checkpoints = this.#makeCheckpoints();
    this.#flushes = new GroupFlush(() => this.#flush());
  }

  exec(sql: string): void {
    try {
      this.#database.exec(sql);
    } catch (error) {
      throw sqliteError(error);
    }
  }

  prepare(sql: string): SqlStatement {
    return prepareStatement(this.#database, sql);
  }

  durable(): Promise<void> {
    if (!this.#closed) return this.#flushes.durable();
    return Promise.reject(new DatabaseError(`the database ${this.#path} is closed`));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Closing makes a checkpoint; the lock goes with the process.
    if (this.#flushes.failed) return this.#checkpoints.abandon();
    this.#checkpoints.close();
    try {
      if (this.#database.isTransaction) this.exec("ROLLBACK");
      this.#checkpoint();
    } finally {
      this.#database.close();
      closeSync(this.#index);
      this.#lock.release();
      this.#flushes.whenIdle(() => this.#wal.close());
    }
  }

  #configure(): void {
    this.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    const mode = this.prepare("PRAGMA journal_mode = WAL").get();
    if (mode?.journal_mode !== "wal") {
      throw new DatabaseError(
        `expected a file system on which SQLite can use a WAL, found the journal mode ` +
          `${mode?.journal_mode}: put the database on a local disk`,
      );
    }
    this.exec(`PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB}`);
    this.exec(`PRAGMA wal_autocheckpoint = ${MAX_WAL_PAGES}`);
    // The first read opens the WAL, and creates it if there is none.
    this.prepare("PRAGMA user_version").get();
  }

  #makeCheckpoints(): Checkpoints {
    const checkpoint = this.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    return new Checkpoints({
      path: this.#path,
      index: this.#index,
      checkpoint: () => {
        if (!this.#database.isTransaction) checkpoint.get();
      },
      failed: () => this.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`),
    });
  }

  /**
   * After a failed flush the WAL on disk may have gaps. The next start stops reading it before the
   * first one, and finds a sound database, unless a checkpoint has copied what followed into the
   * main file: so there must be no more checkpoints.
   */
  async #flush(): Promise<void> {
    const start = monotonic();
    try {
      if (this.#isDiskFast) this.#wal.syncDataSync();
      else await this.#wal.syncData();
      this.#isDiskFast = monotonic() - start < INLINE_FLUSH_MS;
    } catch (error) {
      this.#checkpoints.abandon();
      if (!this.#closed) this.exec("PRAGMA wal_autocheckpoint = 0");
      throw error;
    }
    if (!this.#closed) this.#checkpoints.look();
  }

  #checkpoint(): void {
    const done = this.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    if (done?.busy === 0n) return;
    throw new DatabaseError(
      `another program has ${this.#path} open, so the last changes are still in ` +
        `${this.#path}-wal: keep the two files together`,
    );
  }
}
