/**
 * NEO's own test suites with this project's master, storage and admin processes: ZODB's storage
 * conformance tests (`neo-suite -z`) and NEO's functional tests (`neo-suite -f`). The modules and
 * their numbers of tests are named, so that none can drop out unseen.
 */
import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { inDirectory, ours, real, venv } from "./peer.ts";

/** What NEO's own nodes get: how many tests of a module run, and how many fail as expected. */
interface Row {
  readonly run: number;
  readonly unexpected: number;
  readonly expected: number;
}

const CONFORMANCE: Readonly<Record<string, Row>> = {
  Basic: { run: 16, unexpected: 0, expected: 0 },
  Conflict: { run: 5, unexpected: 0, expected: 0 },
  History: { run: 1, unexpected: 0, expected: 0 },
  Iterator: { run: 9, unexpected: 0, expected: 0 },
  MT: { run: 5, unexpected: 0, expected: 0 },
  Pack: { run: 14, unexpected: 0, expected: 2 },
  Persistent: { run: 1, unexpected: 0, expected: 0 },
  ReadOnly: { run: 2, unexpected: 0, expected: 0 },
  Revision: { run: 7, unexpected: 0, expected: 0 },
  Synchronization: { run: 7, unexpected: 0, expected: 0 },
  Undo: { run: 20, unexpected: 0, expected: 1 },
  ZODB: { run: 11, unexpected: 0, expected: 0 },
  Summary: { run: 98, unexpected: 0, expected: 3 },
};

/**
 * Tests that fail on NEO's own nodes as well where there are several storages: NEO's client takes
 * a page of the undo log from each storage before it merges them.
 */
const FAIL_ON_SEVERAL_STORAGES = ["checkIndicesInUndoInfo", "checkIndicesInUndoLog"];

/** What is expected of a cluster of so many storages. */
function expectedResults(storages: number): Record<string, Row> {
  const unexpected = storages > 1 ? FAIL_ON_SEVERAL_STORAGES.length : 0;
  const { Undo, Summary, ...rest } = CONFORMANCE;
  assert.ok(Undo !== undefined && Summary !== undefined);
  return { ...rest, Undo: { ...Undo, unexpected }, Summary: { ...Summary, unexpected } };
}

/** How many functional tests each module has. */
const FUNCTIONAL = { Client: 7, Cluster: 7, Master: 4, Storage: 11, Summary: 29 };

/** How many functional tests may be run a second time. */
const MAX_AGAIN = 2;

/** How long a suite may take; either takes less than two minutes on NEO's nodes. */
const SUITE_MS = 8 * 60_000;

/** Reads the report's table; NEO prints a dot for a zero. */
function parseReport(stdout: string): Map<string, Row> {
  const rows = new Map<string, Row>();
  const count = (cell = "") => cell.trim() === "." ? 0 : Number(cell);
  for (const line of stdout.split("\n")) {
    const cells = line.split("|");
    const name = cells[0]?.trim() ?? "";
    if (cells.length !== 6 || !/^\d+$/.test(cells[1]?.trim() ?? "")) continue;
    rows.set(name, {
      run: count(cells[1]),
      unexpected: count(cells[2]),
      expected: count(cells[3]),
    });
  }
  return rows;
}

/** The cluster on which the suite runs; NEO's own default is one node of each kind. */
export interface SuiteCluster {
  readonly tls: boolean;
  readonly masters?: number;
  readonly storages?: number;
  readonly partitions?: number;
  readonly replicas?: number;
  /** Where storages keep their objects; SQLite files where absent. */
  readonly mariadb?: SuiteServer;
}

/** A server for a suite, which starts it, and the engine of its tables. */
export interface SuiteServer {
  start(): Promise<{ readonly socket: string } & AsyncDisposable>;
  /** NEO's default where absent. */
  readonly engine?: string;
}

