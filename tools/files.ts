/** Files as the commands see them: small texts, and paths that may begin with `~`. */

import { ConfigurationError } from "../nodes/errors.ts";

/** A text file's content; null when there is none. Throws a ConfigurationError otherwise. */
export function readFile(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw new ConfigurationError(`${path} can't be read: ${messageOf(cause)}`, { cause });
  }
}

/** A path with `~` and `~user` replaced by home directories, as shells do. */
export function expandHome(path: string): string {
  const found = /^~([^/]*)(.*)$/s.exec(path);
  if (found === null) return path;
  const [, user, rest] = found;
  const home = user === "" ? Deno.env.get("HOME") : homeOf(user ?? "");
  return home === undefined ? path : home + rest;
}

function homeOf(user: string): string | undefined {
  const line = (readFile("/etc/passwd") ?? "").split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  return line?.split(":")[5];
}

/** What an error of the system says, in one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
