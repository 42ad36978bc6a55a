/**
 * The objects of a transaction on their way from `tobj` to `obj`, a few at a time. Commits are kept
 * back meanwhile: on disk, the transaction is committed as a whole or not at all.
 */

import type { Unlock, Unlocking } from "../backend.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import { integerOf } from "./columns.ts";
import type { CommitHold } from "./commit_hold.ts";
import type { ReadStatement, SqlConnection, WriteStatement } from "./connection.ts";

/** Objects that are moved at a time. */
const PART_OBJECTS = 128;

/** What moves a part: statements that are prepared once. */
export class PartStatements {
  /** The first object after the next part. */
  readonly #next: ReadStatement;
  readonly #move: WriteStatement;
  readonly #remove: WriteStatement;

  constructor(connection: SqlConnection) {
    this.#next = connection.read(
      "SELECT oid FROM tobj WHERE tid = ? ORDER BY oid LIMIT 1 OFFSET ?",
    );
    this.#move = connection.write(
      "REPLACE INTO obj (partition, oid, tid, data_id, value_tid) " +
        "SELECT partition, oid, ?, data_id, value_tid FROM tobj WHERE tid = ? AND oid < ?",
    );
    this.#remove = connection.write("DELETE FROM tobj WHERE tid = ? AND oid < ?");
  }

  /** Moves some objects unless there are few. Returns whether it did. */
  some({ ttid, tid }: Unlock): Eventual<boolean> {
    return then(this.#next.get(ttid, PART_OBJECTS), (row) => {
      if (row === undefined) return false;
      const end = integerOf(row.oid);
      this.#move.run(tid, ttid, end);
      this.#remove.run(ttid, end);
      return true;
    });
  }

  /** Moves all objects but a few, at once. */
  moveMost(unlock: Unlock): Eventual<void> {
    return eventually(this.#moveMost(unlock));
  }

  *#moveMost(unlock: Unlock): Steps<void> {
    while (yield* got(this.some(unlock)));
  }
}

export interface MoveOptions {
  readonly unlock: Unlock;
  readonly statements: PartStatements;
  readonly hold: CommitHold;
  /** Moves what is left, with the metadata. */
  moveRest(): void;
}

export class MovedInParts implements Unlocking {
  readonly #options: MoveOptions;
  #release: (() => void) | null = null;
  #isOver = false;

  constructor(options: MoveOptions) {
    this.#options = options;
  }

  some(): Eventual<boolean> {
    if (this.#isOver) return false;
    if (this.#release !== null) return this.#part();
    return then(this.#options.hold.take(), (release) => {
      this.#release = release;
      if (!this.#isOver) return this.#part();
      this.#letGo();
      return false;
    });
  }

  #letGo(): void {
    this.#release?.();
    this.#release = null;
  }

  #part(): Eventual<boolean> {
    const { unlock, statements } = this.#options;
    return then(statements.some(unlock), (isMoved) => {
      if (!isMoved) this.finish();
      return isMoved;
    });
  }

  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.moveRest();
    this.#letGo();
  }
}
