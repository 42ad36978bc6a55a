/**
 * A transaction's texts, which may be longer elsewhere than a FileStorage has room for. Its objects
 * matter more: whoever copies transactions cuts such texts, and says so.
 */

import { hexId } from "../codec/ids.ts";
import type { LogSink } from "../host/host.ts";
import { MAX_TEXT_BYTES } from "./format.ts";
import type { Texts } from "./reader.ts";
import type { NewTransaction } from "./writer.ts";

/** A transaction whose texts fit in a FileStorage; the log gets what had to go. */
export function fitted(transaction: NewTransaction, log: LogSink): NewTransaction {
  const { user, description, extension } = transaction;
  const texts: Texts = {
    user: user.subarray(0, fittingLength(user)),
    description: description.subarray(0, fittingLength(description)),
    // Half a pickle would be none.
    extension: extension.length > MAX_TEXT_BYTES ? extension.subarray(0, 0) : extension,
  };
  for (const name of ["user", "description", "extension"] as const) {
    if (texts[name].length === transaction[name].length) continue;
    const what = `the transaction ${hexId(transaction.tid)} has ${transaction[name].length} bytes`;
    log.log(
      "WARNING",
      "filestorage",
      `${what} of ${name}, and a FileStorage has room for ${MAX_TEXT_BYTES}: ` +
        `it gets the first ${texts[name].length}, and all of the objects`,
    );
  }
  return { ...transaction, ...texts };
}

/** How much of a text is kept: no character of UTF-8 is cut in two. */
function fittingLength(text: Uint8Array): number {
  if (text.length <= MAX_TEXT_BYTES) return text.length;
  let length = MAX_TEXT_BYTES;
  while (length > 0 && ((text[length] ?? 0) & 0xc0) === 0x80) length--;
  return length;
}
