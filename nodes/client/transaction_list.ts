/**
 * Which transactions there are. Their tids are spread over all partitions, and a storage unlocks a
 * commit a little after the client was told of it: until then it does not tell of it.
 *
 * Invariant: what is returned is complete. Storages unlock in the order of tids, so that a list is
 * complete when it is full, or has the newest transaction of its partition that this session knows
 * of; else it is asked for again. And whoever gave a list had a readable cell when it did so.
 */

import { type AnswerTIDs, AskTIDs, AskTIDsFrom, type Codecs } from "../../gen/packets.ts";
import { hexId, type Tid } from "../codec/ids.ts";
import type { RequestType } from "../codec/packet.ts";
import { delay } from "../cluster/delay.ts";
import type { ClientHost } from "../host/host.ts";
import { PeerError } from "../wire/refusal.ts";
import { abortable } from "./abortable.ts";
import { fromPeer, NotFoundError, UnavailableError } from "./errors.ts";
import {
  ITERATION_CHUNK,
  MAX_UNLOCK_PAUSE_MS,
  MAX_UNLOCK_WAIT_MS,
  MIN_UNLOCK_PAUSE_MS,
} from "./limits.ts";
import type { Master, WaitOptions } from "./master.ts";
import { inParallel } from "./parallel.ts";
import { barrier, type Reads } from "./reads.ts";
import type { Session } from "./session.ts";

/** Transactions, both bounds included. */
export interface TidRange {
  readonly from: Tid;
  /** At most the last transaction that is known. */
  readonly to: Tid;
}

/** What to ask for the transactions of one partition. */
interface ListRequest<T> {
  readonly type: RequestType<T, AnswerTIDs, Codecs>;
  /** `newest` is the newest transaction that is known; the answer should have it. */
  packet(partition: number, newest: Tid | null): T;
  /** Whether an answer lacks nothing, though it has not the newest. */
  isFull(tids: readonly Tid[], newest: Tid): boolean;
}

export class TransactionList {
  readonly #host: ClientHost;
  readonly #master: Master;
  readonly #reads: Reads;

  constructor(
    parts: { readonly host: ClientHost; readonly master: Master; readonly reads: Reads },
  ) {
    this.#host = parts.host;
    this.#master = parts.master;
    this.#reads = parts.reads;
  }

  /** The first transactions of a range in order, at most {@link ITERATION_CHUNK}. */
  async first(range: TidRange, options: WaitOptions): Promise<Tid[]> {
    const request = rangeRequest(range);
    const found = await this.#ofPartitions(
      request,
      (session, partition) => session.mayHaveSince(partition, range.from),
      options,
    );
    return found.filter((tid) => tid <= range.to).sort(ascending).slice(0, ITERATION_CHUNK);
  }

  /** The latest transactions, the newest first. */
  async latest(count: number, options: WaitOptions): Promise<Tid[]> {
    // Each partition gives its latest, since those of all can't be told from those of one.
    const request: ListRequest<AskTIDs> = {
      type: AskTIDs,
      packet: (partition) => ({ first: 0, last: count, partition }),
      isFull: ([tid], newest) => tid !== undefined && tid > newest,
    };
    const found = await this.#ofPartitions(request, () => true, options);
    return found.sort(ascending).reverse().slice(0, count);
  }

  /** Whether there is a transaction. */
  async has(tid: Tid, options: WaitOptions): Promise<boolean> {
    const found = await this.#ofPartitions(
      rangeRequest({ from: tid, to: tid }),
      ({ table }, partition) => partition === table.partition(tid),
      options,
    );
    return found.includes(tid);
  }

  async #ofPartitions<T>(
    request: ListRequest<T>,
    concerns: (session: Session, partition: number) => boolean,
    options: WaitOptions,
  ): Promise<Tid[]> {
    // Each round but the last one has seen a change of the partition table, or a lost master.
    for (;;) {
      const session = this.#master.current ?? await this.#master.session(options);
      const { ptid, partitions } = session.table;
      const concerned = Array.from({ length: partitions }, (_, partition) => partition)
        .filter((partition) => concerns(session, partition));
      const found = await inParallel(
        concerned,
        (partition) => this.#ofPartition({ session, request, partition }, options),
      );
      // NEO 1.11 does not check that its cell is readable, so the master has to confirm it.
      await barrier(session, options.signal);
      if (!session.ended && session.table.ptid === ptid) return found.flat();
    }
  }

  async #ofPartition<T>({ session, request, partition }: {
    readonly session: Session;
    readonly request: ListRequest<T>;
    readonly partition: number;
  }, options: WaitOptions): Promise<readonly Tid[]> {
    const { type, packet, isFull } = request;
    const newest = session.newest(partition);
    const pause = this.#pauses(options);
    for (;;) {
      const tids = await this.#ask({
        where: partition,
        type,
        packet: packet(partition, newest),
        accept: tidsOf,
      }, options);
      if (newest === null || session.ended || tids.includes(newest) || isFull(tids, newest)) {
        return tids;
      }
      await pause(newest);
    }
  }

  async #ask<T>(
    request: {
      readonly where: number;
      readonly type: RequestType<T, AnswerTIDs, Codecs>;
      readonly packet: T;
      accept(answer: AnswerTIDs): readonly Tid[];
    },
    options: WaitOptions,
  ): Promise<readonly Tid[]> {
    try {
      return await this.#reads.ask(request, options);
    } catch (error) {
      throw error instanceof PeerError ? fromPeer(error, "the list of transactions") : error;
    }
  }

  /**
   * A function that waits before a storage is asked again for a transaction, longer each time. It
   * rejects with an UnavailableError when this has taken too long.
   */
  #pauses({ signal }: WaitOptions): (tid: Tid) => Promise<void> {
    const startMs = this.#host.monotonic();
    let pauseMs = MIN_UNLOCK_PAUSE_MS;
    return async (tid) => {
      if (this.#host.monotonic() - startMs > MAX_UNLOCK_WAIT_MS) {
        throw new UnavailableError(
          `expected storages to tell of transaction ${hexId(tid)} within ` +
            `${MAX_UNLOCK_WAIT_MS} ms after its commit, found none that does: check replicas`,
        );
      }
      await abortable(delay(this.#host, pauseMs, signal), signal);
      pauseMs = Math.min(pauseMs * 2, MAX_UNLOCK_PAUSE_MS);
    };
  }

  /**
   * Asks for a transaction, again as long as it is not found though it is there. Settles as `ask`
   * does at last.
   */
  async untilUnlocked<R>(tid: Tid, ask: () => Promise<R>, options: WaitOptions): Promise<R> {
    const pause = this.#pauses(options);
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NotFoundError) || !await this.has(tid, options)) throw error;
      }
      await pause(tid);
    }
  }
}

function rangeRequest({ from, to }: TidRange): ListRequest<AskTIDsFrom> {
  return {
    type: AskTIDsFrom,
    packet: (partition, newest) => ({
      minTid: from,
      maxTid: newest !== null && newest > to ? newest : to,
      length: ITERATION_CHUNK,
      partition,
    }),
    isFull: (tids, newest) => newest < from || tids.length >= ITERATION_CHUNK,
  };
}

function tidsOf({ tids }: AnswerTIDs): readonly Tid[] {
  return tids;
}

function ascending(a: Tid, b: Tid): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
