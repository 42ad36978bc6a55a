/** Drives real ZODB, which makes and reads FileStorages; what it can do: `filestorage.py`. */
import { type Cluster, ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { venv } from "./peer.ts";

/** How long one command may take; the biggest makes 100,000 objects. */
const COMMAND_MS = 300_000;

/** A transaction as ZODB's iterator gives it: tid, status, user, description, extension, records. */
export type Transaction = readonly [
  ...readonly [tid: number, status: string, user: string, description: string, extension: unknown],
  records: readonly (readonly [oid: number, tid: number, sha1: string | null, dataTid: unknown])[],
];

/** What can be reached from the root: all objects, and those among them that have a number. */
export interface Visited {
  readonly objects: number;
  readonly numbers: number;
}

/** Runs one command of `filestorage.py`; returns what it prints. */
export async function zodb(...words: readonly string[]): Promise<string> {
  const argv = [`${venv()}/bin/python`, `${ROOT}tests/peer/filestorage.py`, ...words];
  const { code, stdout, stderr } = await run(argv, {
    name: `filestorage.py ${words.join(" ")}`,
    timeoutMs: COMMAND_MS,
  });
  if (code !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  return stdout;
}

function transactionsOf(lines: string): Transaction[] {
  return lines.trim().split("\n").map((line) => JSON.parse(line));
}

/** Everything in a FileStorage. */
export async function dump(path: string): Promise<Transaction[]> {
  return transactionsOf(await zodb("dump", path));
}

/** Everything in a cluster, as a real client sees it. */
export async function dumpCluster({ masters, name }: Cluster): Promise<Transaction[]> {
  return transactionsOf(await zodb("neo", "dump", masters, name));
}

/** Loads all that can be reached in a FileStorage. */
export async function visit(path: string): Promise<Visited> {
  return JSON.parse(await zodb("visit", path));
}

/** Loads all that can be reached in a cluster with a real client. */
export async function visitCluster({ masters, name }: Cluster): Promise<Visited> {
  return JSON.parse(await zodb("neo", "visit", masters, name));
}
