/**
 * The lock that keeps a second node, ours or a NEO 1.11 of Python, from a database: a socket in
 * Linux's abstract namespace that is named after the file's device and inode. It goes with the
 * process, however that ends.
 *
 * Invariant: the file is opened and closed here *before* SQLite opens it, and never again. Closing
 * any descriptor of a file drops all POSIX locks that the process has on it, SQLite's included.
 */

import { statSync } from "node:fs";
import { DatabaseError } from "../errors.ts";

export interface DatabaseLock {
  /** The disk that the file is on: its decimal `st_dev`. */
  readonly device: string;
  release(): void;
}

/** Creates the file if there is none and locks it. Throws a DatabaseError. */
export function lockDatabase(path: string): DatabaseLock {
  const { dev, ino } = identify(path);
  try {
    const socket = Deno.listen({ transport: "unix", path: `\0neostorage:${dev}:${ino}` });
    return { device: String(dev), release: () => socket.close() };
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    throw new DatabaseError("database is locked", { cause });
  }
}

function identify(path: string): { readonly dev: bigint; readonly ino: bigint } {
  try {
    Deno.openSync(path, { create: true, read: true, write: true }).close();
    return statSync(path, { bigint: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new DatabaseError(
      `cannot open the database (${reason}): choose a file in a directory that is there and that ` +
        "this user may write to",
      { cause },
    );
  }
}
