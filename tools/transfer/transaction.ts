/** Transactions on their way from one store to another, whichever these are. */

import type { Tid } from "../../mod.ts";
import type { Texts } from "../../nodes/filestorage/reader.ts";
import type { NewRecord } from "../../nodes/filestorage/writer.ts";

export type { NewRecord };

/** A transaction. Its records have to be taken, all of them, before the next transaction. */
export interface Transferred extends Texts {
  readonly tid: Tid;
  readonly packed: boolean;
  readonly records: AsyncIterable<NewRecord>;
}

/** Where transactions come from, in the order of their tids. */
export interface Origin {
  /** How much there is, in units of its own: what `position` of the last transaction will be. */
  readonly size: number;
  /** How much has been read. */
  readonly position: number;
  transactions(): AsyncIterable<Transferred>;
}

/** Where transactions go to. */
export interface Target {
  write(transaction: Transferred): Promise<void>;
}
