/** Packing in steps: what is left whatever the steps, and how long each slice of them takes. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { createNodeHost } from "../../nodes/host/node.ts";
import { openSqlite } from "../../nodes/storage/backend/sqlite/backend.ts";
import { S1, t } from "./values.ts";
import { workedMs } from "./worked.ts";

/** A row of `obj`; ids and tids as numbers. */
interface Revision {
  readonly tid: number;
  readonly dataId: number | null;
  valueTid: number | null;
}

/** Revisions by object, the oldest first. */
type Objects = Map<number, Revision[]>;

const DATA_BYTES = 1000;
/** How long a slice may keep clients waiting. */
const MOST_MS = 20;

/** Makes a database of some objects. `pause` is called between slices. */
async function packed(
  objects: Objects,
  { upTo, pause }: { readonly upTo: number; pause(): Promise<void> },
): Promise<{ readonly objects: Objects; readonly data: number[] }> {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/storage.sqlite`;
  const host = createNodeHost({ log: { log: () => {} } });
  const options = { cluster: "test", dedup: false, reset: false, failed: assert.ifError };
  try {
    const created = await openSqlite(host, path, options);
    created.settings.partitions = 1;
    created.settings.nid = S1;
    await created.close({ commit: true });
    fill(path, objects);
    const backend = await openSqlite(host, path, options);
    await backend.maintenance.pack({
      tid: t(upTo),
      offsets: [0],
      keepsDeletions: () => false,
      moved: () => false,
      pause: async () => {
        await pause();
        return true;
      },
    });
    await backend.close({ commit: true });
    return contents(path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function fill(path: string, objects: Objects): void {
  const database = new DatabaseSync(path);
  const addRevision = database.prepare("INSERT INTO obj VALUES (0, ?, ?, ?, ?)");
  const addData = database.prepare("INSERT INTO data VALUES (?, ?, 0, ?)");
  database.exec("BEGIN");
  for (const [oid, revisions] of objects) {
    for (const { tid, dataId, valueTid } of revisions) {
      addRevision.run(oid, tid, dataId, valueTid);
      if (dataId === null || valueTid !== null) continue;
      addData.run(dataId, new Uint8Array(20), new Uint8Array(DATA_BYTES));
    }
  }
  database.exec("COMMIT");
  database.close();
}

function contents(path: string): { readonly objects: Objects; readonly data: number[] } {
  const database = new DatabaseSync(path, { readOnly: true });
  const objects: Objects = new Map();
  const rows = database.prepare("SELECT oid, tid, data_id, value_tid FROM obj ORDER BY oid, tid");
  const numberOrNull = (value: unknown) => value === null ? null : Number(value);
  for (const row of rows.all()) {
    const revision = {
      tid: Number(row.tid),
      dataId: numberOrNull(row.data_id),
      valueTid: numberOrNull(row.value_tid),
    };
    const revisions = objects.get(Number(row.oid));
    if (revisions === undefined) objects.set(Number(row.oid), [revision]);
    else revisions.push(revision);
  }
  const data = database.prepare("SELECT id FROM data ORDER BY id").all();
  database.close();
  return { objects, data: data.map(({ id }) => Number(id)) };
}

/** The rule, object by object and all at once. */
function packedByRule(objects: Objects, upTo: number): Objects {
  const result: Objects = new Map();
  for (const [oid, revisions] of objects) {
    const kept = revisions.findLast(({ tid }) => tid <= upTo);
    const isDeleted = kept !== undefined && kept.dataId === null;
    const limit = kept === undefined ? 0 : isDeleted ? kept.tid + 1 : kept.tid;
    const left = revisions.filter(({ tid }) => tid >= limit).map((row) => ({ ...row }));
    const owners = new Map<number, number>();
    for (const row of left) {
      if (row.valueTid === null || row.valueTid >= limit) continue;
      const owner = owners.get(row.valueTid);
      if (owner === undefined) owners.set(row.valueTid, row.tid);
      row.valueTid = owner ?? null;
    }
    if (left.length > 0) result.set(oid, left);
  }
  return result;
}

function dataOf(objects: Objects): number[] {
  const ids = [...objects.values()].flat().flatMap(({ dataId }) => dataId ?? []);
  return [...new Set(ids)].sort((a, b) => a - b);
}

type Change = { readonly is: "store" | "delete" } | { readonly is: "undo"; readonly back: number };

const changes = (most: number) =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<Change>({ is: "store" }) },
      { weight: 1, arbitrary: fc.constant<Change>({ is: "delete" }) },
      { weight: 4, arbitrary: fc.record({ is: fc.constant<"undo">("undo"), back: fc.nat(300) }) },
    ),
    { minLength: 1, maxLength: most, size: "max" },
  );

/** Some objects of few revisions and some of more than a step looks at. */
const histories = fc.array(fc.oneof(changes(4), changes(600)), { minLength: 1, maxLength: 8 });

function objectsOf(histories: readonly (readonly Change[])[]): Objects {
  const objects: Objects = new Map();
  let nextId = 1;
  histories.forEach((changes, oid) => {
    const revisions: Revision[] = [];
    changes.forEach((change, at) => {
      const tid = 10 * (at + 1);
      const target = change.is === "undo" ? revisions.at(-1 - change.back) : undefined;
      if (target !== undefined && target.dataId !== null) {
        const { dataId, valueTid } = target;
        revisions.push({ tid, dataId, valueTid: valueTid ?? target.tid });
      } else if (change.is === "delete") revisions.push({ tid, dataId: null, valueTid: null });
      else revisions.push({ tid, dataId: nextId++, valueTid: null });
    });
    objects.set(oid, revisions);
  });
  return objects;
}

Deno.test("whatever the steps, a pack leaves what the rule says", async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.integer({ min: 0, max: 6500 }), async (histories, upTo) => {
      const objects = objectsOf(histories);
      const found = await packed(objects, { upTo, pause: () => Promise.resolve() });
      const expected = packedByRule(objects, upTo);
      assert.deepEqual(found.objects, expected);
      assert.deepEqual(found.data, dataOf(expected));
    }),
    { numRuns: 40 },
  );
});

const SHAPES = {
  "of many objects": { objects: 5000, revisions: 10 },
  "of an object of many revisions": { objects: 1, revisions: 50_000 },
};

/** Where other programs disturb the machine, one of some attempts has to do. */
const ATTEMPTS = 3;

for (const [name, shape] of Object.entries(SHAPES)) {
  Deno.test(`no slice of a pack ${name} takes more than ${MOST_MS} ms`, async () => {
    let most = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS && most > MOST_MS; attempt++) {
      const slices = (await slicesOf(shape)).sort((a, b) => a - b);
      most = slices.at(-1) ?? Infinity;
      console.log(
        `pack ${name}: ${slices.length} slices of ${slices[slices.length >> 1]?.toFixed(1)} ms, ` +
          `the longest ${most.toFixed(1)} ms`,
      );
    }
    assert.ok(most <= MOST_MS, `a slice took ${most.toFixed(1)} ms`);
  });
}

/** How long each slice of a pack took this thread, its commit included. */
async function slicesOf(
  { objects, revisions }: { readonly objects: number; readonly revisions: number },
): Promise<number[]> {
  const histories = Array.from({ length: objects }, (): Change[] => {
    return Array.from({ length: revisions }, () => ({ is: "store" }));
  });
  const slices: number[] = [];
  let start = 0;
  const pause = async () => {
    slices.push(workedMs() - start);
    await new Promise((resolve) => setTimeout(resolve, 0));
    start = workedMs();
  };
  const found = await packed(objectsOf(histories), { upTo: 10 * revisions, pause });
  assert.equal(found.data.length, objects);
  // The first one began at no time that is known.
  return slices.slice(1);
}
