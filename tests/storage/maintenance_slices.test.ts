/** Dropping and truncating in slices: what is left when they are done, and when they were cut short. */

import assert from "node:assert/strict";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Backend } from "../../nodes/storage/backend/backend.ts";
import { openBackend } from "../../nodes/storage/backend/open.ts";
import { createDatabase, isSqlite, type Rows, type TestDatabase } from "./databases.ts";
import { S1, t } from "./values.ts";
import { workedMs } from "./worked.ts";

const PARTITIONS = 2;
const OBJECTS = 300;
/** Each object has a revision at each of these. */
const TIDS = [100, 200, 300];

const GOES_ON = () => Promise.resolve(true);

/** Opens a database; where slices last no time, each step is one. */
async function open(database: TestDatabase): Promise<Backend> {
  let nowMs = 0;
  const host = { ...createNodeHost({ log: { log: () => {} } }), monotonic: () => nowMs += 10 };
  const options = { cluster: "test", dedup: false, reset: false, failed: assert.ifError };
  return await openBackend(host, database.address, options);
}

/** Makes a database with the same in each of two partitions. */
async function filled(directory: string): Promise<TestDatabase> {
  const database = await createDatabase(directory);
  const backend = await open(database);
  backend.settings.partitions = PARTITIONS;
  backend.settings.nid = S1;
  backend.table.replace(
    1,
    [0, 1].map((offset) => ({ offset, cells: [{ nid: S1, state: "OUT_OF_DATE" }] })),
  );
  for (const offset of [0, 1]) backend.table.setProgress(offset, t(300));
  await backend.close({ commit: true });
  const obj: string[] = [];
  const trans: string[] = [];
  const data: string[] = [];
  for (let oid = 0; oid < OBJECTS; oid++) {
    for (const tid of TIDS) {
      const id = oid * 1000 + tid;
      obj.push(`(${oid % PARTITIONS}, ${oid}, ${tid}, ${id}, NULL)`);
      data.push(`(${id}, '${"x".repeat(20)}', 0, 'text')`);
      // As many transactions as revisions.
      trans.push(`(${oid % PARTITIONS}, ${tid * 1000 + oid}, 0, '', '', '', '', ${tid})`);
    }
  }
  await database.execute(
    `INSERT INTO obj VALUES ${obj.join(", ")}`,
    `INSERT INTO data VALUES ${data.join(", ")}`,
    `INSERT INTO trans VALUES ${trans.join(", ")}`,
  );
  return database;
}

