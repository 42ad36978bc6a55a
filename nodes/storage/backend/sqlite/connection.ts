/**
 * The connection to an SQLite file, and its transaction. The first write opens a transaction that
 * all logical transactions share; whoever asks for a commit in a turn gets the one at its end, or
 * the one that follows when the disk is still busy with the last one: the busier it is, the more
 * share a commit.
 * After a failure nothing is committed any more: what is on disk stays as it was last promised.
 */

import { DatabaseError } from "../../../errors.ts";
import type { ClientHost, SqlDatabase, SqlStatement, SqlValue, Timer } from "../../../host/host.ts";
import type { Eventual } from "../eventual.ts";

/** How long what was unlocked may stay uncommitted when nothing else asks for a commit. */
export const DEFERRED_COMMIT_MS = 1000;

/** A statement that changes the database. */
export interface WriteStatement {
  /** Returns how many rows were changed. */
  run(...parameters: SqlValue[]): number;
}

export interface ConnectionOptions {
  readonly host: ClientHost;
  readonly database: SqlDatabase;
  failed(error: unknown): void;
}

export class Connection {
  readonly #host: ClientHost;
  readonly #database: SqlDatabase;
  readonly #failed: (error: unknown) => void;
  readonly #beginStatement: SqlStatement;
  readonly #commitStatement: SqlStatement;
  #inTransaction = false;
  #failure: unknown = null;
  #closed = false;
  #requested: PromiseWithResolvers<void> | null = null;
  #running: Promise<void> | null = null;
  #timer: Timer | null = null;

  constructor(options: ConnectionOptions) {
    this.#host = options.host;
    this.#database = options.database;
    this.#failed = (error) => options.failed(error);
    this.#beginStatement = options.database.prepare("BEGIN IMMEDIATE");
    this.#commitStatement = options.database.prepare("COMMIT");
  }

  /** Prepares a statement that only reads. */
  read(sql: string): SqlStatement {
    return this.#database.prepare(sql);
  }

  /** Prepares a statement that writes. */
  write(sql: string): WriteStatement {
    const statement = this.#database.prepare(sql);
    return {
      run: (...parameters) => {
        this.#ensureTransaction();
        try {
          return statement.run(...parameters).changes;
        } catch (error) {
          this.#fail(error);
          throw error;
        }
      },
    };
  }

  /** Executes statements that write. */
  execute(sql: string): void {
    this.#ensureTransaction();
    try {
      this.#database.exec(sql);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #ensureTransaction(): void {
    if (this.#inTransaction && this.#failure === null) return;
    this.#check();
    this.#beginStatement.run();
    this.#inTransaction = true;
  }

  #check(): void {
    if (this.#failure === null && !this.#closed) return;
    throw new DatabaseError("the database was closed, or an earlier write to it failed", {
      cause: this.#failure,
    });
  }

  /** Commits at once, without waiting for the disk: at start-up, and between slices of work. */
  commitNow(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (!this.#inTransaction) return;
    this.#check();
    this.#commitStatement.run();
    this.#inTransaction = false;
  }

  /** Commits at the end of the turn. Resolves when everything written before is on disk. */
  commit(): Promise<void> {
    if (this.#requested !== null) return this.#requested.promise;
    this.#requested = Promise.withResolvers();
    // Whoever does not wait is told of a failure by `failed`.
    this.#requested.promise.catch(() => {});
    if (this.#running === null) this.#deferCommit();
    return this.#requested.promise;
  }

  /** Commits in a while; each call starts the wait again. */
  commitLater(): void {
    this.#timer?.cancel();
    this.#timer = this.#host.setTimer(DEFERRED_COMMIT_MS, () => {
      this.#timer = null;
      void this.commit();
    });
  }

  /** Waits for the commits that were asked for. */
  committed(): Eventual<void> {
    return this.#requested?.promise ?? this.#running ?? undefined;
  }

  #deferCommit(): void {
    this.#host.defer(() => this.#commitRequested());
  }

  async #commitRequested(): Promise<void> {
    const requested = this.#requested;
    if (requested === null) return;
    this.#requested = null;
    this.#running = requested.promise;
    try {
      this.commitNow();
      await this.#database.durable();
      requested.resolve();
    } catch (error) {
      this.#fail(error);
      requested.reject(error);
    } finally {
      this.#running = null;
      if (this.#requested !== null) this.#deferCommit();
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#failure = error;
    this.#failed(error);
  }

  /** Commits unless something failed, and closes. */
  close(): void {
    if (this.#failure !== null) return this.abandon();
    try {
      this.commitNow();
    } finally {
      this.abandon();
    }
  }

  /** Closes; what was not committed is lost. */
  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#database.close();
  }
}
