/** Beginning a transaction: the primary master gives it a temporary id; no storage is involved. */

import { AskBeginTransaction } from "../../gen/packets.ts";
import type { Tid } from "../codec/ids.ts";
import { encodeText } from "../wire/text.ts";
import { abortable } from "./abortable.ts";
import { fromMaster, ReadOnlyError } from "./errors.ts";
import { DEFAULT_CACHE_BYTES } from "./limits.ts";
import type { Parts } from "./parts.ts";
import type { Session } from "./session.ts";
import type { CallOptions } from "./options.ts";
import { Transaction } from "./transaction.ts";
import type { Metadata } from "./vote.ts";
import { Writer } from "./writer.ts";

/** Who commits and why; texts become UTF-8. */
export interface TransactionMetadata {
  readonly user?: string | Uint8Array;
  readonly description?: string | Uint8Array;
  /** Anything else, as bytes. Python programs expect nothing, or a pickled dictionary. */
  readonly extension?: Uint8Array;
}

/** How a transaction is begun. */
export interface BeginOptions extends TransactionMetadata, CallOptions {
  /** The id to commit as, newer than all others: only for copying another database. */
  readonly tid?: Tid;
}

const NO_BYTES = new Uint8Array(0);

/** Refuses what a client that was opened for reading must not do. */
export function assertWritable({ options }: Parts): void {
  if (options.readOnly) {
    throw new ReadOnlyError("this client was opened for reading only: open another one to write");
  }
}

/** Begins a transaction in a session; see `Client.begin`. */
export async function beginTransaction(
  parts: Parts,
  session: Session,
  options: BeginOptions,
): Promise<Transaction> {
  assertWritable(parts);
  const { signal, tid = null } = options;
  // An answer that nobody waits for any more leaves a transaction that only has to be aborted.
  let ttid: Tid;
  const answer = session.ask(AskBeginTransaction, { tid });
  try {
    ({ ttid } = await abortable(answer, signal));
  } catch (error) {
    answer.then(({ ttid }) => newTransaction(parts, { session, ttid, options }).abort(), () => {});
    throw fromMaster(error, "the beginning of a transaction");
  }
  return newTransaction(parts, { session, ttid, options });
}

function newTransaction(parts: Parts, { session, ttid, options }: {
  readonly session: Session;
  readonly ttid: Tid;
  readonly options: BeginOptions;
}): Transaction {
  const writer = new Writer({
    session,
    ttid,
    maxKeptBytes: parts.options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    compression: parts.options.compress ?? true,
    resolve: (write, committed) => parts.conflicts.resolve(write, committed),
  });
  return new Transaction(parts, writer, metadataOf(options));
}

function metadataOf({ user, description, extension }: TransactionMetadata): Metadata {
  return {
    user: bytesOf(user),
    description: bytesOf(description),
    extension: extension ?? NO_BYTES,
  };
}

function bytesOf(text: string | Uint8Array | undefined): Uint8Array {
  return typeof text === "string" ? encodeText(text) : text ?? NO_BYTES;
}
