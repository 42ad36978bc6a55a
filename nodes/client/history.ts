/** Looking back: who committed what and when, and all revisions of an object. */

import {
  type AnswerTransactionInformation,
  AskObjectHistory,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
} from "../../gen/packets.ts";
import { hexId, type Oid, type Tid, tid as asTid, ZERO_TID } from "../codec/ids.ts";
import { timeOfTid } from "../cluster/tid_time.ts";
import { PeerError } from "../wire/refusal.ts";
import { fromPeer, NotFoundError, StorageError } from "./errors.ts";
import { ITERATION_CHUNK } from "./limits.ts";
import type { WaitOptions } from "./master.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import type { ReadRequest } from "./reads.ts";

/** What is known of a committed transaction. */
export interface TransactionInformation {
  readonly tid: Tid;
  /** When it was committed: Unix time in milliseconds. */
  readonly timeMs: number;
  readonly user: Uint8Array;
  readonly description: Uint8Array;
  readonly extension: Uint8Array;
  readonly packed: boolean;
  /** The objects that it stored, and those whose being current it relied on. */
  readonly oids: readonly Oid[];
}

/** One revision of an object. */
export interface HistoryEntry extends TransactionInformation {
  /** The size of the data as stored, perhaps compressed, in bytes; 0 for a deletion. */
  readonly size: number;
}

/** An object as a transaction left it. */
export interface TransactionRecord {
  readonly oid: Oid;
  /** Null for a deletion. */
  readonly data: Uint8Array | null;
  /** The revision that the transaction went back to, when it undid others. */
  readonly dataSerial: Tid | null;
}

/** Which transactions to look at, both bounds included. */
export interface TransactionRange extends WaitOptions {
  readonly start?: Tid;
  readonly stop?: Tid;
}

/** A page of a list whose newest entry is number 0: [first, last). */
export interface Page extends WaitOptions {
  readonly first?: number;
  readonly last?: number;
}

const DEFAULT_PAGE = 20;

export class History {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What is known of a transaction. Rejects with a NotFoundError. */
  async transaction(tid: Tid, options?: WaitOptions): Promise<TransactionInformation> {
    const request = {
      where: tid,
      type: AskTransactionInformation,
      packet: { tid },
      accept: information,
    };
    return await this.#ask(request, `transaction ${hexId(tid)}`, options);
  }

  /** The revisions of an object, the newest first. Rejects with a NotFoundError. */
  async object(oid: Oid, { first = 0, last = first + 1, ...options }: Page = {}) {
    checkPage(first, last);
    const request = {
      where: oid,
      type: AskObjectHistory,
      packet: { oid, first, last },
      accept: (answer: { readonly history: readonly { serial: Tid; size: number }[] }) =>
        answer.history,
    };
    const revisions = await this.#ask(request, `the history of ${hexId(oid)}`, options);
    return await inParallel(revisions, async ({ serial, size }): Promise<HistoryEntry> => {
      return { ...await this.transaction(serial, options), size };
    });
  }

  /** The latest transactions, the newest first. */
  async latest({ first = 0, last = first + DEFAULT_PAGE, ...options }: Page = {}) {
    checkPage(first, last);
    // Each partition gives its latest, since those of all can't be told from those of one.
    const found = await this.#ofAllPartitions((partition) => ({
      where: partition,
      type: AskTIDs,
      packet: { first: 0, last, partition },
      accept: tidsOf,
    }), options);
    const tids = found.flat().sort(descending).slice(first, last);
    return await inParallel(tids, (tid) => this.transaction(tid, options));
  }

  /** All transactions of a range, the oldest first. */
  async *transactions(
    { start = ZERO_TID, stop, ...options }: TransactionRange = {},
  ): AsyncGenerator<TransactionInformation, void, void> {
    const end = stop === undefined || stop > this.#parts.view.lastTid
      ? this.#parts.view.lastTid
      : stop;
    for (let from = start; from <= end;) {
      const tids = await this.#tidsFrom(from, end, options);
      yield* await inParallel(tids, (tid) => this.transaction(tid, options));
      const last = tids.at(-1);
      if (last === undefined || last === end) return;
      from = asTid(last + 1n);
    }
  }

  async #tidsFrom(minTid: Tid, maxTid: Tid, options: WaitOptions): Promise<Tid[]> {
    const found = await this.#ofAllPartitions((partition) => ({
      where: partition,
      type: AskTIDsFrom,
      packet: { minTid, maxTid, length: ITERATION_CHUNK, partition },
      accept: tidsOf,
    }), options);
    return found.flat().sort((a, b) => descending(b, a)).slice(0, ITERATION_CHUNK);
  }

  /** What a transaction stored, one object after the other; what was packed since is left out. */
  async *records(
    { tid, oids }: Pick<TransactionInformation, "tid" | "oids">,
    options: WaitOptions = {},
  ): AsyncGenerator<TransactionRecord, void, void> {
    for (const oid of oids) {
      try {
        const found = await this.#parts.loads.find({ oid, at: tid, before: null }, options);
        yield { oid, data: found.data, dataSerial: found.dataSerial };
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
      }
    }
  }

  async #ofAllPartitions<T, A, R>(
    request: (partition: number) => ReadRequest<T, A, R>,
    options: WaitOptions,
  ): Promise<R[]> {
    const { master } = this.#parts;
    const { table } = master.current ?? await master.session(options);
    const partitions = Array.from({ length: table.partitions }, (_, partition) => partition);
    return await inParallel(
      partitions,
      (partition) => this.#ask(request(partition), "the list of transactions", options),
    );
  }

  async #ask<T, A, R>(
    request: ReadRequest<T, A, R>,
    subject: string,
    options?: WaitOptions,
  ): Promise<R> {
    try {
      return await this.#parts.reads.ask(request, options);
    } catch (error) {
      throw error instanceof PeerError ? fromPeer(error, subject) : error;
    }
  }
}

function information(answer: AnswerTransactionInformation): TransactionInformation {
  const { tid, user, description, extension, packed, oids } = answer;
  return {
    tid,
    timeMs: timeOfTid(tid),
    user: user.slice(),
    description: description.slice(),
    extension: extension.slice(),
    packed,
    oids,
  };
}

function tidsOf({ tids }: { readonly tids: readonly Tid[] }): readonly Tid[] {
  return tids;
}

function descending(a: Tid, b: Tid): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

function checkPage(first: number, last: number): void {
  if (Number.isInteger(first) && Number.isInteger(last) && 0 <= first && first < last) return;
  throw new StorageError(`expected a page with 0 <= first < last, found ${first} and ${last}`);
}