/** What a suite left. */
interface Outcome {
  readonly code: number;
  /** All that was printed. */
  readonly output: string;
  readonly rows: ReadonlyMap<string, Row>;
  /** The tests that failed; some fail twice, in their body and when they are torn down. */
  readonly failed: readonly string[];
}

async function runSuite(
  flag: "-f" | "-z",
  env: Record<string, string>,
  mariadb: SuiteServer | undefined,
): Promise<Outcome> {
  const words = (role: "master" | "storage" | "admin" | "migrate") =>
    ours.command(role).map((word) => `'${word}'`).join(" ");
  await using server = await mariadb?.start();
  const nodes = {
    NEOMASTER: words("master"),
    NEOSTORAGE: words("storage"),
    NEOADMIN: words("admin"),
    NEOMIGRATE: words("migrate"),
    ...server === undefined ? {} : {
      NEO_TESTS_ADAPTER: "MySQL",
      NEO_DB_SOCKET: server.socket,
      ...mariadb?.engine === undefined ? {} : { NEO_SUITE_ENGINE: mariadb.engine },
    },
  };
  const { code, stdout, stderr } = await run(
    ["bash", `${ROOT}tests/peer/neo-suite`, venv(), ...(ours === real ? ["--real"] : []), flag],
    { name: `neo-suite ${flag}`, family: true, timeoutMs: SUITE_MS, env: { ...nodes, ...env } },
  );
  const output = `${stdout}\n${stderr}`;
  const failed = [...output.matchAll(/^(?:FAIL|ERROR): (\w+) /gm)].map(([, name]) => name ?? "");
  return { code, output, rows: parseReport(stdout), failed };
}

function environment(directory: string, { tls }: { readonly tls: boolean }) {
  return { TEMP: directory, NEO_SUITE_SSL: tls ? "1" : "0" };
}

/** A test that runs the whole conformance suite. */
export function conformance(options: SuiteCluster) {
  return () =>
    inDirectory(async (directory) => {
      const storages = options.storages ?? 1;
      const { code, output, rows, failed } = await runSuite("-z", {
        ...environment(directory, options),
        NEO_TEST_ZODB_MASTERS: String(options.masters ?? 1),
        NEO_TEST_ZODB_STORAGES: String(storages),
        NEO_TEST_ZODB_PARTITIONS: String(options.partitions ?? 1),
        NEO_TEST_ZODB_REPLICAS: String(options.replicas ?? 0),
      }, options.mariadb);
      assert.deepEqual(failed, storages > 1 ? FAIL_ON_SEVERAL_STORAGES : [], output);
      assert.deepEqual(Object.fromEntries(rows), expectedResults(storages), output);
      // The suite ends with 1 where a test fails, whether we expect it or not.
      assert.equal(code, failed.length > 0 ? 1 : 0, output);
    });
}

/**
 * A test that runs all of NEO's functional tests. They allow nodes a few seconds for each step, and
 * masters to be started in any order but not slowly: what fails on a busy machine is run again, by
 * itself, and has to pass then.
 */
export function functional(options: Pick<SuiteCluster, "tls" | "mariadb">) {
  return () =>
    inDirectory(async (directory) => {
      const env = environment(directory, options);
      const { code, output, rows, failed } = await runSuite("-f", env, options.mariadb);
      const counts = Object.fromEntries([...rows].map(([name, row]) => [name, row.run]));
      assert.deepEqual(counts, FUNCTIONAL, output);
      const again = [...new Set(failed)];
      assert.equal(code, again.length > 0 ? 1 : 0, output);
      assert.ok(again.length <= MAX_AGAIN, output);
      for (const name of again) {
        console.log(`${name} has failed, and is run again`);
        const only = { ...env, NEO_SUITE_ONLY: `\\.${name}$` };
        const second = await runSuite("-f", only, options.mariadb);
        assert.equal(second.rows.get("Summary")?.run, 1, second.output);
        assert.equal(second.code, 0, `${output}\n--- and again:\n${second.output}`);
      }
    });
}
