/**
 * Completes own cells: asks the master up to where, chooses cells and sources, and makes one pass
 * after the other, from one source at a time. Whatever fails is tried again, from another source
 * where there is one.
 *
 * Invariant: a cell is marked as being replicated before the master is asked. Every transaction
 * that begins after the answer is then received in full; the others come from other cells.
 */

import {
  AskUnfinishedTransactions,
  NotifyReplicationDone,
  type NotifyTransactionFinished,
  type Replicate,
} from "../../../gen/packets.ts";
import { hexId, type Tid, tidAfter, tidBefore, ZERO_TID } from "../../codec/ids.ts";
import { ConnectionClosedError, DatabaseError, NeoError } from "../../errors.ts";
import { decodeText } from "../../wire/text.ts";
import { then, unawaited } from "../backend/eventual.ts";
import type { Background } from "../background.ts";
import type { Link } from "../links/link.ts";
import type { Links } from "../links/links.ts";
import type { Session } from "../session.ts";
import type { Transactions } from "../transactions/transactions.ts";
import { BackupProgress } from "./backup_progress.ts";
import { unlessAborted } from "./cancelling.ts";
import { type Cell, Cells } from "./cells.ts";
import { Pass } from "./pass.ts";
import { type Choice, Sources } from "./sources.ts";

export interface ReplicatorOptions {
  readonly session: Session;
  readonly transactions: Transactions;
  readonly background: Background;
  readonly links: Links;
}

