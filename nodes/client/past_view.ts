/**
 * The whole store as it was when a transaction had been committed. It has no state besides that
 * tid: what is committed stays as it is, so that reads of the past share the client's cache and
 * connections, and all of them agree.
 */

import { hexId, type Oid, type Tid } from "../codec/ids.ts";
import { tidFromTime } from "../cluster/tid_time.ts";
import type { Revision } from "./cache.ts";
import {
  closedError,
  CreationUndoneError,
  DoesNotExistError,
  FutureError,
  NotFoundError,
} from "./errors.ts";
import type {
  History,
  HistoryEntry,
  Page,
  TransactionInformation,
  TransactionRange,
  TransactionRecord,
} from "./history.ts";
import { MAX_CLOCK_SKEW_MS } from "./limits.ts";
import { after } from "./loads.ts";
import type { CallOptions } from "./options.ts";
import type { Parts } from "./parts.ts";

/** The store as of one transaction, for reading. Made by `client.at`. */
export class PastView {
  /** The last transaction that is seen here. */
  readonly tid: Tid;
  readonly #parts: Parts;
  readonly #history: History;

  /** @ignore */
  constructor(parts: Parts, history: History, moment: Tid | Date) {
    this.#parts = parts;
    this.#history = history;
    this.tid = moment instanceof Date ? lastTidAt(parts, moment) : moment;
    this.#assertKnown();
  }

  /**
   * Loads an object as it was. Rejects with a NotFoundError when it did not exist then or its
   * revision was packed, with a FutureError when the database was truncated to an earlier
   * transaction, otherwise as `Client.load` does.
   */
  async load(oid: Oid, options?: CallOptions): Promise<Revision> {
    return await this.#before(oid, after(this.tid), options);
  }

  /**
   * Loads the newest revision that is older than `tid` and is seen here. Null where there is none,
   * be it that it was packed. Rejects as `Client.loadBefore` does.
   */
  async loadBefore(oid: Oid, tid: Tid, options?: CallOptions): Promise<Revision | null> {
    const end = after(this.tid);
    try {
      return await this.#before(oid, tid < end ? tid : end, options);
    } catch (error) {
      if (isAbsence(error)) return null;
      throw error;
    }
  }

  async #before(oid: Oid, before: Tid, options?: CallOptions): Promise<Revision> {
    this.#assertUsable();
    try {
      return await this.#parts.loads.loadBefore(oid, before, options);
    } catch (error) {
      if (!isAbsence(error)) throw error;
      throw new NotFoundError(
        `object ${hexId(oid)} before ${hexId(before)}: expected a revision, found none: ` +
          "it was created later, or what there was has been packed",
        { cause: error },
      );
    }
  }

  /** Loads exactly the revision `serial`. Rejects as `load` does. */
  async loadSerial(oid: Oid, serial: Tid, options?: CallOptions): Promise<Revision> {
    this.#assertUsable();
    if (serial > this.tid) {
      throw new NotFoundError(
        `object ${hexId(oid)} at ${hexId(serial)}: expected a transaction up to ` +
          `${hexId(this.tid)}, found a later one: look at a later moment`,
      );
    }
    return await this.#parts.loads.loadSerial(oid, serial, options);
  }

  /** Tells of the revisions of an object as `Client.history` does, without those that are newer. */
  async history(oid: Oid, page?: Page): Promise<HistoryEntry[]> {
    this.#assertUsable();
    return await this.#history.object(oid, page, this.tid);
  }

  /** Tells of a transaction. Rejects with a NotFoundError, also when it is newer. */
  async transaction(tid: Tid, options?: CallOptions): Promise<TransactionInformation> {
    this.#assertUsable();
    if (tid <= this.tid) return await this.#history.transaction(tid, options);
    throw new NotFoundError(
      `transaction ${hexId(tid)}: expected one up to ${hexId(this.tid)}, found a later one: ` +
        "look at a later moment",
    );
  }

  /** Goes through the transactions of a range, without those that are newer, in order. */
  transactions(range: TransactionRange = {}): AsyncIterableIterator<TransactionInformation> {
    this.#assertUsable();
    const { stop = this.tid } = range;
    return this.#history.transactions({ ...range, stop: stop < this.tid ? stop : this.tid });
  }

  /** Goes through what a transaction stored; see `Client.records`. */
  records(
    transaction: Pick<TransactionInformation, "tid" | "oids">,
    options?: CallOptions,
  ): AsyncIterableIterator<TransactionRecord> {
    this.#assertUsable();
    return this.#history.records(transaction, options);
  }

  #assertUsable(): void {
    if (this.#parts.master.closed) throw closedError();
    this.#assertKnown();
  }

  #assertKnown(): void {
    const { lastTid } = this.#parts.view;
    if (this.tid <= lastTid) return;
    throw new FutureError(
      `expected a transaction up to ${hexId(lastTid)}, the last one that is known, found ` +
        `${hexId(this.tid)}: wait for sync() if another program has told of it`,
    );
  }
}

/** Whether nothing was there, rather than a deletion or no such object at all. */
function isAbsence(error: unknown): boolean {
  return error instanceof NotFoundError && !(error instanceof CreationUndoneError) &&
    !(error instanceof DoesNotExistError);
}

/** The last transaction that a moment may see, and that is known. */
function lastTidAt({ host, view }: Parts, moment: Date): Tid {
  const timeMs = moment.getTime();
  const nowMs = host.now();
  if (!(timeMs <= nowMs + MAX_CLOCK_SKEW_MS)) {
    throw new FutureError(
      `expected a time up to now, ${new Date(nowMs).toISOString()}, found ` +
        `${Number.isNaN(timeMs) ? "an invalid date" : moment.toISOString()}`,
    );
  }
  const tid = tidFromTime(timeMs);
  return tid < view.lastTid ? tid : view.lastTid;
}
