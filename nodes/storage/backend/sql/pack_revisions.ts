/** What a pack does to single revisions of an object. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { SqlRow } from "../../../host/host.ts";
import type { DataId, Pack } from "../backend.ts";
import { integerOf, tidOf } from "./columns.ts";
import type { WriteStatement } from "./connection.ts";
import type { Parts } from "./parts.ts";

/** A revision, as far as a pack needs it. */
export interface PackedRow {
  readonly tid: Tid;
  readonly dataId: DataId | null;
  readonly valueTid: Tid | null;
}

/** Which object. */
export interface PackedObject {
  readonly partition: number;
  readonly oid: Oid;
}

/** A row with the columns `tid`, `data_id` and `value_tid`. */
export function packedRow({ tid, data_id, value_tid }: SqlRow): PackedRow {
  return {
    tid: tidOf(tid),
    dataId: data_id === null ? null : integerOf(data_id),
    valueTid: value_tid === null ? null : tidOf(value_tid),
  };
}

export class RevisionPacker {
  readonly #parts: Parts;
  readonly #moved: Pack["moved"];
  readonly #setPointer: WriteStatement;
  readonly #movePending: WriteStatement;
  readonly #delete: WriteStatement;

  constructor(parts: Parts, { moved }: Pick<Pack, "moved">) {
    this.#parts = parts;
    this.#moved = moved;
    const { connection } = parts;
    this.#setPointer = connection.write(
      "UPDATE obj SET value_tid = ? WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#movePending = connection.write(
      "UPDATE tobj SET value_tid = ? WHERE partition = ? AND oid = ? AND value_tid = ?",
    );
    this.#delete = connection.write(
      "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid <= ?",
    );
  }

  /**
   * Removes the oldest revisions of an object. `usersOf` tells which of those that stay take their
   * data from one of them, the oldest first.
   */
  remove(
    { partition, oid }: PackedObject,
    oldest: readonly PackedRow[],
    usersOf: (from: Tid) => readonly Tid[],
  ): void {
    const last = oldest.at(-1);
    if (last === undefined) return;
    this.#parts.connection.changing([oid]);
    const ids: DataId[] = [];
    for (const { tid: from, dataId } of oldest) {
      if (dataId !== null) ids.push(dataId);
      // The first one that takes its data becomes their owner.
      const users = usersOf(from);
      const [owner = null] = users;
      for (const user of users) {
        this.#setPointer.run(user === owner ? null : owner, partition, oid, user);
      }
      if (this.#moved(oid, from, { owner, dataId })) {
        this.#movePending.run(owner, partition, oid, from);
      }
    }
    this.#delete.run(partition, oid, last.tid);
    this.#parts.data.prune(ids);
  }
}
