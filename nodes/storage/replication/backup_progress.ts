/**
 * Up to where this node of a backup cluster has everything. Its readable cells follow those of the
 * upstream cluster and may be late; the backup tid is what all of them have reached. Clients see
 * no more than that.
 */

import { laterTid, type Tid, tidAfter, ZERO_TID } from "../../codec/ids.ts";
import type { Session } from "../session.ts";
import type { Cells } from "./cells.ts";

export class BackupProgress {
  readonly #session: Session;
  readonly #cells: Cells;

  constructor({ session, cells }: { readonly session: Session; readonly cells: Cells }) {
    this.#session = session;
    this.#cells = cells;
  }

  /**
   * This node is one of a backup cluster: finds out where its readable cells go on. They have no
   * holes, but perhaps half a transaction. A commit must follow.
   */
  async begin(): Promise<void> {
    const { assignment, options: { backend: { settings, maintenance, replica } } } = this.#session;
    if (settings.backupTid === null) {
      // Clients must not see more than they may, even while the last tid is looked for.
      settings.backupTid = ZERO_TID;
      settings.backupTid = (await maintenance.lastIds(assignment.readable())).tid ?? ZERO_TID;
    }
    const { backupTid } = settings;
    const first = backupTid === ZERO_TID ? backupTid : tidAfter(backupTid);
    for (const offset of assignment.readable()) {
      const { trans, obj } = await replica.lastTids(offset);
      const nextTrans = trans === null ? first : laterTid(first, tidAfter(trans));
      const nextObj = obj === null ? first : laterTid(first, obj);
      this.#cells.add(offset, { nextTrans, nextObj, isOutdated: false });
    }
  }

  /** The master knows that a cell lacks nothing up to `tid`, unless it is being replicated. */
  nothingNew(offset: number, tid: Tid, isBusy: boolean): void {
    const cell = this.#cells.get(offset);
    if (cell === undefined || isBusy || this.#cells.isWanted(offset)) return;
    if (!this.#session.assignment.isReadable(offset)) return;
    const next = tidAfter(tid);
    cell.nextTrans = laterTid(cell.nextTrans, next);
    cell.nextObj = laterTid(cell.nextObj, next);
  }

  /** Writes the backup tid. A commit must follow. */
  save(): void {
    const { assignment, options: { backend: { settings } } } = this.#session;
    if (settings.backupTid === null) return;
    settings.backupTid = this.#cells.completeUpTo((offset) => assignment.isReadable(offset));
  }
}
