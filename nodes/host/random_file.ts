/**
 * Big binary files, read and written at given places: the files of other stores that a node serves
 * or a tool writes. Reads and writes are synchronous: what they touch is mostly in the system's
 * cache, and their callers work in slices.
 */

import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { FileError } from "../errors.ts";
import type { FileAccess, FileSystem, RandomFile } from "./host.ts";

const FLAGS = { read: "r", create: "wx+", change: "r+" } as const;

/** The files of this machine. */
export const fileSystem: FileSystem = {
  open: (path, access) => openFile(path, access),
  rename(from, to) {
    attempt(`rename ${from} to ${to}`, () => {
      renameSync(from, to);
      const directory = openSync(dirname(to), "r");
      try {
        fsyncSync(directory);
      } finally {
        closeSync(directory);
      }
    });
  },
  remove: (path) => attempt(`remove ${path}`, () => rmSync(path, { force: true })),
  lock: (path) =>
    attempt(`lock ${path}`, () => {
      const file = Deno.openSync(path, { create: true, read: true, write: true });
      if (file.tryLockSync(true)) return { release: () => file.close() };
      file.close();
      return null;
    }),
};

function openFile(path: string, access: FileAccess): RandomFile | null {
  try {
    return new OpenFile(path, openSync(path, FLAGS[access]));
  } catch (cause) {
    if (access !== "create" && codeOf(cause) === "ENOENT") return null;
    const verb = access === "create" ? "create" : "open";
    const advice = codeOf(cause) === "EEXIST" ? ": remove it, or choose another name" : "";
    throw failure(`${verb} ${path}`, cause, advice);
  }
}

class OpenFile implements RandomFile {
  readonly path: string;
  readonly #descriptor: number;
  #isOpen = true;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  get size(): number {
    return attempt(`look at ${this.path}`, () => fstatSync(this.#open).size);
  }

  read(into: Uint8Array, position: number): number {
    return attempt(`read ${this.path}`, () => {
      let at = 0;
      while (at < into.length) {
        const count = readSync(this.#open, into, at, into.length - at, position + at);
        if (count === 0) break;
        at += count;
      }
      return at;
    });
  }

  write(bytes: Uint8Array, position: number): void {
    attempt(`write ${this.path}`, () => {
      for (let at = 0; at < bytes.length;) {
        at += writeSync(this.#open, bytes, at, bytes.length - at, position + at);
      }
    });
  }

  truncate(size: number): void {
    attempt(`cut ${this.path}`, () => ftruncateSync(this.#open, size));
  }

  flush(): void {
    attempt(`flush ${this.path}`, () => fsyncSync(this.#open));
  }

  /** The system gives the number of a closed file to the next one that is opened. */
  get #open(): number {
    if (this.#isOpen) return this.#descriptor;
    throw new Error("it was closed");
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#descriptor);
  }
}

function attempt<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw failure(what, cause);
  }
}

function failure(what: string, cause: unknown, advice = ""): FileError {
  const reason = cause instanceof Error ? cause.message : cause;
  return new FileError(`cannot ${what}: ${reason}${advice}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
