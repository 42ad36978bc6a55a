/**
 * NEO's own run of ZODB's storage conformance tests (`neo-suite -z`) with this project's master,
 * storage and admin processes. The modules and their numbers of tests are named, so that nothing
 * can drop out unseen.
 */
import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

/** The tests that each module of NEO's suite has. */
const TESTS: Readonly<Record<string, number>> = {
  Basic: 16,
  Conflict: 5,
  History: 1,
  MT: 5,
  Persistent: 1,
  ReadOnly: 2,
  Revision: 7,
  Synchronization: 7,
};

const SUITE_MS = 5 * 60_000;

/** One row of the report: how many tests of a module ran, and how many failed unexpectedly. */
interface Row {
  readonly run: number;
  readonly unexpected: number;
}

/** Reads the report's table; NEO prints a dot for a zero. */
function parseReport(stdout: string): Map<string, Row> {
  const rows = new Map<string, Row>();
  const count = (cell = "") => cell.trim() === "." ? 0 : Number(cell);
  for (const line of stdout.split("\n")) {
    const cells = line.split("|");
    const name = cells[0]?.trim() ?? "";
    if (cells.length !== 6 || !/^\d+$/.test(cells[1]?.trim() ?? "")) continue;
    rows.set(name, { run: count(cells[1]), unexpected: count(cells[2]) });
  }
  return rows;
}

function suite(options: { readonly tls: boolean }) {
  return () =>
    inDirectory(async (directory) => {
      const modules = Object.keys(TESTS);
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
            NEO_SUITE_ONLY: `zodb\\.test(${modules.join("|")})\\.`,
          },
        },
      );
      const output = `${done.stdout}\n${done.stderr}`;
      const rows = parseReport(done.stdout);
      for (const [module, tests] of Object.entries(TESTS)) {
        assert.deepEqual(rows.get(module), { run: tests, unexpected: 0 }, `${module}\n${output}`);
      }
      const total = Object.values(TESTS).reduce((sum, tests) => sum + tests, 0);
      assert.deepEqual(rows.get("Summary"), { run: total, unexpected: 0 }, output);
      assert.equal(done.code, 0, output);
    });
}

peerGroup("ZODB's conformance tests by NEO", {
  "in the clear": suite({ tls: false }),
  "under TLS": suite({ tls: true }),
});
