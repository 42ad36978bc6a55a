/** Orders that concern much of the database: truncation, dropping of partitions, repair. */

import type { Oid, Tid } from "../../../codec/ids.ts";
import type { DataId, Drop, Maintenance, Pack, Pause } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import { integerOf } from "./columns.ts";
import { dropPartitions } from "./drop.ts";
import { pack } from "./pack.ts";
import type { Parts } from "./parts.ts";
import { truncate } from "./truncate.ts";

/** Rows of which one slice of repairing consists. */
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

  truncate(offsets: readonly number[], pause: Pause): Promise<void> {
    return truncate(this.#parts, { offsets, pause });
  }

  dropPartitions(drop: Drop): Promise<void> {
    return dropPartitions(this.#parts, drop);
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
