/**
 * Packing: forgets revisions that are not needed to see the objects as they were at a tid, or
 * later. It is done in steps, each of which looks at a bounded number of rows, and between which
 * clients are served. So an object of many revisions loses them bit by bit, the oldest first: what
 * can still be seen of the past is always as it was.
 *
 * Invariant: of the revisions that stay, none takes its data from one that is gone.
 */

import { type Oid, type Tid, tid } from "../../../codec/ids.ts";
import type { Pack } from "../backend.ts";
import { got, type Steps } from "../eventual.ts";
import { oidOf } from "./columns.ts";
import type { ReadStatement } from "./connection.ts";
import { LongObject } from "./pack_long_object.ts";
import { type PackedRow, packedRow, RevisionPacker } from "./pack_revisions.ts";
import type { Parts } from "./parts.ts";
import { SlicedWork, STEP_ROWS } from "./sliced_work.ts";

/** Packs all objects of some partitions; resolves when it is done or was stopped by its pause. */
export async function pack(parts: Parts, order: Pack): Promise<void> {
  parts.settings.packTid = order.tid;
  const packer = new Packer(parts, order);
  for (const offset of order.offsets) if (!await packer.partition(offset)) return;
}

/** Where a step has come to. */
interface Progress {
  /** The object to go on with; null at the end of the partition. */
  readonly next: bigint | null;
  /** An object that has too many revisions for one step. */
  readonly long: Oid | null;
}

class Packer {
  readonly #parts: Parts;
  readonly #order: Pack;
  readonly #revisions: RevisionPacker;
  readonly #rows: ReadStatement;
  readonly #work: SlicedWork;

  constructor(parts: Parts, order: Pack) {
    this.#parts = parts;
    this.#order = order;
    this.#revisions = new RevisionPacker(parts, order);
    this.#rows = parts.connection.read(
      `SELECT oid, tid, data_id, value_tid FROM ${parts.dialect.objByOid} ` +
        "WHERE partition = ? AND oid >= ? ORDER BY oid, tid LIMIT ?",
    );
    this.#work = new SlicedWork(parts, order.pause);
  }

  /** Packs a partition. Resolves with whether to go on. */
  async partition(offset: number): Promise<boolean> {
    for (let next: bigint | null = 0n; next !== null;) {
      const from: bigint = next;
      const progress = await this.#work.step(() => this.#some(offset, from));
      if (!await this.#work.pause()) return false;
      if (progress.long !== null && !await this.#longObject(offset, progress.long)) return false;
      next = progress.next;
    }
    return true;
  }

  /** Packs the next objects of a partition, as many as one step may look at. */
  *#some(offset: number, from: bigint): Steps<Progress> {
    const found = yield* got(this.#rows.all(offset, from, STEP_ROWS));
    const objects = new Map<Oid, PackedRow[]>();
    for (const row of found) {
      const oid = oidOf(row.oid);
      const rows = objects.get(oid);
      if (rows === undefined) objects.set(oid, [packedRow(row)]);
      else rows.push(packedRow(row));
    }
    const isEnd = found.length < STEP_ROWS;
    const last = found.at(-1);
    // The last one may have rows that were not looked at.
    const cut = isEnd || last === undefined ? null : oidOf(last.oid);
    for (const [oid, rows] of objects) if (oid !== cut) this.#whole(offset, oid, rows);
    if (cut === null) return { next: null, long: null };
    const isLong = objects.size === 1;
    return { next: isLong ? cut + 1n : cut, long: isLong ? cut : null };
  }

  /** Packs an object all of whose revisions are known. */
  #whole(partition: number, oid: Oid, rows: readonly PackedRow[]): void {
    const kept = rows.findLast((row) => row.tid <= this.#order.tid);
    if (kept === undefined) return;
    const limit = this.#limit(partition, kept);
    const gone = rows.filter((row) => row.tid < limit);
    if (gone.length === 0) return;
    const users = rows.filter((row) => row.tid >= limit);
    this.#revisions.remove({ partition, oid }, gone, (from) => {
      return users.filter(({ valueTid }) => valueTid === from).map((row) => row.tid);
    });
  }

  /** Packs an object of many revisions. Resolves with whether to go on. */
  async #longObject(partition: number, oid: Oid): Promise<boolean> {
    const object = new LongObject(this.#parts, this.#revisions, { partition, oid });
    const kept = await this.#work.step(() => object.last(this.#order.tid));
    if (kept === null) return true;
    const limit = this.#limit(partition, kept);
    for (;;) {
      const isDone = await this.#work.step(() => object.some(limit));
      if (!await this.#work.pause()) return false;
      if (isDone) return true;
    }
  }

  /** Revisions before the limit go: all before the one that is kept, and that, too, if it is none. */
  #limit(partition: number, { tid: kept, dataId, valueTid }: PackedRow): Tid {
    const isDeletion = dataId === null && valueTid === null;
    return isDeletion && !this.#order.keepsDeletions(partition) ? tid(kept + 1n) : kept;
  }
}
