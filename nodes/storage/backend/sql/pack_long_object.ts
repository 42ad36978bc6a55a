/**
 * An object of more revisions than a pack may look at in one step. First it looks through those that
 * stay, for those among them that take their data from what goes; then it removes what goes. What is
 * committed between two steps is looked at in the next one, before anything is removed.
 */

import type { Tid } from "../../../codec/ids.ts";
import { got, type Steps } from "../eventual.ts";
import type { ReadStatement } from "./connection.ts";
import {
  type PackedObject,
  type PackedRow,
  packedRow,
  type RevisionPacker,
} from "./pack_revisions.ts";
import type { Parts } from "./parts.ts";
import { STEP_ROWS } from "./sliced_work.ts";

export class LongObject {
  readonly #revisions: RevisionPacker;
  readonly #object: PackedObject;
  readonly #last: ReadStatement;
  readonly #from: ReadStatement;
  readonly #oldest: ReadStatement;
  /** Revisions that stay, by the one that goes and whose data they take; the oldest first. */
  readonly #users = new Map<Tid, Tid[]>();
  /** The last revision that was looked at for that. */
  #seen: Tid | null = null;

  constructor({ connection }: Parts, revisions: RevisionPacker, object: PackedObject) {
    this.#revisions = revisions;
    this.#object = object;
    const select = "SELECT tid, data_id, value_tid FROM obj WHERE partition = ? AND oid = ?";
    this.#last = connection.read(`${select} AND tid <= ? ORDER BY tid DESC LIMIT 1`);
    this.#from = connection.read(`${select} AND tid >= ? ORDER BY tid LIMIT ?`);
    this.#oldest = connection.read(`${select} AND tid < ? ORDER BY tid LIMIT ?`);
  }

  /** Its last revision up to a tid; null when there is none. */
  *last(upTo: Tid): Steps<PackedRow | null> {
    const { partition, oid } = this.#object;
    const row = yield* got(this.#last.get(partition, oid, upTo));
    return row === undefined ? null : packedRow(row);
  }

  /** Does one step towards removing all revisions before `limit`. Returns whether it is done. */
  *some(limit: Tid): Steps<boolean> {
    const { partition, oid } = this.#object;
    const from = this.#seen === null ? limit : this.#seen + 1n;
    const staying = yield* got(this.#from.all(partition, oid, from, STEP_ROWS));
    for (const row of staying.map(packedRow)) {
      this.#seen = row.tid;
      if (row.valueTid === null || row.valueTid >= limit) continue;
      const users = this.#users.get(row.valueTid);
      if (users === undefined) this.#users.set(row.valueTid, [row.tid]);
      else users.push(row.tid);
    }
    if (staying.length === STEP_ROWS) return false;
    const gone = yield* got(this.#oldest.all(partition, oid, limit, STEP_ROWS));
    this.#revisions.remove(this.#object, gone.map(packedRow), (tid) => this.#users.get(tid) ?? []);
    return gone.length < STEP_ROWS;
  }
}