async function withDatabase(test: (database: TestDatabase) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await test(await filled(directory));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function counts(database: TestDatabase): Promise<Rows> {
  return await database.rows(
    "SELECT partition, COUNT(*) AS revisions, MAX(tid) AS last, " +
      "(SELECT COUNT(*) FROM trans WHERE trans.partition = obj.partition) AS transactions, " +
      "(SELECT COUNT(*) FROM data) AS data FROM obj GROUP BY partition ORDER BY partition",
  );
}

const HALF = BigInt(OBJECTS / PARTITIONS);
const ALL = TIDS.length * OBJECTS;

Deno.test("partitions are dropped in slices, and their neighbours stay", async () => {
  await withDatabase(async (database) => {
    const backend = await open(database);
    let slices = 0;
    await backend.maintenance.dropPartitions({
      offsets: [0],
      isGone: () => true,
      pause: async () => {
        const [first] = await counts(database);
        if (slices++ < 3) assert.equal(first?.partition, 0n, "part of it is on disk");
        return true;
      },
    });
    await backend.close({ commit: true });
    assert.ok(slices > 10, `${slices} slices`);
    assert.deepEqual(await counts(database), [{
      ...{ partition: 1n, revisions: 3n * HALF, last: 300n, transactions: 3n * HALF },
      data: 3n * HALF,
    }]);
  });
});

Deno.test("a partition that comes back while it is dropped keeps what is left of it", async () => {
  await withDatabase(async (database) => {
    const backend = await open(database);
    let slices = 0;
    await backend.maintenance.dropPartitions({
      offsets: [0, 1],
      isGone: (offset) => offset === 1 || slices < 2,
      pause: () => {
        slices++;
        return Promise.resolve(true);
      },
    });
    await backend.commit();
    const [left, ...others] = await counts(database);
    assert.deepEqual(others, []);
    assert.equal(left?.transactions, 3n * HALF);
    assert.equal(left?.revisions, 3n * HALF - 128n);
    assert.equal(left?.data, left?.revisions);
    // Who goes on, finishes it.
    await backend.maintenance.dropPartitions({ offsets: [0], isGone: () => true, pause: GOES_ON });
    await backend.close({ commit: true });
    assert.deepEqual(await counts(database), []);
    assert.deepEqual(await database.rows("SELECT id FROM data"), []);
  });
});

Deno.test("a truncation that a crash cuts short is finished by the next start", async () => {
  await withDatabase(async (database) => {
    const expected = [0n, 1n].map((partition) => ({
      ...{ partition, revisions: HALF, last: 100n, transactions: 0n, data: BigInt(OBJECTS) },
    }));
    const progress = "SELECT tid FROM pt ORDER BY partition";
    const due = "SELECT value FROM config WHERE name = 'truncate_tid'";
    const backend = await open(database);
    backend.settings.truncateTid = t(150);
    const images: TestDatabase[] = [];
    let slices = 0;
    await backend.maintenance.truncate([0, 1], async () => {
      if (slices++ % 7 === 2) images.push(await database.crashImage());
      return true;
    });
    await backend.close({ commit: true });
    assert.deepEqual(await counts(database), expected);
    assert.deepEqual(await database.rows(progress), [{ tid: 150n }, { tid: 150n }]);
    assert.deepEqual(await database.rows(due), []);
    assert.ok(images.length > 2, `${images.length} images`);
    for (const image of images) {
      assert.equal((await image.rows(due)).length, 1);
      assert.deepEqual(await image.rows(progress), [{ tid: 300n }, { tid: 300n }]);
      const [{ revisions } = {}] = await image.rows("SELECT COUNT(*) AS revisions FROM obj");
      assert.ok(Number(revisions) < ALL, "part of it is on disk");
      const again = await open(image);
      await again.maintenance.truncate([0, 1], GOES_ON);
      await again.close({ commit: true });
      assert.deepEqual(await counts(image), expected);
      assert.deepEqual(await image.rows(progress), [{ tid: 150n }, { tid: 150n }]);
      assert.deepEqual(await image.rows(due), []);
    }
  });
});

Deno.test("a truncation ends when another one is ordered, or with its pause", async () => {
  await withDatabase(async (database) => {
    const backend = await open(database);
    const { settings, maintenance } = backend;
    settings.truncateTid = t(150);
    await maintenance.truncate([0, 1], () => Promise.resolve(false));
    assert.equal(settings.truncateTid, t(150));
    await maintenance.truncate([0, 1], () => {
      settings.truncateTid = t(250);
      return Promise.resolve(true);
    });
    assert.equal(settings.truncateTid, t(250));
    await backend.commit();
    const [{ revisions } = {}] = await database.rows("SELECT COUNT(*) AS revisions FROM obj");
    assert.equal(Number(revisions), ALL - 128);
    await maintenance.truncate([0, 1], GOES_ON);
    assert.equal(settings.truncateTid, null);
    await backend.close({ commit: true });
    assert.deepEqual(await database.rows("SELECT oid FROM obj WHERE tid > 250"), []);
  });
});

/** Rows that are dropped or truncated while slices are measured. */
const MANY = 50_000;
/** How long a slice may keep clients waiting, in processor time. */
const MOST_MS = 20;
/** Where other programs disturb the machine, one of some attempts has to do. */
const ATTEMPTS = 3;

/** Has many rows deleted. Resolves with how long each slice took this thread. */
async function slicesOf(name: "drop" | "truncation"): Promise<number[]> {
  const slices: number[] = [];
  await withDatabase(async (database) => {
    await database.execute(
      `WITH RECURSIVE n(i) AS (SELECT 1000000 UNION ALL SELECT i + 1 FROM n
        WHERE i < ${1_000_000 + MANY - 1})
        INSERT INTO obj SELECT 0, i, 1000 + i % 100, i, NULL FROM n`,
      `INSERT INTO data SELECT data_id, zeroblob(20), 0, zeroblob(1000) FROM obj
        WHERE data_id >= 1000000`,
      "INSERT INTO trans SELECT 0, oid * 1000, 0, '', '', '', '', 1 FROM obj WHERE oid >= 1000000",
    );
    const host = createNodeHost({ log: { log: () => {} } });
    const options = { cluster: "test", dedup: false, reset: false, failed: assert.ifError };
    const backend = await openBackend(host, database.address, options);
    let start = workedMs();
    const pause = async () => {
      slices.push(workedMs() - start);
      await new Promise((resolve) => setTimeout(resolve, 0));
      start = workedMs();
      return true;
    };
    if (name === "drop") {
      await backend.maintenance.dropPartitions({ offsets: [0], isGone: () => true, pause });
    } else {
      backend.settings.truncateTid = t(300);
      await backend.maintenance.truncate([0], pause);
    }
    await backend.close({ commit: true });
    const [left] = await database.rows("SELECT COUNT(*) AS rows FROM obj");
    assert.equal(left?.rows, BigInt(ALL) / (name === "drop" ? 2n : 1n));
  });
  return slices;
}

for (const name of ["drop", "truncation"] as const) {
  if (!isSqlite()) continue;
  Deno.test(`no slice of a ${name} takes more than ${MOST_MS} ms`, async () => {
    let most = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS && most > MOST_MS; attempt++) {
      const slices = (await slicesOf(name)).toSorted((a, b) => a - b);
      most = slices.at(-1) ?? Infinity;
      const sum = slices.reduce((a, b) => a + b, 0);
      console.log(
        `${name}: ${slices.length} slices, ${sum.toFixed(0)} ms in all, ` +
          `the longest ${most.toFixed(1)} ms`,
      );
    }
    assert.ok(most <= MOST_MS, `a slice took ${most.toFixed(1)} ms`);
  });
}
