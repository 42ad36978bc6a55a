/**
 * What is measured, and what each measurement shall reach. Objects have 1,000 random bytes, which
 * do not compress; a commit modifies objects that its client alone modifies, or creates them.
 */

/** What one client does over and over. */
export type Work =
  | { readonly work: "commit"; readonly objects: number }
  | { readonly work: "load" };

/** The least ratio to NEO 1.11 with its own client; null where none was promised. */
export interface Targets {
  readonly python: number;
  readonly typescript: number | null;
}

/** One row group of the report. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  readonly work: Work;
  readonly targets: Targets;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "commit-1",
    title: "commits of 1 object by 1 client",
    clients: 1,
    work: { work: "commit", objects: 1 },
    targets: { python: 1.5, typescript: 4 },
  },
  {
    name: "commit-8",
    title: "commits of 1 object by 8 clients",
    clients: 8,
    work: { work: "commit", objects: 1 },
    targets: { python: 2, typescript: 8 },
  },
  {
    name: "commit-500",
    title: "commits of 500 objects by 1 client",
    clients: 1,
    work: { work: "commit", objects: 500 },
    targets: { python: 2, typescript: null },
  },
  {
    name: "load-1",
    title: "loads that miss the cache by 1 client",
    clients: 1,
    work: { work: "load" },
    targets: { python: 1, typescript: null },
  },
  {
    name: "load-8",
    title: "loads that miss the cache by 8 clients",
    clients: 8,
    work: { work: "load" },
    targets: { python: 1, typescript: null },
  },
];

/** The measurement of idle nodes, which is no scenario but can be chosen by name like one. */
export const AT_REST = "at-rest";

/** The resident memory that a storage node at rest stays below, in bytes. */
export const REST_MEMORY_BYTES = 150 * 1024 * 1024;
/** The CPU time that a node at rest may use per second of wall time, in milliseconds. */
export const REST_CPU_MS_PER_SECOND = 2;
