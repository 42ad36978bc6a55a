/**
 * Revisions of objects while they are imported. All that was committed before the import is read
 * from the sources, and all that came after it from the database, however much of the past is
 * there already: so it does not matter where the import is, or whether it was cut short.
 */

import type { UndoSerial } from "../../../../gen/packets.ts";
import { MAX_TID, type Oid, type Tid } from "../../../codec/ids.ts";
import type { Pause } from "../../../filestorage/reader.ts";
import type { ObjectRecord, ObjectTable, Revision, Undo } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import { after } from "./merged.ts";
import type { Past } from "./past.ts";
import type { Progress } from "./progress.ts";

/** Revisions that are looked at at once for the one after the import. */
const HISTORY_CHUNK = 256;

interface HistoryItem {
  serial: Tid;
  size: number;
}

export class ImporterObjects implements ObjectTable {
  readonly #database: ObjectTable;
  readonly #past: Past;
  readonly #progress: Progress;
  readonly #pause: Pause;

  constructor({ database, past, progress, pause }: {
    readonly database: ObjectTable;
    readonly past: Past;
    readonly progress: Progress;
    /** Lets others work: called where an object has many revisions. */
    readonly pause: Pause;
  }) {
    this.#database = database;
    this.#past = past;
    this.#progress = progress;
    this.#pause = pause;
  }

  load(oid: Oid, revision: Revision): Eventual<ObjectRecord | null> {
    if (this.#progress.isOver) return this.#database.load(oid, revision);
    const { lastTid } = this.#past;
    const { at, before } = revision;
    if (at !== null && at <= lastTid) return this.#loadPast(oid, after(at), at);
    if (at === null && before !== null && before <= lastTid) return this.#loadPast(oid, before);
    return then(this.#database.load(oid, revision), (found) => {
      if (found !== null && found.tid > lastTid) return found;
      return at === null ? this.#loadPast(oid, before ?? MAX_TID) : null;
    });
  }

  #loadPast(oid: Oid, before: Tid, at: Tid | null = null): Eventual<ObjectRecord | null> {
    return then(this.#past.before(oid, before, this.#pause), (found) => {
      if (found === null || (at !== null && found.record.tid !== at)) return null;
      if (found.next !== null) return this.#past.object(found, found.next);
      return then(this.#firstAfter(oid), (next) => this.#past.object(found, next));
    });
  }

  /** The first revision of an object that was committed since the import began. */
  #firstAfter(oid: Oid): Eventual<Tid | null> {
    const { lastTid } = this.#past;
    return then(this.#database.lastTid(oid), (last) => {
      if (last === null || last <= lastTid) return null;
      return then(this.#later(oid), (later) => later.at(-1)?.serial ?? last);
    });
  }

  /** The revisions of an object since the import began, the newest first. */
  #later(oid: Oid, first = 0): Eventual<HistoryItem[]> {
    const { lastTid } = this.#past;
    return then(this.#database.history(oid, { first, count: HISTORY_CHUNK }), (chunk) => {
      const later = chunk.filter(({ serial }) => serial > lastTid);
      if (later.length < HISTORY_CHUNK) return later;
      return then(this.#later(oid, first + HISTORY_CHUNK), (rest) => [...later, ...rest]);
    });
  }

  exists(oid: Oid): Eventual<boolean> {
    return then(this.lastTid(oid), (tid) => tid !== null);
  }

  lastTid(oid: Oid): Eventual<Tid | null> {
    return then(this.#database.lastTid(oid), (last) => {
      if (this.#progress.isOver || (last !== null && last > this.#past.lastTid)) return last;
      return then(this.#past.last(oid, this.#pause), (found) => found?.record.tid ?? last);
    });
  }

  has(oid: Oid, tid: Tid): Eventual<boolean> {
    if (this.#progress.isOver || tid > this.#past.lastTid) return this.#database.has(oid, tid);
    const found = this.#past.before(oid, after(tid), this.#pause);
    return then(found, (found) => found?.record.tid === tid);
  }

  history(
    oid: Oid,
    range: { readonly first: number; readonly count: number },
  ): Eventual<HistoryItem[]> {
    if (this.#progress.isOver) return this.#database.history(oid, range);
    const { first, count } = range;
    return then(this.#later(oid), async (later) => {
      const whole = [...later];
      for await (const item of this.#past.history(oid, this.#pause)) {
        if (whole.length >= first + count) break;
        whole.push(item);
      }
      return whole.slice(first, first + count);
    });
  }

  undoSerial(oid: Oid, undo: Undo): Eventual<UndoSerial | null> {
    this.#progress.requireOver("undo");
    return this.#database.undoSerial(oid, undo);
  }
}
