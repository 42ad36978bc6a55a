/**
 * Dropping of partitions that this node has no cell of any more: a few rows at a time, the first
 * ones first. A crash leaves some of them, which nobody reads: a cell that comes back is completed
 * from its beginning, and otherwise the next whole table that the node gets has them dropped.
 */

import type { Drop } from "../backend.ts";
import { got, type Steps } from "../eventual.ts";
import { dataIds, integerOf, oidOf } from "./columns.ts";
import type { ReadStatement, WriteStatement } from "./connection.ts";
import type { Parts } from "./parts.ts";
import { SlicedWork, STEP_ROWS } from "./sliced_work.ts";

const LAST = { isLast: true };

/** Drops partitions, for as long as they are gone; resolves when that is done or has to end. */
export async function dropPartitions(
  parts: Parts,
  { offsets, pause, isGone }: Drop,
): Promise<void> {
  const work = new SlicedWork(parts, pause);
  const rows = new Rows(parts);
  for (const offset of offsets) {
    const unlessBack = (step: (offset: number) => Steps<{ readonly isLast: boolean }>) =>
      work.repeat(function* () {
        return isGone(offset) ? yield* step(offset) : LAST;
      });
    if (!await unlessBack((offset) => rows.dropRevisions(offset))) return;
    if (!await unlessBack((offset) => rows.dropTransactions(offset))) return;
  }
}

class Rows {
  readonly #parts: Parts;
  readonly #revisions: ReadStatement;
  readonly #deleteRevisions: WriteStatement;
  readonly #transactions: ReadStatement;
  readonly #deleteTransactions: WriteStatement;

  constructor(parts: Parts) {
    const { connection, dialect } = parts;
    this.#parts = parts;
    this.#revisions = connection.read(
      `SELECT data_id, oid, tid FROM ${dialect.objByOid} ` +
        "WHERE partition = ? ORDER BY oid, tid LIMIT ?",
    );
    this.#deleteRevisions = connection.write(
      "DELETE FROM obj WHERE partition = ?1 AND (oid < ?2 OR (oid = ?2 AND tid <= ?3))",
    );
    this.#transactions = connection.read(
      `SELECT tid FROM ${dialect.transByTid} WHERE partition = ? ORDER BY tid LIMIT ?`,
    );
    this.#deleteTransactions = connection.write(
      "DELETE FROM trans WHERE partition = ? AND tid <= ?",
    );
  }

  *dropRevisions(offset: number): Steps<{ readonly isLast: boolean }> {
    const { connection, data } = this.#parts;
    const rows = yield* got(this.#revisions.all(offset, STEP_ROWS));
    const last = rows.at(-1);
    if (last === undefined) return LAST;
    connection.changing(rows.map(({ oid }) => oidOf(oid)));
    this.#deleteRevisions.run(offset, integerOf(last.oid), integerOf(last.tid));
    data.prune(dataIds(rows));
    return { isLast: rows.length < STEP_ROWS };
  }

  *dropTransactions(offset: number): Steps<{ readonly isLast: boolean }> {
    const rows = yield* got(this.#transactions.all(offset, STEP_ROWS));
    const last = rows.at(-1);
    if (last === undefined) return LAST;
    this.#deleteTransactions.run(offset, integerOf(last.tid));
    return { isLast: rows.length < STEP_ROWS };
  }
}
