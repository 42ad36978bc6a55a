/** How far an import has come, and what must not be done before it is over. */

import { type Tid, ZERO_TID } from "../../../codec/ids.ts";
import { type ErrorName, Refusal } from "../../../wire/refusal.ts";

export class Progress {
  /** All transactions up to this one are in the database. */
  importedTid: Tid = ZERO_TID;
  isOver = false;

  /** Throws a Refusal while the import goes on. */
  requireOver(what: string, code: ErrorName = "BACKEND_NOT_IMPLEMENTED"): void {
    if (this.isOver) return;
    throw new Refusal(code, `${what} has to wait until everything is imported`);
  }
}
