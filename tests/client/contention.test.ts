/** Many transactions on the same objects: deadlocks, conflicts, and nodes that die meanwhile. */

import assert from "node:assert/strict";
import { type Client, connect, type Oid } from "../../mod.ts";
import { Random } from "../sim/random.ts";
import { type InProcessCluster, withCluster } from "../support/in_process.ts";
import {
  createCounters,
  increment,
  readCounters,
  resolveCounter,
  someOf,
  type Tally,
} from "./counters.ts";

/** What chance decides here; NEO_TEST_SEED decides the same again. */
const SEED = Number(Deno.env.get("NEO_TEST_SEED") ?? Math.floor(Math.random() * 2 ** 32));
console.log(`contention: NEO_TEST_SEED=${SEED}`);

/** Chance from the seed, the same for each test. */
function chance(): () => number {
  const random = new Random(SEED);
  return () => random.fraction();
}

const COUNTERS = 5;
const TOUCHED = 3;

/** Resolves when so many increments have been committed. */
type Reached = (committed: number) => Promise<void>;

/** Lets workers increment until `enough`, and checks that nothing was lost or counted twice. */
async function contend(cluster: InProcessCluster, options: {
  readonly workersPerClient: number;
  enough(tally: Tally): boolean;
  readonly disturb?: (reached: Reached) => Promise<void>;
}): Promise<Tally> {
  const open = () => connect(cluster.url, { resolveConflict: resolveCounter });
  await using first = await open();
  await using second = await open();
  const clients: Client[] = [first, second];
  const oids = await createCounters(first, COUNTERS);
  const tally: Tally = { committed: 0, conflicts: 0, failures: 0 };
  const random = chance();
  let disturbing = options.disturb !== undefined;
  const work = async (client: Client) => {
    await client.sync();
    while (disturbing || !options.enough(tally)) {
      await increment(client, someOf(oids, TOUCHED, random), tally);
    }
  };
  const workers = clients.flatMap((client) =>
    Array.from({ length: options.workersPerClient }, () => work(client))
  );
  const reached = async (committed: number) => {
    for await (const _ of first.invalidations()) if (tally.committed >= committed) return;
  };
  const disturb = options.disturb?.(reached).finally(() => disturbing = false);
  await Promise.all([...workers, disturb]);
  for (const client of clients) assert.equal(await readCounters(client, oids), tally.committed);
  return tally;
}

Deno.test("transactions that deadlock all get through", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    const tally = await contend(cluster, {
      workersPerClient: 3,
      enough: ({ committed }) => committed >= 300,
    });
    assert.deepEqual([tally.conflicts, tally.failures], [0, 0]);
  });
});

Deno.test("a replica that dies and comes back loses nothing", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    const tally = await contend(cluster, {
      workersPerClient: 2,
      enough: ({ committed }) => committed >= 300,
      disturb: async (reached) => {
        await reached(60);
        await cluster.kill("storage1");
        await reached(120);
        await cluster.startStorage(1);
        await reached(240);
      },
    });
    assert.equal(tally.failures, 0);
  });
});

Deno.test("a master that dies and comes back loses nothing that was committed", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
    await contend(cluster, {
      workersPerClient: 2,
      enough: ({ committed }) => committed >= 300,
      disturb: async (reached) => {
        await reached(90);
        await cluster.kill("master");
        await cluster.startMaster();
        await reached(180);
      },
    });
  });
});

const CROWD = 20;
const CROWD_COUNTERS = 30;
const CROWD_TOUCHED = 10;
const CROWD_COMMITS = 3;

for (const resolves of [true, false]) {
  const how = resolves ? "unite their changes" : "begin again after conflicts";
  Deno.test(`${CROWD} clients that ${how} all make progress`, async () => {
    await withCluster({ storages: 2, replicas: 1 }, async (cluster) => {
      await using first = await connect(cluster.url);
      const oids = await createCounters(first, CROWD_COUNTERS);
      const options = resolves ? { resolveConflict: resolveCounter } : {};
      const clients = await Promise.all(
        Array.from({ length: CROWD }, () => connect(cluster.url, options)),
      );
      try {
        const random = chance();
        const members = await Promise.all(clients.map((client) => insist(client, oids, random)));
        const waits = members.flatMap(({ waitsMs }) => waitsMs).sort((a, b) => a - b);
        const conflicts = members.map(({ tally }) => tally.conflicts);
        assert.equal(waits.length, CROWD * CROWD_COMMITS);
        assert.equal(await readCounters(first, oids), waits.length * CROWD_TOUCHED);
        if (resolves) assert.deepEqual(new Set(conflicts), new Set([0]));
        else assert.ok(conflicts.some((count) => count > 0), "nobody was in the way of another");
        console.log(
          `${CROWD} clients, ${CROWD_TOUCHED} of ${CROWD_COUNTERS} objects, ${waits.length} ` +
            `commits: the slowest waited ${waits.at(-1)?.toFixed(0)} ms, the median ` +
            `${waits[waits.length >> 1]?.toFixed(0)} ms; conflicts of one client: at most ` +
            `${Math.max(...conflicts)}`,
        );
      } finally {
        await Promise.all(clients.map((client) => client.close()));
      }
    });
  });
}

/** Increments until some have been committed; tells how long each took, conflicts included. */
async function insist(client: Client, oids: readonly Oid[], random: () => number) {
  const tally: Tally = { committed: 0, conflicts: 0, failures: 0 };
  const waitsMs: number[] = [];
  while (waitsMs.length < CROWD_COMMITS) {
    const start = performance.now();
    const wanted = tally.committed + CROWD_TOUCHED;
    const chosen = someOf(oids, CROWD_TOUCHED, random);
    do {
      await client.sync();
      await increment(client, chosen, tally);
    } while (tally.committed < wanted);
    waitsMs.push(performance.now() - start);
  }
  assert.equal(tally.failures, 0);
  return { tally, waitsMs };
}
