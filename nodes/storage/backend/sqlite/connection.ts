/**
 * The connection to an SQLite file, and its transaction. The first write opens a transaction that
 * all logical transactions share. After a failure nothing is committed any more: what is on disk
 * stays as it was last promised.
 */

import { DatabaseError } from "../../../errors.ts";
import type { ClientHost, SqlDatabase, SqlStatement } from "../../../host/host.ts";
import type { Eventual } from "../eventual.ts";
import { CommitHold } from "../sql/commit_hold.ts";
import type { InsertStatement, SqlConnection, WriteStatement } from "../sql/connection.ts";
import { GroupCommit } from "../sql/group_commit.ts";

/** Rows that one statement inserts: small ones, up to four times as fast as one by one. */
const ROWS_TOGETHER = [64, 8, 1];

export interface ConnectionOptions {
  readonly host: ClientHost;
  readonly database: SqlDatabase;
  failed(error: unknown): void;
}

export class Connection implements SqlConnection {
  readonly #database: SqlDatabase;
  readonly #failed: (error: unknown) => void;
  readonly #beginStatement: SqlStatement;
  readonly #commitStatement: SqlStatement;
  readonly #commits: GroupCommit;
  readonly lastTids = null;
  readonly trail = null;
  readonly hold = new CommitHold();
  #inTransaction = false;
  #failure: unknown = null;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#database = options.database;
    this.#failed = (error) => options.failed(error);
    this.#beginStatement = options.database.prepare("BEGIN IMMEDIATE");
    this.#commitStatement = options.database.prepare("COMMIT");
    this.#commits = new GroupCommit(options.host, () => this.#flush());
  }

  read(sql: string): SqlStatement {
    return this.#database.prepare(sql);
  }

  lookup(sql: string): SqlStatement {
    return this.read(sql);
  }

  write(sql: string): WriteStatement {
    const statement = this.#database.prepare(sql);
    return {
      run: (...parameters) => {
        this.#ensureTransaction();
        try {
          statement.run(...parameters);
        } catch (error) {
          this.#fail(error);
          throw error;
        }
      },
    };
  }

  /**
   * With OR FAIL, SQLite need not remember what the pages were like before the statement, which
   * takes longer than to insert the rows: after a failure nothing is committed anyway.
   */
  insert(table: string, columns: readonly string[]): InsertStatement {
    const row = `(${columns.map(() => "?").join(", ")})`;
    const sql = `INSERT OR FAIL INTO ${table} (${columns.join(", ")}) VALUES`;
    const statements = ROWS_TOGETHER.map((count) => ({
      count,
      statement: this.write(`${sql} ${Array(count).fill(row).join(", ")}`),
    }));
    return {
      run(rows) {
        let at = 0;
        for (const { count, statement } of statements) {
          for (; at + count <= rows.length; at += count) {
            statement.run(...rows.slice(at, at + count).flat());
          }
        }
      },
    };
  }

  execute(sql: string): void {
    this.#ensureTransaction();
    try {
      this.#database.exec(sql);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Everything is done at once here, so everything is in order. */
  inOrder<T>(operation: () => Eventual<T>): Eventual<T> {
    return operation();
  }

  atomically<T>(operation: () => Eventual<T>): Eventual<T> {
    return operation();
  }

  changing(): void {}

  room(): void {}

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

  commitNow(): Eventual<void> {
    return this.hold.commit(() => this.#commitNow());
  }

  #commitNow(): void {
    this.#commits.cancelLater();
    if (!this.#inTransaction) return;
    this.#check();
    this.#commitStatement.run();
    this.#inTransaction = false;
  }

  commit(): Promise<void> {
    return this.#commits.commit();
  }

  commitLater(): void {
    this.#commits.commitLater();
  }

  committed(): Eventual<void> {
    return this.#commits.committed();
  }

  async #flush(): Promise<void> {
    try {
      await this.commitNow();
      await this.#database.durable();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#failure = error;
    this.#failed(error);
  }

  close(): void {
    // What is half written is lost, as in a crash.
    if (this.#failure !== null || this.hold.isHeld) return this.abandon();
    try {
      this.#commitNow();
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#commits.cancelLater();
    this.#database.close();
  }
}
