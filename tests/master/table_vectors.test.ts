/** The master's table against tables that NEO 1.11 made for the same nodes. */

import assert from "node:assert/strict";
import { z } from "zod";
import { MasterTable } from "../../nodes/master/table/master_table.ts";
import { S, sorted, sortedTexts, table } from "./tables.ts";

const Devpaths = z.array(z.array(z.string()));
const Size = { partitions: z.number(), replicas: z.number() };
const Vectors = z.object({
  create: z.array(z.object({ ...Size, nodes: z.number(), table: z.array(z.string()) })),
  topology: z.array(z.object({ ...Size, devpaths: Devpaths, table: z.array(z.string()) })),
  tweak: z.array(z.object({
    ...Size,
    before: z.array(z.string()),
    after: z.array(z.string()),
    members: z.array(z.number()),
    excluded: z.array(z.number()),
    devpaths: Devpaths.nullable(),
    changes: z.number(),
  })),
});

const vectors = Vectors.parse(
  JSON.parse(
    Deno.readTextFileSync(new URL("../vectors/partition_tables.json", import.meta.url)),
  ),
);

Deno.test("a new table is the one that NEO makes", () => {
  assert.ok(vectors.create.length > 100);
  for (const { partitions, replicas, nodes, table } of vectors.create) {
    const made = new MasterTable(partitions, replicas);
    made.create(Array.from({ length: nodes }, (_, i) => ({ nid: S(i + 1), devpath: [] })));
    assert.deepEqual(
      sortedTexts(made),
      table.map(sorted),
      `${partitions} partitions, ${replicas} replicas, ${nodes} nodes`,
    );
    assert.equal(made.ptid, 1);
  }
});

Deno.test("a new table spreads copies over places as NEO does", () => {
  assert.ok(vectors.topology.length > 50);
  for (const { partitions, replicas, devpaths, table } of vectors.topology) {
    const made = new MasterTable(partitions, replicas);
    made.create(devpaths.map((devpath, i) => ({ nid: S(i + 1), devpath })));
    assert.deepEqual(
      sortedTexts(made),
      table.map(sorted),
      `${partitions} partitions, ${replicas} replicas, ${JSON.stringify(devpaths)}`,
    );
  }
});

Deno.test("a tweak moves the cells that NEO moves", () => {
  assert.ok(vectors.tweak.length > 100);
  for (const vector of vectors.tweak) {
    const { replicas, before, after, members, excluded, devpaths, changes } = vector;
    const tweaked = table(replicas, ...before);
    tweaked.addMembers(members.map(S));
    const done = tweaked.tweak(
      members.map((member) => ({ nid: S(member), devpath: devpaths?.[member - 1] ?? [] })),
      new Set(excluded.map(S)),
    );
    assert.deepEqual(sortedTexts(tweaked), after.map(sorted), JSON.stringify(vector));
    assert.equal(done.length, changes, JSON.stringify(vector));
  }
});
