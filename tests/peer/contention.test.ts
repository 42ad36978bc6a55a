/**
 * Twenty real NEO clients that each change 10 of the same 30 objects in an order of their own: by
 * the deadlock avoidance of NEO 1.11, all of them make progress.
 */
import assert from "node:assert/strict";
import { Cluster, ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

const CLIENTS = 20;
const OBJECTS = 30;
const TOUCHED = 10;
const COMMITS = 3;
const RUN_MS = 180_000;

interface Result {
  readonly waits: readonly (readonly number[])[];
  readonly conflicts: readonly number[];
  readonly total: number;
}

peerGroup("a crowd of real clients", {
  "all make progress, and nothing is lost": () =>
    inDirectory(async (directory) => {
      await using cluster = await Cluster.start({
        directory,
        master: ours,
        storages: [ours, ours],
        ctl: real,
        partitions: 4,
        replicas: 1,
        tls: null,
      });
      const numbers = [CLIENTS, OBJECTS, TOUCHED, COMMITS].map(String);
      const script = `${ROOT}tests/peer/contention.py`;
      const crowd = await run(
        [`${venv()}/bin/python`, "-B", script, cluster.masters, cluster.name, ...numbers],
        { name: "a crowd of real clients", timeoutMs: RUN_MS },
      );
      assert.equal(crowd.code, 0, crowd.stderr);
      const { waits, conflicts, total }: Result = JSON.parse(crowd.stdout);
      assert.deepEqual(waits.map((own) => own.length), Array(CLIENTS).fill(COMMITS));
      assert.equal(total, CLIENTS * COMMITS * TOUCHED);
      const sorted = waits.flat().sort((a, b) => a - b);
      const [median, slowest] = [sorted[sorted.length >> 1], sorted.at(-1)];
      console.log(
        `${CLIENTS} real clients, ${TOUCHED} of ${OBJECTS} objects, ${sorted.length} commits: ` +
          `the slowest waited ${slowest?.toFixed(2)} s, the median ${median?.toFixed(2)} s; ` +
          `conflicts of one client: at most ${Math.max(...conflicts)}`,
      );
    }),
});
