/**
 * NEO's own run of ZODB's storage conformance tests (`neo-suite -z`) with this project's master,
 * storage and admin processes. The modules and their numbers of tests are named, so that none can
 * drop out unseen.
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

const RESULTS: Readonly<Record<string, Row>> = {
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
  const { Undo, Summary, ...rest } = RESULTS;
  assert.ok(Undo !== undefined && Summary !== undefined);
  return { ...rest, Undo: { ...Undo, unexpected }, Summary: { ...Summary, unexpected } };
}

/** How long the suite may take; it takes two minutes on NEO's nodes. */
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
}

/** A test that runs the whole suite. */
export function conformance(options: SuiteCluster) {
  return () =>
    inDirectory(async (directory) => {
      const words = (role: "master" | "storage" | "admin") =>
        ours.command(role).map((word) => `'${word}'`).join(" ");
      const done = await run(
        ["bash", `${ROOT}tests/peer/neo-suite`, venv(), ...(ours === real ? ["--real"] : []), "-z"],
        {
          name: "neo-suite -z",
          family: true,
          timeoutMs: SUITE_MS,
          env: {
            TEMP: directory,
            NEOMASTER: words("master"),
            NEOSTORAGE: words("storage"),
            NEOADMIN: words("admin"),
            NEO_SUITE_SSL: options.tls ? "1" : "0",
            NEO_TEST_ZODB_MASTERS: String(options.masters ?? 1),
            NEO_TEST_ZODB_STORAGES: String(options.storages ?? 1),
            NEO_TEST_ZODB_PARTITIONS: String(options.partitions ?? 1),
            NEO_TEST_ZODB_REPLICAS: String(options.replicas ?? 0),
          },
        },
      );
      const output = `${done.stdout}\n${done.stderr}`;
      const storages = options.storages ?? 1;
      const failed = [...output.matchAll(/^(?:FAIL|ERROR): (\w+) /gm)].map(([, name]) => name);
      assert.deepEqual(failed, storages > 1 ? FAIL_ON_SEVERAL_STORAGES : [], output);
      const results = Object.fromEntries(parseReport(done.stdout));
      assert.deepEqual(results, expectedResults(storages), output);
      assert.equal(done.code, failed.length > 0 ? 1 : 0, output);
    });
}
