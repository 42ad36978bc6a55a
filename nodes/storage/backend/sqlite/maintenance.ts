/** Orders that concern much of the database: truncation, dropping of partitions, repair. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { SqlRow } from "../../../host/host.ts";
import type { DataId, Maintenance, Pack, Pause } from "../backend.ts";
import { integerOf } from "./columns.ts";
import type { MaintenanceParts } from "./maintenance_parts.ts";
import { pack } from "./pack.ts";

/** Rows of which one slice of dropping or repairing consists. */
const SLICE_ROWS = 4096;

export class SqliteMaintenance implements Maintenance {
  readonly #parts: MaintenanceParts;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
  }

  lastIds(offsets: readonly number[]): { oid: Oid | null; tid: Tid | null } {
    return this.#parts.lastIds.ofPartitions(offsets);
  }

  truncate(offsets: readonly number[]): void {
    const { connection, settings, data } = this.#parts;
    const { truncateTid } = settings;
    if (truncateTid === null) return;
    const find = connection.read(
      "SELECT DISTINCT data_id FROM obj " +
        "WHERE partition = ? AND tid > ? AND data_id IS NOT NULL",
    );
    const deletions = ["trans", "obj"].map((table) =>
      connection.write(`DELETE FROM ${table} WHERE partition = ? AND tid > ?`)
    );
    const lower = connection.write(
      "UPDATE pt SET tid = ?1 WHERE partition = ?2 AND nid = ?3 AND tid > ?1",
    );
    for (const offset of offsets) {
      const ids = dataIds(find.all(offset, truncateTid));
      for (const deletion of deletions) deletion.run(offset, truncateTid);
      data.prune(ids);
      lower.run(truncateTid, offset, settings.nid);
    }
    settings.truncateTid = null;
  }

  dropPartitions(offsets: readonly number[]): void {
    const { connection, data } = this.#parts;
    const find = connection.read(
      "SELECT data_id, oid, tid FROM obj WHERE partition = ? ORDER BY oid, tid LIMIT ?",
    );
    const remove = connection.write(
      "DELETE FROM obj WHERE partition = ?1 AND (oid < ?2 OR (oid = ?2 AND tid <= ?3))",
    );
    const removeTransactions = connection.write("DELETE FROM trans WHERE partition = ?");
    const anyTransaction = connection.read("SELECT 1 FROM trans WHERE partition = ? LIMIT 1");
    for (const offset of offsets) {
      for (;;) {
        const rows = find.all(offset, SLICE_ROWS);
        const last = rows.at(-1);
        if (last === undefined) break;
        remove.run(offset, integerOf(last.oid), integerOf(last.tid));
        data.prune(dataIds(rows));
        connection.commitNow();
      }
      if (anyTransaction.get(offset) !== undefined) removeTransactions.run(offset);
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
    let count = 0;
    for (let last = -1n; await pause();) {
      const rows = find.all(last, SLICE_ROWS);
      const orphans = rows.filter(({ used }) => used === 0n).map(({ id }) => integerOf(id));
      count += dryRun ? orphans.filter((id) => !data.isHeld(id)).length : data.prune(orphans);
      connection.commitNow();
      const end = rows.at(-1);
      if (end === undefined) break;
      last = integerOf(end.id);
    }
    return count;
  }
}

/** The ids in the column `data_id`, without the nulls. */
export function dataIds(rows: readonly SqlRow[]): DataId[] {
  return rows.filter(({ data_id }) => data_id !== null).map(({ data_id }) => integerOf(data_id));
}
