/**
 * Truncation: deletes what is later than a tid, a few rows at a time. The setting that orders it
 * goes last, so that what a crash leaves of it is done before the node is of use again. Until then
 * nobody reads here, and nothing is added.
 */

import type { Tid } from "../../../codec/ids.ts";
import type { Pause } from "../backend.ts";
import { got, type Steps } from "../eventual.ts";
import { dataIds, oidOf, tidOf } from "./columns.ts";
import type { ReadStatement, WriteStatement } from "./connection.ts";
import type { Parts } from "./parts.ts";
import { SlicedWork, STEP_ROWS } from "./sliced_work.ts";

const LAST = { isLast: true };

/**
 * Truncates partitions as the settings say. Resolves when that is done, when the settings have come
 * to say something else, or when its pause has ended it.
 */
export async function truncate(
  parts: Parts,
  { offsets, pause }: { readonly offsets: readonly number[]; readonly pause: Pause },
): Promise<void> {
  const { truncateTid } = parts.settings;
  if (truncateTid === null) return;
  const work = new SlicedWork(parts, pause);
  const rows = new LaterRows(parts, truncateTid);
  for (const offset of offsets) {
    if (!await work.repeat(() => rows.deleteRevisions(offset))) return;
    if (!await work.repeat(() => rows.deleteTransactions(offset))) return;
  }
  await parts.connection.inOrder(() => rows.finish(offsets));
}

class LaterRows {
  readonly #parts: Parts;
  readonly #tid: Tid;
  readonly #revisions: ReadStatement;
  readonly #deleteRevision: WriteStatement;
  readonly #transactions: ReadStatement;
  readonly #deleteTransactions: WriteStatement;
  readonly #lowerProgress: WriteStatement;

  constructor(parts: Parts, tid: Tid) {
    const { connection, dialect } = parts;
    this.#parts = parts;
    this.#tid = tid;
    this.#revisions = connection.read(
      `SELECT tid, oid, data_id FROM ${dialect.objByTid} ` +
        "WHERE partition = ? AND tid > ? ORDER BY tid, oid LIMIT ?",
    );
    this.#deleteRevision = connection.write(
      "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#transactions = connection.read(
      `SELECT tid FROM ${dialect.transByTid} WHERE partition = ? AND tid > ? ORDER BY tid LIMIT ?`,
    );
    this.#deleteTransactions = connection.write(
      "DELETE FROM trans WHERE partition = ? AND tid > ? AND tid <= ?",
    );
    this.#lowerProgress = connection.write(
      "UPDATE pt SET tid = ?1 WHERE partition = ?2 AND nid = ?3 AND tid > ?1",
    );
  }

  /** Whether the settings still say so. */
  get #isDue(): boolean {
    return this.#parts.settings.truncateTid === this.#tid;
  }

  *deleteRevisions(offset: number): Steps<{ readonly isLast: boolean }> {
    if (!this.#isDue) return LAST;
    const { connection, data } = this.#parts;
    const rows = yield* got(this.#revisions.all(offset, this.#tid, STEP_ROWS));
    connection.changing(rows.map(({ oid }) => oidOf(oid)));
    for (const { oid, tid } of rows) this.#deleteRevision.run(offset, oidOf(oid), tidOf(tid));
    data.prune(dataIds(rows));
    return { isLast: rows.length < STEP_ROWS };
  }

  *deleteTransactions(offset: number): Steps<{ readonly isLast: boolean }> {
    if (!this.#isDue) return LAST;
    const rows = yield* got(this.#transactions.all(offset, this.#tid, STEP_ROWS));
    const last = rows.at(-1);
    if (last === undefined) return LAST;
    this.#deleteTransactions.run(offset, this.#tid, tidOf(last.tid));
    return { isLast: rows.length < STEP_ROWS };
  }

  /** Everything later is gone: cells are complete up to no later tid than that, and it is over. */
  finish(offsets: readonly number[]): void {
    if (!this.#isDue) return;
    const { settings } = this.#parts;
    for (const offset of offsets) this.#lowerProgress.run(this.#tid, offset, settings.nid);
    settings.clearTruncateTid();
  }
}
