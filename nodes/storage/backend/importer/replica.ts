/**
 * What replicas compare and exchange. While the import goes on, nobody may take from here what
 * looks whole and is not.
 */

import type { Tid } from "../../../codec/ids.ts";
import type {
  AddedObject,
  ReplicaObject,
  ReplicaTable,
  ReplicaTransaction,
  RevisionKey,
  RevisionRange,
  UndoCompletion,
} from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import type { Progress } from "./progress.ts";

export class ImporterReplica implements ReplicaTable {
  readonly #database: ReplicaTable;
  readonly #progress: Progress;

  constructor(database: ReplicaTable, progress: Progress) {
    this.#database = database;
    this.#progress = progress;
  }

  #requireOver(): void {
    this.#progress.requireOver("replication", "REPLICATION_ERROR");
  }

  revisions(range: RevisionRange): Eventual<RevisionKey[]> {
    this.#requireOver();
    return this.#database.revisions(range);
  }

  transaction(tid: Tid): Eventual<ReplicaTransaction | null> {
    this.#requireOver();
    return this.#database.transaction(tid);
  }

  object(key: RevisionKey): Eventual<ReplicaObject | null> {
    this.#requireOver();
    return this.#database.object(key);
  }

  objects(keys: readonly RevisionKey[]): Eventual<(ReplicaObject | undefined)[]> {
    this.#requireOver();
    return this.#database.objects(keys);
  }

  addTransaction(transaction: ReplicaTransaction): void {
    this.#database.addTransaction(transaction);
  }

  addObjects(objects: readonly AddedObject[]): Eventual<void> {
    return this.#database.addObjects(objects);
  }

  deleteTransactions(tids: readonly Tid[]): void {
    this.#requireOver();
    this.#database.deleteTransactions(tids);
  }

  deleteObjects(keys: readonly RevisionKey[]): Eventual<void> {
    this.#requireOver();
    return this.#database.deleteObjects(keys);
  }

  lastTids(offset: number): Eventual<{ trans: Tid | null; obj: Tid | null }> {
    return this.#database.lastTids(offset);
  }

  completeUndos(completion: UndoCompletion): Promise<number> {
    return this.#database.completeUndos(completion);
  }
}
