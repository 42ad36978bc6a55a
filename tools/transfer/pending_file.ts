/**
 * A file that is written under another name, and gets its own when it is whole. Its writer holds
 * the system's lock on it, which goes with the process: so what a killed process left behind is
 * told from what another one is writing, whichever machine or container that has its number in.
 *
 * Invariant: only who holds the lock of the file that has the name at the moment writes, renames
 * or removes it.
 */

import { FileError } from "../../nodes/errors.ts";
import type { RandomFile } from "../../nodes/host/host.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { messageOf } from "../files.ts";

/** How often another process may get ahead of us before that is taken for a fault. */
const MAX_ATTEMPTS = 10;

export class PendingFile implements Disposable {
  readonly file: RandomFile;
  readonly #lock: Deno.FsFile;
  #isFinished = false;

  /**
   * Makes the file, in the place of what a killed process left of it.
   *
   * @param part its name until it is whole
   * @throws FileError where another process is writing it, or it can't be made
   */
  constructor(part: string) {
    this.#lock = createLocked(part);
    const file = fileSystem.open(part, "change");
    if (file === null) throw new FileError(`${part} was removed while it was made: try again`);
    this.file = file;
  }

  /** Flushes the file and gives it its name. Throws a FileError, also when that is taken. */
  finish(path: string): void {
    refuseTaken(path);
    this.file.flush();
    this.file.close();
    fileSystem.rename(this.file.path, path);
    this.#lock.close();
    this.#isFinished = true;
  }

  /** Removes the file, unless it was finished. */
  [Symbol.dispose](): void {
    if (this.#isFinished) return;
    this.file.close();
    fileSystem.remove(this.file.path);
    this.#lock.close();
  }
}

/** Throws a FileError when there is a file of that name. */
export function refuseTaken(path: string): void {
  const present = fileSystem.open(path, "read");
  if (present === null) return;
  present.close();
  throw new FileError(`there is a file ${path} already: remove it, or choose another name`);
}

/** A new file whose lock is held. */
function createLocked(part: string): Deno.FsFile {
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const created = create(part);
      if (created === null) removeAbandoned(part);
      // Who took it for abandoned, before it was locked, has removed it.
      else if (created.tryLockSync(true) && has(part, created)) return created;
      else created.close();
    }
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new FileError(`cannot create ${part}: ${messageOf(cause)}`, { cause });
  }
  throw new FileError(`cannot create ${part}: other processes make and remove it all the time`);
}

/** Makes a file; null when there is one. */
function create(part: string): Deno.FsFile | null {
  try {
    return Deno.openSync(part, { read: true, write: true, createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return null;
    throw error;
  }
}

/** Removes a file that no process writes. Throws a FileError when one does. */
function removeAbandoned(part: string): void {
  try {
    // Whoever put a link there shall not choose which file is written.
    if (Deno.lstatSync(part).isSymlink) return Deno.removeSync(part);
    using found = Deno.openSync(part, { read: true, write: true });
    if (!found.tryLockSync(true)) {
      throw new FileError(`another process is writing ${part}: wait for it, or end it`);
    }
    if (has(part, found)) Deno.removeSync(part);
  } catch (error) {
    // Another process has done it, or its writer has finished.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether an open file is the one that has a name. */
function has(path: string, file: Deno.FsFile): boolean {
  try {
    const [named, open] = [Deno.lstatSync(path), file.statSync()];
    return named.dev === open.dev && named.ino === open.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
