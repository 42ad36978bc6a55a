/**
 * The commands of docs/operations.md, block by block as they stand, and what the page says that
 * they print. Only addresses are replaced, so that other tests may run at the same time.
 */

import { freePorts } from "../support/ports.ts";

/** Commands, and what they print; nothing where the page does not say. */
export interface Block {
  readonly commands: string;
  readonly prints: string;
}

const FENCED = /^```(sh|text)\n(.*?)^```$/gms;
const ADDRESS = /127\.0\.0\.1:\d+/g;

/** The blocks of the page. */
export function blocksOf(page: string): Block[] {
  const blocks: { commands: string; prints: string }[] = [];
  for (const [, language, text = ""] of page.matchAll(FENCED)) {
    if (language === "sh") blocks.push({ commands: text, prints: "" });
    const last = blocks.at(-1);
    if (last === undefined) throw new Error("the page shows an output without commands");
    if (language === "text") last.prints = text;
  }
  return blocks;
}

/** The same blocks, with free ports instead of those of the page. */
export function atFreePorts(blocks: readonly Block[]): Block[] {
  const all = blocks.flatMap(({ commands }) => commands.match(ADDRESS) ?? []);
  const addresses = [...new Set(all)];
  const ports = freePorts(addresses.length);
  const moved = new Map(addresses.map((address, at) => [address, `127.0.0.1:${ports[at]}`]));
  return blocks.map(({ commands, prints }) => ({
    commands: commands.replaceAll(ADDRESS, (address) => moved.get(address) ?? address),
    prints,
  }));
}

/** Replaces what the page says will differ by words. Blank lines are not shown in the page. */
export function masked(text: string): string {
  return text
    .replaceAll(ADDRESS, "127.0.0.1:PORT")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/g, "TIME")
    .replaceAll(/ +$/gm, "")
    .replaceAll(/^\n/gm, "");
}

/** Stands between what two blocks print; followed by the status of the first one. */
const MARK = "--- end of block, status";

/** One script of all blocks, which ends with whatever still runs. */
export function scriptOf(blocks: readonly Block[]): string {
  const parts = blocks.map(({ commands }) => `${commands}echo "${MARK} $?"\n`);
  return `${parts.join("")}kill -9 $(jobs -p)\nwait\n`;
}

/** What each block of a script printed, and its exit status. */
export function resultsOf(stdout: string): { readonly printed: string; readonly status: number }[] {
  const parts = stdout.split(new RegExp(`^${MARK} (\\d+)\\n`, "m"));
  const results = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    results.push({ printed: parts[at] ?? "", status: Number(parts[at + 1]) });
  }
  return results;
}
