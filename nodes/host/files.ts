/** Text files: read whole, and replaced in one step that a crash cannot cut in two. */

import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { pid } from "node:process";
import { ConfigurationError } from "../errors.ts";

/** The text of a file; null when there is none. Throws a ConfigurationError. */
export function readTextFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw failure("read", path, cause);
  }
}

/** Writes a file beside the old one, flushes it, and puts it in its place. Throws like above. */
export function writeTextFile(path: string, text: string): void {
  const fresh = `${path}.${pid}.new`;
  try {
    withFile(fresh, "w", (file) => {
      writeAll(file, new TextEncoder().encode(text));
      fsyncSync(file);
    });
    renameSync(fresh, path);
    withFile(dirname(path), "r", fsyncSync);
  } catch (cause) {
    rmSync(fresh, { force: true });
    throw failure("write", path, cause);
  }
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}

/** Writes all bytes: the system may take a part only. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

function failure(verb: string, path: string, cause: unknown): ConfigurationError {
  const reason = cause instanceof Error ? cause.message : cause;
  return new ConfigurationError(`cannot ${verb} ${path}: ${reason}`, { cause });
}
