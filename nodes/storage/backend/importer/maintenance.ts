/** Orders that concern all of a database, some of whose contents are still to be imported. */

import { hexId, type Oid, type Tid } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { LogSink } from "../../../host/host.ts";
import type { Backend, Drop, Maintenance, Pack, Pause } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import type { Past } from "./past.ts";
import type { Progress } from "./progress.ts";

export interface MaintenanceParts {
  readonly database: Backend;
  readonly past: Past;
  readonly progress: Progress;
  readonly log: LogSink;
}

export class ImporterMaintenance implements Maintenance {
  readonly #parts: MaintenanceParts;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
  }

  lastIds(offsets: readonly number[]): Eventual<{ oid: Oid | null; tid: Tid | null }> {
    const { database, past } = this.#parts;
    return then(database.maintenance.lastIds(offsets), ({ oid, tid }) => ({
      oid: oid === null || oid < past.greatestOid ? past.greatestOid : oid,
      tid: tid === null || tid < past.lastTid ? past.lastTid : tid,
    }));
  }

  async truncate(offsets: readonly number[], pause: Pause): Promise<void> {
    const { database, past } = this.#parts;
    const { settings, maintenance } = database;
    const { truncateTid } = settings;
    if (truncateTid === null || truncateTid >= past.lastTid) {
      return await maintenance.truncate(offsets, pause);
    }
    // Without this the node would end again at each start.
    settings.truncateTid = null;
    await database.commit();
    throw new DatabaseError(
      `can't truncate to ${hexId(truncateTid)}, which is before the last transaction that is ` +
        `imported, ${hexId(past.lastTid)}: it would be imported again. Use the native backend`,
    );
  }

  dropPartitions(drop: Drop): Promise<void> {
    return this.#parts.database.maintenance.dropPartitions(drop);
  }

  /** A master takes no refusal to pack: nothing is done, and the log says so. */
  pack(order: Pack): Promise<void> {
    const { database, progress, log } = this.#parts;
    if (progress.isOver) return database.maintenance.pack(order);
    const advice = "pack again when everything is imported";
    log.log("WARNING", "importer", `nothing was packed: ${advice}`);
    return Promise.resolve();
  }

  repair(options: { readonly dryRun: boolean; readonly pause: Pause }): Promise<number> {
    return this.#parts.database.maintenance.repair(options);
  }
}
