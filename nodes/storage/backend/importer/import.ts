/**
 * The import itself: copies the transactions of the sources to the database in their order, in
 * slices, while clients are served. It goes on where it was: with the transaction after the last
 * one that the database has whole. What it was cut short in is then there already, and stays.
 */

import { hexId } from "../../../codec/ids.ts";
import { FileError, ThreadError } from "../../../errors.ts";
import type { NodeHost } from "../../../host/host.ts";
import { Refusal } from "../../../wire/refusal.ts";
import type { AddedObject, Backend, BackgroundWork, Slices } from "../backend.ts";
import { type Eventual, inTurn, then } from "../eventual.ts";
import { after, Merged } from "./merged.ts";
import type { Past } from "./past.ts";
import { type Piece, prepare } from "./prepared.ts";
import type { Progress } from "./progress.ts";
import { Report } from "./report.ts";

/** Objects of a transaction that are stored together. */
const RUN_OBJECTS = 64;

/** How long what was imported may stay uncommitted. */
const COMMIT_INTERVAL_MS = 1000;

export interface ImportOptions {
  readonly host: NodeHost;
  readonly database: Backend;
  readonly past: Past;
  readonly progress: Progress;
  /** Whether objects are compressed, or zlib's level. */
  readonly compression: boolean | number;
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
      if (this.#isClosed) return;
      if (!isExpected(error)) throw error;
      host.log.log("ERROR", "importer", `the import has stopped: ${error.message}`);
    }
  }

  async #import(slices: Slices): Promise<void> {
    const { host, past, progress, compression } = this.#options;
    const pause = async () => {
      if (slices.isDue) await slices.pause();
    };
    const merged = await Merged.open(past.sources, after(progress.importedTid), pause);
    const report = new Report(host, past, merged.position);
    const level = typeof compression === "number" ? compression : null;
    const deflater = compression === false ? null : host.startDeflater(level);
    try {
      const pieces = prepare({ merged, past, deflater });
      if (!await this.#store(pieces, { slices, report })) return;
    } finally {
      deflater?.close();
    }
    await this.#options.database.commit();
    progress.isOver = true;
    report.end(host.monotonic());
    host.log.log(
      "WARNING",
      "importer",
      "All data are imported. You should change your configuration to use the native backend " +
        "and restart.",
    );
  }

  /** Stores everything. Resolves to false when it has to end before. */
  async #store(
    pieces: AsyncIterable<Piece>,
    { slices, report }: { readonly slices: Slices; readonly report: Report },
  ): Promise<boolean> {
    const { host, database: { replica }, progress } = this.#options;
    let committedMs = host.monotonic();
    // Only of the first transaction may there be something already.
    let isNew = false;
    for await (const { tid, objects, end } of pieces) {
      for (let at = 0; at < objects.length; at += RUN_OBJECTS) {
        if (this.#isClosed) return false;
        const run = objects.slice(at, at + RUN_OBJECTS);
        const added = this.#add(run.map((object) => ({ ...object, tid, isNew })));
        if (added instanceof Promise) await added;
        report.objects += run.length;
        if (slices.isDue && !await slices.pause()) return false;
      }
      if (this.#isClosed) return false;
      if (end === null) continue;
      replica.addTransaction({ tid, ttid: tid, ...end.record });
      progress.importedTid = tid;
      isNew = true;
      host.log.log("DEBUG", "importer", `TXN ${hexId(tid)} imported`);
      const now = host.monotonic();
      report.tell(now, end.position);
      if (now - committedMs < COMMIT_INTERVAL_MS || this.#isCommitting) continue;
      this.#commit();
      committedMs = now;
    }
    return true;
  }

  /** Commits while the import goes on: the disk may be slow. The backend tells of failures. */
  #commit(): void {
    this.#isCommitting = true;
    this.#options.database.commit().catch(() => {}).finally(() => this.#isCommitting = false);
  }

  #add(objects: readonly AddedObject[]): Eventual<void> {
    const { replica } = this.#options.database;
    if (objects.every(({ valueTid }) => valueTid === null)) return replica.addObjects(objects);
    return inTurn(objects, (object) => this.#addOne(object));
  }

  #addOne(object: AddedObject): Eventual<void> {
    const { objects, replica } = this.#options.database;
    const { oid, valueTid } = object;
    if (valueTid === null) return replica.addObjects([object]);
    // What it goes back to may have been packed away.
    return then(
      objects.has(oid, valueTid),
      (isThere) => replica.addObjects([isThere ? object : { ...object, valueTid: null }]),
    );
  }
}

/** Whether an error leaves the sources and the database as they were, so that they go on serving. */
function isExpected(error: unknown): error is Error {
  return error instanceof FileError || error instanceof Refusal || error instanceof ThreadError;
}