export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #cells = new Cells();
  readonly #sources: Sources;
  readonly #backup: BackupProgress;
  /** Cells that may be complete: then the master has to be told. */
  readonly #reached = new Set<number>();
  /** The cell that is being replicated, and what ends that. */
  #current: { readonly choice: Choice; readonly ending: AbortController } | null = null;
  /** Orders that came before it was known where cells go on; null once it is. */
  #early: Replicate[] | null = null;
  #isWorking = false;
  #isOver = false;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    const { session } = options;
    this.#sources = new Sources({ session, cells: this.#cells, retry: () => this.wake() });
    this.#backup = new BackupProgress({ session, cells: this.#cells });
  }

  /** Cells are not complete: from now on writes to them take no locks. {@link ask} must follow. */
  mark(offsets: readonly number[]): void {
    for (const offset of offsets) {
      this.#reached.delete(offset);
      this.#cells.add(offset, { nextTrans: ZERO_TID, nextObj: ZERO_TID, isOutdated: true });
    }
    this.#options.transactions.outdated(offsets);
  }

  /** Asks the master up to where marked cells can be replicated, and what is pending. */
  ask(offsets: readonly number[]): void {
    if (offsets.length === 0) return;
    const { backend } = this.#options.session.options;
    unawaited(then(backend.table.progress(), (progress) => {
      const asked = new Map<number, Cell>();
      for (const offset of offsets) {
        const cell = this.#cells.get(offset);
        if (cell === undefined) continue;
        const tid = progress.get(offset) ?? ZERO_TID;
        cell.nextTrans = cell.nextObj = tid === ZERO_TID ? tid : tidAfter(tid);
        asked.set(offset, cell);
      }
      if (!this.#isOver) this.#ask(asked);
    }));
  }

  #ask(asked: ReadonlyMap<number, Cell>): void {
    const { session } = this.#options;
    const offsets = [...asked.keys()];
    session.options.master.ask(AskUnfinishedTransactions, { offsets }, (answer) => {
      const maxTid = answer.maxTid ?? ZERO_TID;
      session.keeping.checkNewest(offsets, maxTid);
      this.#cells.answered(asked, maxTid, answer.ttids);
      session.log(
        "INFO",
        `partitions ${offsets} are to be replicated up to ${hexId(maxTid)}, and ` +
          `${answer.ttids.length} transactions are pending`,
      );
      this.wake();
    }).catch((error) => {
      // With the connection, operation ends.
      if (error instanceof ConnectionClosedError) return;
      if (error instanceof DatabaseError) return session.options.fatal(error);
      if (!(error instanceof NeoError)) throw error;
      session.log("WARNING", `partitions ${offsets} stay outdated: ${error.message}`);
    });
  }

  /** A transaction that was pending is committed. */
  finished({ ttid, maxTid }: NotifyTransactionFinished): void {
    this.#ended(ttid, maxTid);
  }

  /** A transaction that was pending is aborted. */
  aborted(ttid: Tid): void {
    this.#ended(ttid, null);
  }

  #ended(ttid: Tid, tid: Tid | null): void {
    for (const offset of this.#cells.ended(ttid, tid)) this.#reached.add(offset);
    this.wake();
  }

  /** Cells have become readable: clients must not see more than these have. */
  readable(): void {
    this.#backup.save();
  }

  /** Cells are gone. A commit must follow. */
  forget(offsets: Iterable<number>): void {
    for (const offset of offsets) {
      this.#cells.remove(offset);
      this.#reached.delete(offset);
      if (this.#current?.choice.offset === offset) this.#current.ending.abort();
    }
    // Those that are left may be further, and clients are about to be told so.
    this.#backup.save();
  }

  /** The cluster is a backup: readable cells follow those of another one. A commit must follow. */
  async startBackup(): Promise<void> {
    this.#early ??= [];
    await this.#backup.begin();
    const early = this.#early;
    this.#early = null;
    if (!this.#isOver) { for (const order of early) this.order(order); }
  }

  /** The master of a backup cluster tells from where to replicate, or that nothing is new. */
  order(order: Replicate): void {
    if (this.#early !== null) {
      this.#early.push(order);
      return;
    }
    const { tid, upstreamName, sources } = order;
    const cluster = decodeText(upstreamName);
    for (const [offset, address] of sources) {
      if (this.#cells.get(offset) === undefined) continue;
      if (address !== null) this.#cells.order(offset, tid, { address, cluster });
      else this.#backup.nothingNew(offset, tid, this.#current?.choice.offset === offset);
    }
    this.#backup.save();
    unawaited(this.#options.session.options.backend.commit());
    this.wake();
  }

  /** The cluster is about to be a backup no more: what comes from elsewhere is not wanted. */
  stopBackup(): void {
    this.#early = this.#early?.filter(({ upstreamName }) => upstreamName.length === 0) ?? null;
    this.#cells.dropForeign();
    if (this.#current?.choice.target.nid === null) this.#current.ending.abort();
    this.#options.links.closeForeign();
    this.wake();
  }

  /** Operation is over. */
  stop(): void {
    this.#isOver = true;
    this.#current?.ending.abort();
    this.#sources.stop();
  }

  /** Goes on if there is something to do: nodes, cells or orders may have changed. */
  wake(): void {
    if (this.#isWorking || this.#isOver) return;
    this.#isWorking = true;
    this.#work().catch((error) => this.#options.session.options.fatal(error));
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      const [offset] = this.#reached;
      if (offset !== undefined) {
        this.#reached.delete(offset);
        await this.#announce(offset);
        continue;
      }
      const choice = this.#sources.choose();
      if (choice === null) break;
      await this.#attempt(choice);
    }
    this.#isWorking = false;
  }

  async #attempt(choice: Choice): Promise<void> {
    const { links, session } = this.#options;
    const { offset, target } = choice;
    const ending = new AbortController();
    this.#current = { choice, ending };
    try {
      const link = await unlessAborted(links.connect(target), ending.signal);
      if (link === null) return;
      link.use();
      try {
        if (await this.#pass(choice, link, ending.signal)) links.mayConnectAgain(target);
      } finally {
        link.release();
      }
    } catch (error) {
      if (!(error instanceof NeoError) || error instanceof DatabaseError) throw error;
      if (this.#isOver) return;
      this.#sources.failed(choice, error);
      session.log("WARNING", `partition ${offset} was not replicated: ${error.message}`);
    } finally {
      this.#current = null;
    }
  }

  /** Resolves with whether the source was of use. */
  async #pass(choice: Choice, link: Link, signal: AbortSignal): Promise<boolean> {
    const { session, background } = this.#options;
    const { backend } = session.options;
    const { offset } = choice;
    const cell = this.#cells.get(offset);
    // Orders may have changed while the link was opened; then there is another choice.
    if (cell === undefined || !this.#sources.isStill(choice)) return false;
    const maxTid = this.#cells.take(offset);
    if (maxTid === undefined) return false;
    const { assignment } = session;
    const pass = new Pass({
      ...{ backend, assignment, background, link, offset, cell, maxTid, signal },
      keeping: session.keeping,
      progressed: () => this.#backup.save(),
    });
    try {
      if (!await pass.run() || signal.aborted) return false;
    } catch (error) {
      this.#cells.want(offset, maxTid);
      throw error;
    }
    this.#backup.save();
    backend.table.setProgress(offset, maxTid);
    unawaited(backend.commit());
    const from = link.connection.label;
    session.log("INFO", `partition ${offset} is replicated up to ${hexId(maxTid)} from ${from}`);
    this.#reached.add(offset);
    return true;
  }

  /** Tells the master of a cell that is complete, when that is on disk. */
  async #announce(offset: number): Promise<void> {
    const { session, transactions, background } = this.#options;
    const { assignment, options: { backend, master } } = session;
    const cell = this.#cells.get(offset);
    const isComplete = () => this.#cells.get(offset) === cell && !this.#cells.isIncomplete(offset);
    if (cell === undefined || !isComplete()) return;
    const tid = tidBefore(cell.nextObj);
    const task = background.task();
    const missing = await backend.replica.completeUndos({
      offset,
      pause: async () => {
        await task.pause();
        return !this.#isOver;
      },
      found: (undo) => transactions.undoTargetFound(undo),
    });
    await backend.commit();
    if (this.#isOver || !isComplete()) return;
    if (missing > 0) {
      session.log("ERROR", `${missing} undos of partition ${offset} lack their data`);
    }
    if (assignment.isReadable(offset)) master.notify(NotifyReplicationDone, { offset, tid });
    else transactions.replicated(offset, tid);
  }
}
