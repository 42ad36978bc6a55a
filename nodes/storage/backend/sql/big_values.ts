/** Object data that don't fit in a row of `data`, and stand in pieces in a table of their own. */

import type { DataId } from "../backend.ts";
import type { Eventual } from "../eventual.ts";

export interface BigValues {
  /** Stores a value in pieces; does nothing and returns null for one that fits in a row. */
  store(value: Uint8Array): StoredPieces | null;
  /** The value whose pieces the column `value` tells of; null where some are missing. */
  load(pointer: Uint8Array): Eventual<Uint8Array | null>;
}

/** Pieces that were just stored. */
export interface StoredPieces {
  /** Inserts the row of `data` that tells where they are. */
  insertRow(id: DataId, hash: Uint8Array, compression: number): void;
  /** Lets a row that is there tell of them, in place of pieces that are not what they were. */
  updateRow(id: DataId): void;
}
