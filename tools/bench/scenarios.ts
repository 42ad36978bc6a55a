/**
 * What is measured, and what each measurement shall reach. Objects have 1,000 random bytes, which
 * do not compress; a commit modifies objects that its client alone modifies, or creates them,
 * except under contention.
 */

/** What one client does over and over. */
export type Work =
  | { readonly work: "commit"; readonly objects: number }
  | { readonly work: "load" }
  /** Changes `touched` objects, chosen at random among `objects` that all clients change. */
  | { readonly work: "contend"; readonly objects: number; readonly touched: number }
  /** Undoes its last transaction, which undid the one before, and so on. */
  | { readonly work: "undo" }
  /** Goes through transactions and what they stored. */
  | { readonly work: "iterate" }
  /** Follows transactions that are in the history. */
  | { readonly work: "follow" }
  /** One client commits, another one follows. */
  | { readonly work: "follow-live" };

/** The least ratio to NEO 1.11 with its own client; null where none was promised. */
export interface Targets {
  readonly python: number | null;
  readonly typescript: number | null;
}

export const NOTHING_PROMISED: Targets = { python: null, typescript: null };

/** One row group of the report. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  readonly work: Work;
  readonly targets: Targets;
  /** The database that it works on: one that all such scenarios share, or one with a history. */
  readonly database: "shared" | "history";
  /** NEO 1.11 has nothing like it. */
  readonly onlyOurs?: true;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "commit-1",
    title: "commits of 1 object by 1 client",
    clients: 1,
    work: { work: "commit", objects: 1 },
    targets: { python: 1.5, typescript: 4 },
    database: "shared",
  },
  {
    name: "commit-8",
    title: "commits of 1 object by 8 clients",
    clients: 8,
    work: { work: "commit", objects: 1 },
    targets: { python: 2, typescript: 8 },
    database: "shared",
  },
  {
    name: "commit-500",
    title: "commits of 500 objects by 1 client",
    clients: 1,
    work: { work: "commit", objects: 500 },
    targets: { python: 2, typescript: null },
    database: "shared",
  },
  {
    name: "load-1",
    title: "loads that miss the cache by 1 client",
    clients: 1,
    work: { work: "load" },
    targets: { python: 1, typescript: null },
    database: "shared",
  },
  {
    name: "load-8",
    title: "loads that miss the cache by 8 clients",
    clients: 8,
    work: { work: "load" },
    targets: { python: 1, typescript: null },
    database: "shared",
  },
  {
    name: "contention",
    title: "commits of 5 objects, any of the same 30, by 8 clients",
    clients: 8,
    work: { work: "contend", objects: 30, touched: 5 },
    targets: { python: 2, typescript: 2 },
    database: "shared",
  },
  {
    name: "undo",
    title: "undoing transactions of 1 object by 1 client",
    clients: 1,
    work: { work: "undo" },
    targets: { python: 1, typescript: 1 },
    database: "shared",
  },
  {
    name: "iteration",
    title: "iteration of transactions of 1 object, with their data",
    clients: 1,
    work: { work: "iterate" },
    targets: { python: 2, typescript: 2 },
    database: "history",
  },
  {
    name: "follow",
    title: "following transactions that are in the history",
    clients: 1,
    work: { work: "follow" },
    targets: NOTHING_PROMISED,
    database: "history",
    onlyOurs: true,
  },
  {
    name: "follow-live",
    title: "following commits: from the commit's end until it is told",
    clients: 2,
    work: { work: "follow-live" },
    targets: NOTHING_PROMISED,
    database: "shared",
    onlyOurs: true,
  },
];

/** Loads while a database of many revisions is packed: see pack.ts. */
export const PACK = "pack";
/** A FileStorage that is imported and exported: see import.ts. */
export const IMPORT = "import";
/** The measurement of idle nodes, which is no scenario but can be chosen by name like one. */
export const AT_REST = "at-rest";

/** All that can be chosen, in the order in which it is measured. */
export const NAMES: readonly string[] = [
  ...SCENARIOS.map(({ name }) => name),
  PACK,
  IMPORT,
  AT_REST,
];

/** What is promised where both keep objects on the same database server, by either client. */
const ON_SERVER: ReadonlyMap<string, number> = new Map([
  ["commit-1", 1.5],
  ["commit-8", 1.5],
  ["commit-500", 2],
  ["load-1", 1],
  ["load-8", 1],
]);

/** A scenario's targets on a database server. */
export function targetsOnServer({ name }: Scenario): Targets {
  const target = ON_SERVER.get(name) ?? null;
  return { python: target, typescript: target };
}

/** What begins with an empty database. */
export const NAMES_OF_EMPTY: readonly string[] = [
  ...SCENARIOS.filter(({ database }) => database === "shared").map(({ name }) => name),
  AT_REST,
];

/** The resident memory that a storage node at rest stays below, in bytes. */
export const REST_MEMORY_BYTES = 150 * 1024 * 1024;
/** The CPU time that a node at rest may use per second of wall time, in milliseconds. */
export const REST_CPU_MS_PER_SECOND = 2;
