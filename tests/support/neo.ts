/** The `neo` command, run from this project's sources. */

import { ROOT } from "./cluster.ts";
import { type Output, run } from "./process.ts";

/** The words that `neo` stands for. */
export const NEO: readonly string[] = [
  ...[Deno.execPath(), "run", "-A", `--config=${ROOT}deno.json`, `${ROOT}tools/neo.ts`],
];

/** How long a command may take that ends by itself. */
const COMMAND_MS = 120_000;

/** Runs a command to its end. */
export function neo(...words: readonly string[]): Promise<Output> {
  return run([...NEO, ...words], { name: `neo ${words.join(" ")}`, timeoutMs: COMMAND_MS });
}
