/** Looking back: who committed what and when, and all revisions of an object. */

import {
  type AnswerObjectHistory,
  type AnswerTransactionInformation,
  AskObjectHistory,
  AskTransactionInformation,
} from "../../gen/packets.ts";
import { hexId, MAX_TID, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { timeOfTid } from "../cluster/tid_time.ts";
import { PeerError } from "../wire/refusal.ts";
import { fromPeer, NotFoundError, StorageError } from "./errors.ts";
import { HISTORY_CHUNK } from "./limits.ts";
import { after } from "./loads.ts";
import type { WaitOptions } from "./master.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import type { ReadRequest } from "./reads.ts";
import { type TidRange, TransactionList } from "./transaction_list.ts";

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

type HistoryItem = AnswerObjectHistory["history"][number];

const DEFAULT_PAGE = 20;

export class History {
  readonly #parts: Parts;
  readonly #list: TransactionList;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#list = new TransactionList(parts);
  }

  /** What is known of a transaction. Rejects with a NotFoundError. */
  async transaction(tid: Tid, options: WaitOptions = {}): Promise<TransactionInformation> {
    const request = {
      where: tid,
      type: AskTransactionInformation,
      packet: { tid },
      accept: information,
    };
    const subject = `transaction ${hexId(tid)}`;
    return await this.#list.untilUnlocked(
      tid,
      () => this.#ask(request, subject, options),
      options,
    );
  }

  /**
   * The revisions of an object, the newest first, or those up to `limit`. Rejects with a
   * NotFoundError where there are none at all.
   */
  async object(
    oid: Oid,
    { first = 0, last = first + 1, ...options }: Page = {},
    limit: Tid = MAX_TID,
  ): Promise<HistoryEntry[]> {
    checkPage(first, last);
    const revisions = limit === MAX_TID
      ? await this.#revisions(oid, { first, last }, options)
      : (await this.#revisionsUpTo(oid, { limit, count: last }, options)).slice(first);
    return await inParallel(revisions, async ({ serial, size }) => {
      return { ...await this.transaction(serial, options), size };
    });
  }

  async #revisions(
    oid: Oid,
    { first, last }: { readonly first: number; readonly last: number },
    options: WaitOptions,
  ): Promise<readonly HistoryItem[]> {
    const request = {
      where: oid,
      type: AskObjectHistory,
      packet: { oid, first, last },
      accept: ({ history }: AnswerObjectHistory) => history,
    };
    return await this.#ask(request, `the history of ${hexId(oid)}`, options);
  }

  /** The latest `count` revisions up to `limit`. */
  async #revisionsUpTo(
    oid: Oid,
    { limit, count }: { readonly limit: Tid; readonly count: number },
    options: WaitOptions,
  ): Promise<readonly HistoryItem[]> {
    const found: HistoryItem[] = [];
    let bound = after(limit);
    for (let first = 0; found.length < count; first += HISTORY_CHUNK) {
      const last = first + HISTORY_CHUNK;
      const chunk = await this.#revisions(oid, { first, last }, options).catch((error) => {
        if (first === 0 || !(error instanceof NotFoundError)) throw error;
        return [];
      });
      for (const item of chunk) {
        // A commit between two questions makes revisions come twice.
        if (item.serial >= bound || found.length >= count) continue;
        bound = item.serial;
        found.push(item);
      }
      if (chunk.length < HISTORY_CHUNK) break;
    }
    if (found.length > 0) return found;
    throw new NotFoundError(
      `the history of ${hexId(oid)} up to ${hexId(limit)}: expected revisions, found none: ` +
        "it was created later, or what there was has been packed",
    );
  }

  /** The latest transactions, the newest first. */
  async latest({ first = 0, last = first + DEFAULT_PAGE, ...options }: Page = {}) {
    checkPage(first, last);
    const tids = await this.#list.latest(last, options);
    return await inParallel(tids.slice(first), (tid) => this.transaction(tid, options));
  }

  /** All transactions of a range, the oldest first. */
  async *transactions(
    { start = ZERO_TID, stop, ...options }: TransactionRange = {},
  ): AsyncGenerator<TransactionInformation, void, void> {
    const { lastTid } = this.#parts.view;
    const to = stop === undefined || stop > lastTid ? lastTid : stop;
    for (let from = start; from <= to;) {
      const found = await this.chunk({ from, to }, options);
      yield* found;
      const last = found.at(-1);
      if (last === undefined || last.tid === to) return;
      from = after(last.tid);
    }
  }

  /** The first transactions of a range in order, some of them; none when there are none. */
  async chunk(range: TidRange, options: WaitOptions): Promise<TransactionInformation[]> {
    const tids = await this.#list.first(range, options);
    return await inParallel(tids, (tid) => this.transaction(tid, options));
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

  async #ask<T, A, R>(
    request: ReadRequest<T, A, R>,
    subject: string,
    options: WaitOptions,
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

function checkPage(first: number, last: number): void {
  if (Number.isInteger(first) && Number.isInteger(last) && 0 <= first && first < last) return;
  throw new StorageError(`expected a page with 0 <= first < last, found ${first} and ${last}`);
}
