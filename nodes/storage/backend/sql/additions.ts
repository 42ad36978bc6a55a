/**
 * Revisions that come from elsewhere, and are inserted several at a time: a statement for each is
 * what most of the time of a replication or an import would go into. To be used in the middle of an
 * operation on the database.
 *
 * Invariant: a revision that is there already stays as it is, whatever a peer sends, twice or in
 * whichever order.
 */

import { type Oid, partitionOf, type Tid } from "../../../codec/ids.ts";
import type { SqlRow, SqlValue } from "../../../host/host.ts";
import { isBefore } from "../../positions.ts";
import type { AddedObject, RevisionKey } from "../backend.ts";
import { got, type Steps } from "../eventual.ts";
import { dataIdOf, OBJECT_COLUMNS, oidOf, tidOf } from "./columns.ts";
import type { InsertStatement, ReadStatement } from "./connection.ts";
import type { OwnData } from "./data.ts";
import type { Parts } from "./parts.ts";

export interface AdditionStatements {
  /** The data of a revision: `partition`, `oid`, `tid`. */
  readonly dataId: ReadStatement;
  /** Keys in order: `partition`, least tid, greatest tid, least oid of the least tid, count. */
  readonly revisions: ReadStatement;
}

export class Additions {
  readonly #parts: Parts;
  readonly #statements: AdditionStatements;
  readonly #insertRows: InsertStatement;

  constructor(parts: Parts, statements: AdditionStatements) {
    this.#parts = parts;
    this.#statements = statements;
    this.#insertRows = parts.connection.insert("obj", OBJECT_COLUMNS);
  }

  #partition(id: Oid | Tid): number {
    return partitionOf(id, this.#parts.settings.knownPartitions);
  }

  /** Adds revisions. An undo may take its data from one that comes before it. */
  *add(objects: readonly AddedObject[]): Steps<void> {
    let run: AddedObject[] = [];
    for (const object of objects) {
      const isUndo = object.valueTid !== null;
      if (isUndo || !(object.isNew || this.#follows(object, run.at(-1)))) {
        yield* this.#addRun(run);
        run = [];
      }
      if (isUndo) yield* this.#addUndo(object);
      else run.push(object);
    }
    yield* this.#addRun(run);
  }

  #follows(key: RevisionKey, last: RevisionKey | undefined): boolean {
    if (last === undefined) return true;
    return isBefore(last, key) && this.#partition(last.oid) === this.#partition(key.oid);
  }

  /** Adds revisions that are no undos: those that are not new are in order, of one partition. */
  *#addRun(run: readonly AddedObject[]): Steps<void> {
    const there = yield* this.#among(run.filter(({ isNew }) => isNew !== true));
    yield* this.#insert(there.size === 0 ? run : run.filter((object) => !there.has(object)));
  }

  /** Those that are there already. */
  *#among(keys: readonly RevisionKey[]): Steps<ReadonlySet<RevisionKey>> {
    const [first, last] = [keys[0], keys.at(-1)];
    if (first === undefined || last === undefined) return new Set();
    const { revisions, dataId } = this.#statements;
    const offset = this.#partition(first.oid);
    const count = keys.length + 1;
    const rows = yield* got(revisions.all(offset, first.tid, last.tid, first.oid, count));
    const end = rows.length < count ? undefined : rows.at(-1);
    if (end === undefined || !isBefore(keyOf(end), last)) {
      return new Set(matches(keys, rows).keys());
    }
    // There are so many others in between that it is better to look for each.
    const there = new Set<RevisionKey>();
    for (const key of keys) {
      if ((yield* got(dataId.get(offset, key.oid, key.tid))) !== undefined) there.add(key);
    }
    return there;
  }

  *#addUndo(object: AddedObject): Steps<void> {
    const { oid, tid, valueTid, isNew } = object;
    const { dataId } = this.#statements;
    const partition = this.#partition(oid);
    if (!isNew && (yield* got(dataId.get(partition, oid, tid))) !== undefined) return;
    const target = yield* got(dataId.get(partition, oid, valueTid));
    const shared = target === undefined ? null : dataIdOf(target);
    if (shared === null) yield* this.#insert([object]);
    else this.#insertRows.run([[partition, oid, tid, shared, valueTid]]);
  }

  /** Inserts revisions that have their data for themselves, or have none. */
  *#insert(objects: readonly AddedObject[]): Steps<void> {
    if (objects.length === 0) return;
    const own: OwnData[] = [];
    for (const { oid, value } of objects) if (value !== null) own.push({ oid, value });
    const ids = (yield* this.#parts.data.insertAll(own)).values();
    this.#insertRows.run(objects.map(({ oid, tid, value, valueTid }): SqlValue[] => {
      const id = value === null ? null : ids.next().value ?? null;
      return [this.#partition(oid), oid, tid, id, valueTid];
    }));
  }
}

/** Which revision a row with the columns `tid` and `oid` tells of. */
export function keyOf({ tid, oid }: SqlRow): RevisionKey {
  return { tid: tidOf(tid), oid: oidOf(oid) };
}

/** The rows of some revisions. Both are in order. */
export function matches<Key extends RevisionKey>(
  keys: readonly Key[],
  rows: readonly SqlRow[],
): Map<Key, SqlRow> {
  const found = new Map<Key, SqlRow>();
  let at = 0;
  for (const row of rows) {
    const there = keyOf(row);
    for (let key = keys[at]; key !== undefined && !isBefore(there, key); key = keys[++at]) {
      if (key.tid === there.tid && key.oid === there.oid) found.set(key, row);
    }
  }
  return found;
}
