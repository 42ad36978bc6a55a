/** Orders that concern much of the database: truncation, dropping of partitions, repair. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { SqlRow } from "../../../host/host.ts";
import type { DataId, Maintenance, Pack, Pause } from "../backend.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import { integerOf } from "./columns.ts";
import { pack } from "./pack.ts";
import type { Parts } from "./parts.ts";

/** Rows of which one slice of dropping or repairing consists. */
const SLICE_ROWS = 4096;

export class SqlMaintenance implements Maintenance {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  lastIds(offsets: readonly number[]): Eventual<{ oid: Oid | null; tid: Tid | null }> {
    const { connection, lastIds } = this.#parts;
    return connection.atomically(() => lastIds.ofPartitions(offsets));
  }

  truncate(offsets: readonly number[]): Eventual<void> {
    const { connection } = this.#parts;
    connection.changing(null);
    return connection.atomically(() => eventually(this.#truncate(offsets)));
  }

  *#truncate(offsets: readonly number[]): Steps<void> {
    const { connection, settings, data, dialect } = this.#parts;
    const { truncateTid } = settings;
    if (truncateTid === null) return;
    const find = connection.read(
      `SELECT DISTINCT data_id FROM ${dialect.objByTid} ` +
        "WHERE partition = ? AND tid > ? AND data_id IS NOT NULL",
    );
    const deletions = ["trans", "obj"].map((table) =>
      connection.write(`DELETE FROM ${table} WHERE partition = ? AND tid > ?`)
    );
    const lower = connection.write(
      "UPDATE pt SET tid = ?1 WHERE partition = ?2 AND nid = ?3 AND tid > ?1",
    );
    for (const offset of offsets) {
      const ids = dataIds(yield* got(find.all(offset, truncateTid)));
      for (const deletion of deletions) deletion.run(offset, truncateTid);
      data.prune(ids);
      lower.run(truncateTid, offset, settings.nid);
    }
    settings.clearTruncateTid();
  }

  dropPartitions(offsets: readonly number[]): Eventual<void> {
    const { connection } = this.#parts;
    connection.changing(null);
    return connection.atomically(() => eventually(this.#drop(offsets)));
  }

  *#drop(offsets: readonly number[]): Steps<void> {
    const { connection, data, dialect } = this.#parts;
    const find = connection.read(
      `SELECT data_id, oid, tid FROM ${dialect.objByOid} ` +
        "WHERE partition = ? ORDER BY oid, tid LIMIT ?",
    );
    const remove = connection.write(
      "DELETE FROM obj WHERE partition = ?1 AND (oid < ?2 OR (oid = ?2 AND tid <= ?3))",
    );
    const removeTransactions = connection.write("DELETE FROM trans WHERE partition = ?");
    const anyTransaction = connection.read("SELECT 1 FROM trans WHERE partition = ? LIMIT 1");
    for (const offset of offsets) {
      for (;;) {
        const rows = yield* got(find.all(offset, SLICE_ROWS));
        const last = rows.at(-1);
        if (last === undefined) break;
        remove.run(offset, integerOf(last.oid), integerOf(last.tid));
        data.prune(dataIds(rows));
        yield* got(connection.commitNow());
      }
      if ((yield* got(anyTransaction.get(offset))) !== undefined) removeTransactions.run(offset);
    }
  }

  pack(order: Pack): Promise<void> {
    return pack(this.#parts, order);
  }

  async repair({ dryRun, pause }: {
    readonly dryRun: boolean;
    readonly pause: Pause;
  }): Promise<number> {
    const { connection, data } = this.#parts;
    const find = connection.read(
      "SELECT id, EXISTS (SELECT 1 FROM obj WHERE data_id = data.id) AS used FROM data " +
        "WHERE id > ? ORDER BY id LIMIT ?",
    );
    const findFirst = connection.read(
      "SELECT id, EXISTS (SELECT 1 FROM obj WHERE data_id = data.id) AS used FROM data " +
        "ORDER BY id LIMIT ?",
    );
    let count = 0;
    for (let last: DataId | null = null; await pause();) {
      const from: DataId | null = last;
      const slice = () => {
        const found = from === null ? findFirst.all(SLICE_ROWS) : find.all(from, SLICE_ROWS);
        return then(found, (rows) => {
          const orphans = rows.filter(({ used }) => used === 0n)
            .map(({ id }) => integerOf(id))
            .filter((id) => !data.isHeld(id));
          if (!dryRun) data.prune(orphans);
          return then(connection.commitNow(), () => ({ count: orphans.length, end: rows.at(-1) }));
        });
      };
      const done = await connection.atomically(slice);
      count += done.count;
      if (done.end === undefined) break;
      last = integerOf(done.end.id);
    }
    return count;
  }
}

/** The ids in the column `data_id`, without the nulls. */
export function dataIds(rows: readonly SqlRow[]): DataId[] {
  return rows.filter(({ data_id }) => data_id !== null).map(({ data_id }) => integerOf(data_id));
}
