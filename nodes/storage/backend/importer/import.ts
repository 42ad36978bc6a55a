/**
 * The import itself: copies the transactions of the sources to the database in their order, in
 * slices, while clients are served. It goes on where it was: with the transaction after the last
 * one that the database has whole. What it was cut short in is then there already, and stays.
 */

import { hexId, type Tid } from "../../../codec/ids.ts";
import { FileError } from "../../../errors.ts";
import type { ClientHost } from "../../../host/host.ts";
import { Refusal } from "../../../wire/refusal.ts";
import type { AddedObject, Backend, BackgroundWork, Slices } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import { after, Merged, type SourceRecord } from "./merged.ts";
import type { Past } from "./past.ts";
import type { Progress } from "./progress.ts";
import { Report } from "./report.ts";
import type { Compression } from "./stored.ts";

/** How long what was imported may stay uncommitted. */
const COMMIT_INTERVAL_MS = 1000;

export interface ImportOptions {
  readonly host: ClientHost;
  readonly database: Backend;
  readonly past: Past;
  readonly progress: Progress;
  readonly compression: Compression;
}

export class Import implements BackgroundWork {
  readonly #options: ImportOptions;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isCommitting = false;

  constructor(options: ImportOptions) {
    this.#options = options;
  }

  /** The database is about to be closed: nothing more is written. */
  close(): void {
    this.#isClosed = true;
  }

  run(slices: Slices): Promise<void> {
    // Operation may have started again before a former run has seen that it is over.
    this.#running = this.#running.then(() => this.#run(slices));
    return this.#running;
  }

  async #run(slices: Slices): Promise<void> {
    const { host, progress } = this.#options;
    if (progress.isOver) return;
    try {
      await this.#import(slices);
    } catch (error) {
      // Nothing is lost: what is not imported goes on being served from where it is.
      if (!(error instanceof FileError || error instanceof Refusal)) throw error;
      host.log.log("ERROR", "importer", `the import has stopped: ${error.message}`);
    }
  }

  async #import(slices: Slices): Promise<void> {
    const { host, database, past, progress } = this.#options;
    const pause = async () => {
      if (slices.isDue) await slices.pause();
    };
    const merged = await Merged.open(past.sources, after(progress.importedTid), pause);
    const report = new Report(host, past, merged.position);
    let committedMs = host.monotonic();
    // Only of the first transaction may there be something already.
    for (let isNew = false; merged.tid !== null; merged.advance(), isNew = true) {
      if (!await this.#transaction(merged, merged.tid, { slices, report, isNew })) return;
      progress.importedTid = merged.tid;
      const now = host.monotonic();
      report.tell(now, merged.position);
      if (now - committedMs < COMMIT_INTERVAL_MS || this.#isCommitting) continue;
      this.#commit();
      committedMs = now;
    }
    await database.commit();
    progress.isOver = true;
    report.end(host.monotonic());
    host.log.log(
      "WARNING",
      "importer",
      "All data are imported. You should change your configuration to use the native backend " +
        "and restart.",
    );
  }

  /** Commits while the import goes on: the disk may be slow. The backend tells of failures. */
  #commit(): void {
    this.#isCommitting = true;
    this.#options.database.commit().catch(() => {}).finally(() => this.#isCommitting = false);
  }

  /** Copies a transaction. Resolves to false when the import must end before it is whole. */
  async #transaction(
    merged: Merged,
    tid: Tid,
    { slices, report, isNew }: {
      readonly slices: Slices;
      readonly report: Report;
      readonly isNew: boolean;
    },
  ): Promise<boolean> {
    const { host, database: { replica } } = this.#options;
    const records = merged.records();
    for (const [oid, record] of records) {
      const added = this.#object({ oid, tid, isNew }, record);
      if (added instanceof Promise) await added;
      report.objects++;
      if (slices.isDue && !await slices.pause()) return false;
      if (this.#isClosed) return false;
    }
    replica.addTransaction({ tid, ttid: tid, ...merged.metadata([...records.keys()]) });
    host.log.log("DEBUG", "importer", `TXN ${hexId(tid)} imported (${records.size} objects)`);
    return true;
  }

  #object(key: Pick<AddedObject, "oid" | "tid" | "isNew">, found: SourceRecord): Eventual<void> {
    const { database: { objects, replica }, past, compression } = this.#options;
    const value = past.value(found, compression);
    const valueTid = past.valueTid(found);
    if (valueTid === null) return replica.addObject({ ...key, value, valueTid });
    // What it goes back to may have been packed away.
    return then(
      objects.has(key.oid, valueTid),
      (isThere) => replica.addObject({ ...key, value, valueTid: isThere ? valueTid : null }),
    );
  }
}
