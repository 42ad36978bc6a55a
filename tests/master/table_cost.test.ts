/** What a tweak of a big table costs the primary master, which does nothing else meanwhile. */

import assert from "node:assert/strict";
import process from "node:process";
import type { Nid } from "../../nodes/codec/ids.ts";
import { MasterTable } from "../../nodes/master/table/master_table.ts";
import type { Candidate } from "../../nodes/master/table/tweak.ts";
import { Random } from "../sim/random.ts";
import { S } from "./tables.ts";

const PARTITIONS = 1000;
const STORAGES = 100;
const REPLICAS = 2;
/** How many of them are new, or leave. */
const CHANGED = 10;
const LIMIT_MS = 1000;

/** CPU time of this thread: what other tests do meanwhile does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Storages whose rooms and machines `place` chooses, each with a disk of its own. */
function storages(place: (at: number) => readonly string[]): Candidate[] {
  return Array.from(
    { length: STORAGES },
    (_, at) => ({ nid: S(at + 1), devpath: [...place(at), `disk ${at}`] }),
  );
}

/** Storages that are put into rooms as they come, so that the topology may be hard to keep. */
function scattered(seed: number): Candidate[] {
  const random = new Random(seed);
  const rooms = 2 + random.below(9);
  return storages((at) => [`room ${random.below(rooms)}`, `machine ${at >> 1}`]);
}

const NONE: ReadonlySet<Nid> = new Set();

/** Grows the table, and then shrinks it. Returns the CPU time of the more costly of both. */
function costMs(nodes: readonly Candidate[]): number {
  const table = new MasterTable(PARTITIONS, REPLICAS);
  table.create(nodes.slice(CHANGED));
  table.addMembers(nodes.map(({ nid }) => nid));
  const leaving = new Set(nodes.slice(-CHANGED).map(({ nid }) => nid));
  const costs = [NONE, leaving].map((excluded) => {
    const startMs = cpuMs();
    assert.notEqual(table.tweak(nodes, excluded).length, 0);
    return cpuMs() - startMs;
  });
  return Math.max(...costs);
}

const PLACES: Readonly<Record<string, readonly Candidate[]>> = {
  "of which nothing is known": storages(() => []),
  "in 5 rooms": storages((at) => [`room ${at % 5}`, `machine ${at >> 1}`]),
  "in rooms that can't be told apart": storages(() => ["room"]),
};

for (const [where, nodes] of Object.entries(PLACES)) {
  Deno.test(`${PARTITIONS} partitions on ${STORAGES} storages ${where} are tweaked in time`, () => {
    const ms = costMs(nodes);
    assert.ok(ms < LIMIT_MS, `expected less than ${LIMIT_MS} ms, found ${ms}`);
  });
}

Deno.test("a tweak takes no longer where the topology can't be kept", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const ms = costMs(scattered(seed));
    assert.ok(ms < LIMIT_MS, `expected less than ${LIMIT_MS} ms, found ${ms} with seed ${seed}`);
  }
});
