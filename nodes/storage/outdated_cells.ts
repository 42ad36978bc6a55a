/**
 * Own cells that are not complete, and what has to be known to complete them: which transactions
 * were pending when the master was asked, and which of them are not finished. It is the one place
 * where such cells begin to be replicated, and where the master's news about that arrive.
 *
 * Invariant: a cell is marked as being replicated before the master is asked. Every transaction
 * that begins after the answer is then received in full; the others come from other cells.
 */

import {
  type AnswerUnfinishedTransactions,
  AskUnfinishedTransactions,
  type NotifyTransactionFinished,
} from "../../gen/packets.ts";
import type { Tid } from "../codec/ids.ts";
import { ConnectionClosedError, NeoError } from "../errors.ts";
import type { LogSink } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import type { Transactions } from "./transactions/transactions.ts";

export interface OutdatedCellsOptions {
  readonly log: LogSink;
  readonly master: Connection;
  readonly transactions: Transactions;
}

export class OutdatedCells {
  readonly #options: OutdatedCellsOptions;
  readonly #offsets = new Set<number>();
  readonly #unfinished = new Set<Tid>();

  constructor(options: OutdatedCellsOptions) {
    this.#options = options;
  }

  /** Cells are not complete: from now on writes to them take no locks. {@link ask} must follow. */
  mark(offsets: readonly number[]): void {
    for (const offset of offsets) this.#offsets.add(offset);
    this.#options.transactions.outdated(offsets);
  }

  /** Asks the master up to where marked cells can be replicated, and what is pending. */
  ask(offsets: readonly number[]): void {
    if (offsets.length === 0) return;
    const { master, log } = this.#options;
    master.ask(AskUnfinishedTransactions, { offsets }, (answer) => this.#answered(offsets, answer))
      .catch((error) => {
        // With the connection, operation ends.
        if (error instanceof ConnectionClosedError) return;
        if (!(error instanceof NeoError)) throw error;
        log.log("WARNING", "storage", `partitions ${offsets} stay outdated: ${error.message}`);
      });
  }

  #answered(offsets: readonly number[], { ttids, maxTid }: AnswerUnfinishedTransactions): void {
    for (const ttid of ttids) this.#unfinished.add(ttid);
    const waiting = offsets.filter((offset) => this.#offsets.has(offset));
    this.#options.log.log(
      "INFO",
      "storage",
      `partitions ${waiting} have to be replicated up to ${maxTid}, and ${ttids.length} ` +
        "transactions are pending",
    );
  }

  /** A transaction that was pending is committed. */
  finished({ ttid }: NotifyTransactionFinished): void {
    this.#unfinished.delete(ttid);
  }

  /** A transaction that was pending is aborted. */
  aborted(ttid: Tid): void {
    this.#unfinished.delete(ttid);
  }

  /** Cells need no replication any more: they are readable, or gone. */
  forget(offsets: Iterable<number>): void {
    for (const offset of offsets) this.#offsets.delete(offset);
  }

  /** Operation is over. */
  stop(): void {
    this.#offsets.clear();
    this.#unfinished.clear();
  }
}
