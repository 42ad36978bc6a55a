/** What must hold once nothing goes wrong any more. */

import { CheckReplicas, type Row } from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { checkIsolation } from "../../tests/sim/isolation/checker.ts";
import { audit } from "../../tests/sim/runs/audit.ts";
import type { StressCluster } from "./cluster.ts";
import type { Load } from "./load.ts";
import { compareReplicas } from "./replicas.ts";

/** How many violations a message shows. */
const SHOWN_VIOLATIONS = 10;
/** How long storages may take to compare their replicas. */
const CHECK_MS = 60_000;
const LOOK_MS = 200;

/** What was checked, in numbers. */
export interface Checked {
  readonly acknowledged: number;
  readonly events: number;
  readonly records: number;
}

export interface CheckOptions {
  readonly cluster: StressCluster;
  readonly load: Load;
  readonly settleMs: number;
  readonly storages: number;
  /** Told of each check before it begins. */
  checking(what: string): void;
}

/** Checks everything, and stops the cluster. Throws when something happened that must not. */
export async function checkEverything(options: CheckOptions): Promise<Checked> {
  const { cluster, load, settleMs, storages, checking } = options;
  checking("the cluster gets whole");
  await cluster.untilWhole(settleMs);
  checking("each acknowledged transaction is there, byte for byte");
  for (const client of load.clients) await client.sync();
  const auditor = await load.open("auditor", {
    prepare: () => Promise.resolve(),
    step: () => Promise.resolve(),
    verify: () => Promise.resolve(),
  });
  await audit(auditor);
  checking("workloads find what they have left");
  for (const workload of load.workloads) {
    const outcome = await auditor.run("transact", (tx) => workload.verify(tx));
    if (outcome.kind !== "committed") throw outcome.error ?? new Error("nothing could be read");
  }
  checking("transactions were isolated");
  assertIsolated(load);
  checking("storages find their replicas equal");
  const rows = await checkReplicas(cluster, storages, settleMs);
  await load.close();
  checking("databases are equal");
  await cluster.stop();
  const paths = Array.from({ length: storages }, (_, at) => cluster.database(at + 1));
  const records = compareReplicas(rows, paths);
  const { acknowledged, events } = load.recorder;
  return { acknowledged: acknowledged.length, events: events.length, records };
}

function assertIsolated({ recorder }: Load): void {
  const violations = checkIsolation(recorder.events);
  if (violations.length === 0) return;
  const lines = violations.slice(0, SHOWN_VIOLATIONS)
    .map(({ rule, message }) => `${rule}: ${message}`);
  throw new Error(`${violations.length} violations of isolation:\n${lines.join("\n")}`);
}

/** Orders `check` of all partitions; its end is told by the storages' logs alone. */
async function checkReplicas(
  cluster: StressCluster,
  storages: number,
  settleMs: number,
): Promise<readonly Row[]> {
  const { rows } = await cluster.untilWhole(settleMs);
  const checkable = rows.filter(({ cells }) => cells.length > 1);
  const logs = Array.from({ length: storages }, (_, at) => cluster.logFile(`storage${at + 1}`));
  const sizes = await Promise.all(logs.map(async (path) => (await Deno.stat(path)).size));
  await cluster.control.ask(CheckReplicas, {
    sources: new Map(checkable.map(({ offset }) => [offset, null])),
    minTid: ZERO_TID,
    maxTid: null,
  });
  const left = new Set(checkable.map(({ offset }) => offset));
  for (const endMs = performance.now() + CHECK_MS; left.size > 0;) {
    for (const [at, path] of logs.entries()) {
      const text = (await Deno.readTextFile(path)).slice(sizes[at]);
      for (const [, offset] of text.matchAll(/partition (\d+) was checked/g)) {
        left.delete(Number(offset));
      }
      const problem = /the (check|replicas) of partition .*/.exec(text)?.[0];
      if (problem !== undefined) throw new Error(`${path}: ${problem}`);
    }
    if (performance.now() > endMs) throw new Error(`partitions ${[...left]} are not checked`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return (await cluster.untilWhole(settleMs)).rows;
}
