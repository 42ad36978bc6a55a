/**
 * Packing: forgets revisions that are not needed to see the objects as they were at a tid, or
 * later. Each object is packed at once, and between objects clients are served.
 */

import { type Oid, type Tid, tid } from "../../../codec/ids.ts";
import type { SqlRow } from "../../../host/host.ts";
import type { DataId, Pack } from "../backend.ts";
import { type Eventual, eventually, got, type Steps } from "../eventual.ts";
import { integerOf, oidOf, tidOf } from "./columns.ts";
import type { ReadStatement, WriteStatement } from "./connection.ts";
import type { Parts } from "./parts.ts";

/** How long clients may be kept waiting by a slice of work, in milliseconds. */
const SLICE_MS = 10;

/** Objects that are looked for at once. */
const GROUP_OBJECTS = 256;

/** Packs all objects of some partitions; resolves when it is done or was stopped by its pause. */
export async function pack(parts: Parts, order: Pack): Promise<void> {
  const { connection, dialect, host, settings } = parts;
  settings.packTid = order.tid;
  const packer = new ObjectPacker(parts, order);
  // The plus keeps the order of objects: the index by tid is of no use here.
  const find = connection.read(
    `SELECT oid, COUNT(*) AS count, MAX(tid) AS tid FROM ${dialect.objByOid} ` +
      "WHERE partition = ? AND oid >= ? AND +tid <= ? GROUP BY oid ORDER BY oid LIMIT ?",
  );
  let start = host.monotonic();
  for (const offset of order.offsets) {
    for (let next = 0n;;) {
      const from = next;
      const found = await connection.inOrder(() =>
        find.all(offset, from, order.tid, GROUP_OBJECTS)
      );
      for (const row of found) {
        const oid = oidOf(row.oid);
        next = oid + 1n;
        connection.changing([oid]);
        await connection.atomically(() => packer.pack(offset, row));
        if (host.monotonic() - start < SLICE_MS) continue;
        // One commit of everything would hold clients up at the end.
        await connection.inOrder(() => connection.commitNow());
        if (!await order.pause()) return;
        start = host.monotonic();
      }
      if (found.length < GROUP_OBJECTS) break;
    }
  }
}

class ObjectPacker {
  readonly #parts: Parts;
  readonly #order: Pack;
  readonly #dataOf: ReadStatement;
  readonly #oldest: ReadStatement;
  readonly #users: ReadStatement;
  readonly #setPointer: WriteStatement;
  readonly #movePending: WriteStatement;
  readonly #delete: WriteStatement;

  constructor(parts: Parts, order: Pack) {
    this.#parts = parts;
    this.#order = order;
    const { connection } = parts;
    this.#dataOf = connection.read(
      "SELECT data_id, value_tid FROM obj WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#oldest = connection.read(
      "SELECT tid, data_id FROM obj WHERE partition = ? AND oid = ? AND tid < ?",
    );
    this.#users = connection.read(
      "SELECT tid FROM obj WHERE partition = ? AND oid = ? AND tid >= ? AND value_tid = ? " +
        "ORDER BY tid",
    );
    this.#setPointer = connection.write(
      "UPDATE obj SET value_tid = ? WHERE partition = ? AND oid = ? AND tid = ?",
    );
    this.#movePending = connection.write(
      "UPDATE tobj SET value_tid = ? WHERE partition = ? AND oid = ? AND value_tid = ?",
    );
    this.#delete = connection.write(
      "DELETE FROM obj WHERE partition = ? AND oid = ? AND tid < ?",
    );
  }

  /** Packs an object; `row` tells how many revisions it has up to the pack's tid, and the last. */
  pack(partition: number, row: SqlRow): Eventual<void> {
    return eventually(this.#pack(partition, row));
  }

  *#pack(partition: number, row: SqlRow): Steps<void> {
    const oid = oidOf(row.oid);
    const kept = tidOf(row.tid);
    const last = yield* got(this.#dataOf.get(partition, oid, kept));
    if (last === undefined) return;
    const isDeleted = last.data_id === null && last.value_tid === null;
    if (!isDeleted && integerOf(row.count) === 1n) return;
    const limit = isDeleted ? tid(kept + 1n) : kept;
    const ids: DataId[] = [];
    for (const old of yield* got(this.#oldest.all(partition, oid, limit))) {
      const dataId = old.data_id === null ? null : integerOf(old.data_id);
      if (dataId !== null) ids.push(dataId);
      yield* this.#handOver({ partition, oid, from: tidOf(old.tid), limit, dataId });
    }
    this.#delete.run(partition, oid, limit);
    this.#parts.data.prune(ids);
  }

  /** Gives the data of a revision that goes to the first one that refers to it. */
  *#handOver({ partition, oid, from, limit, dataId }: {
    readonly partition: number;
    readonly oid: Oid;
    readonly from: Tid;
    readonly limit: Tid;
    readonly dataId: DataId | null;
  }): Steps<void> {
    let owner: Tid | null = null;
    for (const row of yield* got(this.#users.all(partition, oid, limit, from))) {
      const user = tidOf(row.tid);
      this.#setPointer.run(owner, partition, oid, user);
      owner ??= user;
    }
    if (this.#order.moved(oid, from, { owner, dataId })) {
      this.#movePending.run(owner, partition, oid, from);
    }
  }
}
