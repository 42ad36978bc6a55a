/**
 * What the tables need of the connection to an SQL database. SQLite answers at once; a server
 * answers later, and statements wait in line for it.
 *
 * Invariant: what the public operations of the tables do takes effect in the order of their calls.
 * So each of them goes through `inOrder` or `atomically`, and uses statements only inside.
 */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { SqlRow, SqlValue } from "../../../host/host.ts";
import type { Eventual } from "../eventual.ts";
import type { CommitHold } from "./commit_hold.ts";
import type { LastTids } from "./last_tids.ts";

/** A statement that only reads. */
export interface ReadStatement {
  get(...parameters: SqlValue[]): Eventual<SqlRow | undefined>;
  /** All rows at once: bound the work with LIMIT. */
  all(...parameters: SqlValue[]): Eventual<SqlRow[]>;
}

/** A statement that changes the database. Who has to know that it has been done commits. */
export interface WriteStatement {
  run(...parameters: SqlValue[]): void;
}

/** A statement that inserts rows, each with a value for each of its columns. */
export interface InsertStatement {
  run(rows: readonly SqlValue[][]): void;
}

/** Commits in groups: whoever asks for a commit while one is under way shares the next. */
export interface Commits {
  /** Commits at the end of the turn. Resolves when everything written before is on disk. */
  commit(): Promise<void>;
  /** Commits in a while; each call starts the wait again. */
  commitLater(): void;
  /** Waits for the commits that were asked for. */
  committed(): Eventual<void>;
}

/** Is told what is about to be written, where somebody else may write to the database as well. */
export interface Trail {
  /** Rows with this tid (or ttid). */
  tid(tid: Tid): void;
  /** A setting; null where it is deleted. */
  setting(name: string, value: string | null): void;
}

export interface SqlConnection extends Commits {
  /** What is remembered of objects where looking for it costs much; null where it does not. */
  readonly lastTids: LastTids | null;
  /** Null where nobody else can have written. */
  readonly trail: Trail | null;
  /**
   * By which commits are kept back while something is written in parts; null where statements keep
   * nobody waiting but who waits for them, so that nothing has to be written in parts.
   */
  readonly hold: CommitHold | null;
  /** Prepares a statement that reads; it sees all that was written before. */
  read(sql: string): ReadStatement;
  /**
   * Prepares a statement that reads revisions of one object; its first two parameters are the
   * partition and the oid. It need not be in order: where nothing of the object is being changed,
   * it may overtake what is written.
   */
  lookup(sql: string): ReadStatement;
  /** Prepares a statement that writes. */
  write(sql: string): WriteStatement;
  /** Prepares a statement that inserts rows into a table, with values for these columns. */
  insert(table: string, columns: readonly string[]): InsertStatement;
  /** Executes a statement that writes and has no parameters. */
  execute(sql: string): void;
  /** Starts an operation that consists of one statement, or of writes, when its turn has come. */
  inOrder<T>(operation: () => Eventual<T>): Eventual<T>;
  /** The same for an operation that writes what it has read: nothing happens in between. */
  atomically<T>(operation: () => Eventual<T>): Eventual<T>;
  /** Revisions of these objects (of any, for null) are about to be changed; it is called first. */
  changing(oids: readonly Oid[] | null): void;
  /** Waits until not too much waits to be written. */
  room(): Eventual<void>;
  /**
   * Commits now, or as soon as nobody keeps commits back: at start-up, and between slices of work.
   * SQLite does not wait for the disk.
   */
  commitNow(): Eventual<void>;
  /** Commits unless something failed, and closes. */
  close(): Eventual<void>;
  /** Closes; what was not committed is lost. */
  abandon(): Eventual<void>;
}
