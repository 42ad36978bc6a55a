/** Revisions that are added and read several at a time, as replicas exchange them. */

import assert from "node:assert/strict";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Backend, ReplicaObject } from "../../nodes/storage/backend/backend.ts";
import { openBackend } from "../../nodes/storage/backend/open.ts";
import { inDirectory } from "../support/directory.ts";
import { createDatabase, type Rows } from "./databases.ts";
import { dataOf } from "./mysql_support.ts";
import { o, t } from "./values.ts";

const PARTITIONS = 2;
const FROM_PARTITION = 0;

interface Scene {
  readonly backend: Backend;
  /** What is on disk; commits before. */
  rows(sql: string): Promise<Rows>;
}

async function withDatabase(test: (scene: Scene) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    const database = await createDatabase(directory);
    const failures: unknown[] = [];
    const backend = await openBackend(
      createNodeHost({ log: { log: () => {} } }),
      database.address,
      {
        ...{ cluster: "test", dedup: false, reset: false },
        failed: (error) => failures.push(error),
      },
    );
    try {
      backend.settings.partitions = PARTITIONS;
      const rows = async (sql: string) => {
        await backend.commit();
        return await database.rows(sql);
      };
      await test({ backend, rows });
      assert.deepEqual(failures, []);
    } finally {
      await backend.close({ commit: true });
    }
  });
}

/** A revision of an even oid, with data of its own unless it is an undo. */
function revision(oid: number, tid: number, valueTid: number | null = null): ReplicaObject {
  const value = dataOf(new TextEncoder().encode(`${oid} at ${tid}`));
  return { oid: o(oid), tid: t(tid), value, valueTid: valueTid === null ? null : t(valueTid) };
}

/** Revisions `first`, `first + step`, … as a source sends them: in order. */
function inOrder(count: number, { first = 0, step = 2, tid = 10 } = {}): ReplicaObject[] {
  return Array.from({ length: count }, (_, at) => revision(first + at * step, tid));
}

const OBJ = "SELECT oid, tid, value_tid FROM obj ORDER BY tid, oid";
const ORPHANS = "SELECT id FROM data WHERE id NOT IN (SELECT data_id FROM obj)";

/** The tids of all revisions of a partition by their oids, as the backend lists them. */
async function keys(backend: Backend): Promise<[oid: number, tid: number][]> {
  const range = {
    offset: FROM_PARTITION,
    minTid: t(0),
    minOid: o(0),
    maxTid: t(1000),
    count: 9999,
  };
  const found = await backend.replica.revisions(range);
  return found.map(({ oid, tid }) => [Number(oid), Number(tid)]);
}

Deno.test("what is there already stays, in whichever order and how often it comes again", async () => {
  await withDatabase(async ({ backend, rows }) => {
    const all = inOrder(150);
    const [first, second, third] = all;
    assert(first && second && third);
    // Some are there before, beside others that the source has not.
    await backend.replica.addObjects([all[3] ?? first, all[70] ?? first, revision(7 * 2, 9)]);
    const before = await rows("SELECT id FROM data ORDER BY id");
    await backend.replica.addObjects(all);
    await backend.replica.addObjects([third, first, second, first, ...all, third]);
    assert.deepEqual(await keys(backend), [
      [14, 9],
      ...all.map(({ oid }): [number, number] => [Number(oid), 10]),
    ]);
    const after = await rows("SELECT id FROM data ORDER BY id");
    assert.equal(after.length, 151);
    assert.deepEqual(after.slice(0, before.length), before);
    assert.deepEqual(await rows(ORPHANS), []);
    for (const object of all) {
      assert.deepEqual(await backend.replica.object(object), object);
    }
  });
});

Deno.test("what lies among many others that a source has not is found there", async () => {
  await withDatabase(async ({ backend, rows }) => {
    await backend.replica.addObjects(inOrder(300));
    const sparse = inOrder(3, { step: 200 });
    const more = inOrder(3, { first: 601 });
    await backend.replica.addObjects(sparse);
    assert.equal((await keys(backend)).length, 300);
    // Those of another partition are other revisions.
    await backend.replica.addObjects([...sparse, ...more]);
    assert.equal((await rows(OBJ)).length, 303);
    assert.deepEqual(await rows(ORPHANS), []);
  });
});

Deno.test("an undo takes the data of what comes before it in the same call", async () => {
  await withDatabase(async ({ backend, rows }) => {
    await backend.replica.addObjects([
      revision(2, 10),
      revision(4, 10),
      revision(2, 20),
      { ...revision(2, 30, 10), value: dataOf(new TextEncoder().encode("2 at 10")) },
      { ...revision(4, 40), value: null },
      // What it goes back to is not there, so that it has its data for itself.
      revision(4, 50, 5),
    ]);
    const shared = await rows(
      "SELECT tid FROM obj WHERE data_id = " +
        "(SELECT data_id FROM obj WHERE oid = 2 AND tid = 10) ORDER BY tid",
    );
    assert.deepEqual(shared, [{ tid: 10n }, { tid: 30n }]);
    assert.equal((await rows("SELECT id FROM data")).length, 4);
    const record = await backend.replica.object({ oid: o(4), tid: t(50) });
    assert.deepEqual(record, revision(4, 50, 5));
    assert.equal((await backend.replica.object({ oid: o(4), tid: t(40) }))?.value, null);
  });
});

Deno.test("several are read as one by one, but for those that are big, missing or far away", async () => {
  await withDatabase(async ({ backend }) => {
    const all = inOrder(40);
    const big = { ...revision(10, 20), value: dataOf(new Uint8Array(100_000).fill(7)) };
    const undone = { ...revision(4, 30), value: null };
    await backend.replica.addObjects([...all, big, undone]);
    const [first, second] = all;
    assert(first && second);
    const missing = revision(1000, 10);
    const wanted = [first, second, missing, big, undone];
    const read = await backend.replica.objects(wanted);
    // All that lies between the second and the big one is in the way.
    assert.deepEqual(read, [first, second, undefined, undefined, undefined]);
    assert.deepEqual(await backend.replica.objects(all.slice(5, 30)), all.slice(5, 30));
    assert.deepEqual(await backend.replica.objects([big, undone]), [undefined, undone]);
    assert.deepEqual(await backend.replica.objects([]), []);
  });
});
