/**
 * What a reader of a FileStorage finds out when it opens it: where everything is, up to the last
 * transaction that is whole.
 */

import type { Tid } from "../codec/ids.ts";
import { FileError } from "../errors.ts";
import type { RandomFile } from "../host/host.ts";
import { latin1 } from "../pickle/opcodes.ts";
import { MAGIC_BYTES, MAGICS, viewOf, WORD_BYTES } from "./format.ts";
import { OidIndex } from "./oid_index.ts";
import { Positions } from "./positions.ts";
import type { SavedIndex } from "./saved_index.ts";
import { Scanner } from "./scanner.ts";

/** Lets others work where it is time for that. */
export type Pause = () => Promise<unknown>;

/** What is known of a FileStorage once it is opened. */
export interface Contents {
  /** Where the last record of each object is. */
  readonly index: OidIndex;
  readonly positions: Positions;
  /** Where the last transaction that is whole ends. */
  readonly end: number;
  readonly lastTid: Tid | null;
}

/** Throws a FileError where a file does not begin like a FileStorage. */
export function checkMagic(file: RandomFile): void {
  const bytes = new Uint8Array(MAGIC_BYTES);
  if (file.read(bytes, 0) === MAGIC_BYTES && MAGICS.includes(latin1(bytes))) return;
  throw new FileError(`${file.path} is no FileStorage: it does not begin with ${MAGICS[0]}`);
}

/** Goes through what a saved index does not know. Rejects with a FileError. */
export async function look(
  file: RandomFile,
  saved: SavedIndex | null,
  pause: Pause,
): Promise<Contents> {
  const index = saved?.index ?? new OidIndex();
  const positions = new Positions();
  const start = saved === null ? MAGIC_BYTES : lastTransaction(file, saved.position);
  const scanner = new Scanner({ file, position: start });
  let lastTid: Tid | null = null;
  for (;;) {
    const transaction = scanner.next();
    if (transaction === null) break;
    if (saved === null) positions.note(transaction);
    for (const { oid, position } of scanner.records(transaction)) index.set(oid, position);
    lastTid = transaction.tid;
    await pause();
  }
  return { index, positions, end: scanner.position, lastTid };
}

/** Where the transaction begins that ends at a position. */
function lastTransaction(file: RandomFile, end: number): number {
  const word = new Uint8Array(WORD_BYTES);
  file.read(word, end - WORD_BYTES);
  return end - WORD_BYTES - Number(viewOf(word).getBigUint64(0));
}
