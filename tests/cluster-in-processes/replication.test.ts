/** Storages that are killed and added while clients commit: nothing is lost, replicas get equal. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Client, connect } from "../../mod.ts";
import { Cluster, ours } from "../support/cluster.ts";
import { assertComplete, Load } from "./load.ts";

const PARTITIONS = 6;

/** The rows of each partition that a stopped storage has completely. */
function contents(path: string): Map<number, unknown[]> {
  const database = new DatabaseSync(path, { readOnly: true });
  const read = (sql: string, ...parameters: number[]) => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all(...parameters);
  };
  try {
    const own = "(SELECT value FROM config WHERE name = 'nid')";
    const cells = read(`SELECT partition FROM pt WHERE nid = ${own} AND tid = -1`);
    return new Map(cells.map(({ partition }) => {
      const offset = Number(partition);
      const transactions = read(
        "SELECT tid, packed, oids, user, description, ext, ttid FROM trans " +
          "WHERE partition = ? ORDER BY tid",
        offset,
      );
      const objects = read(
        "SELECT oid, tid, hash, compression, value, value_tid FROM obj " +
          "LEFT JOIN data ON data_id = id WHERE partition = ? ORDER BY oid, tid",
        offset,
      );
      return [offset, [...transactions, ...objects]];
    }));
  } finally {
    database.close();
  }
}

async function withCluster(
  { storages, replicas }: { readonly storages: number; readonly replicas: number },
  test: (cluster: Cluster, clients: readonly Client[], directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-replication-" });
  const clients: Client[] = [];
  try {
    await using cluster = await Cluster.start({
      directory,
      master: ours,
      storages: Array(storages).fill(ours),
      ctl: ours,
      partitions: PARTITIONS,
      replicas,
    });
    for (let count = 0; count < 3; count++) {
      clients.push(await connect(`neo://test@${cluster.masterAddresses.join(",")}`));
    }
    await test(cluster, clients, directory);
  } finally {
    for (const client of clients) await client.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Waits until each partition has so many complete cells, and no others. */
async function untilComplete(cluster: Cluster, copies: number): Promise<string> {
  return await cluster.waitForCtl(["print", "pt"], (stdout) => {
    const states = stdout.match(/UP_TO_DATE|OUT_OF_DATE|FEEDING|CORRUPTED/g) ?? [];
    return states.length === copies * PARTITIONS && new Set(states).size === 1;
  });
}

Deno.test("storages that are killed in turn under load catch up, and nothing is lost", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster, clients, directory) => {
    const [reader] = clients;
    assert.ok(reader !== undefined);
    const load = await Load.start(clients);
    await load.more(50);
    for (const number of [2, 1, 2]) {
      await cluster.node(`storage${number}`).kill();
      cluster.nodes.delete(`storage${number}`);
      await load.more(100);
      cluster.startStorage({ number, maker: ours });
      await untilComplete(cluster, 2);
      await load.more(20);
    }
    await load.stop();
    await assertComplete(reader, load);
    await cluster.stop();
    const [first, second] = [1, 2].map((each) => contents(`${directory}/storage${each}.sqlite`));
    assert.equal(first?.size, PARTITIONS);
    assert.deepEqual(second, first);
  });
});

Deno.test("a new storage takes over from one that leaves, under load", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster, clients, directory) => {
    const [reader] = clients;
    assert.ok(reader !== undefined);
    const load = await Load.start(clients);
    await load.more(200);
    cluster.startStorage({ number: 3, maker: ours });
    await cluster.waitForCtl(["print", "node", "storage"], (text) => text.includes("PENDING"));
    await cluster.ctl("add", "all");
    await cluster.ctl("tweak", "S1");
    const table = await untilComplete(cluster, 2);
    assert.doesNotMatch(table, /S1/);
    await load.more(20);
    await load.stop();
    await assertComplete(reader, load);
    await cluster.stop();
    const stored = [1, 2, 3].map((each) => contents(`${directory}/storage${each}.sqlite`));
    const complete = stored.filter(({ size }) => size === PARTITIONS);
    assert.equal(complete.length, 2);
    assert.deepEqual(complete[1], complete[0]);
  });
});

Deno.test("replicas that differ are found out, and told apart with a source to trust", async () => {
  await withCluster({ storages: 2, replicas: 1 }, async (cluster, clients, directory) => {
    const load = await Load.start(clients);
    await load.more(30);
    await load.stop();
    for (const client of clients) await client.close();
    await cluster.stop();
    const database = new DatabaseSync(`${directory}/storage2.sqlite`);
    const { changes } = database.prepare("DELETE FROM obj WHERE partition = 3").run();
    assert.notEqual(changes, 0);
    database.close();
    await cluster.startNodes();
    const check = await cluster.ctl("check", "2:S1", "3:S1", "0");
    assert.equal(check.code, 0, check.stderr);
    const table = await cluster.waitForCtl(["print", "pt"], (text) => text.includes("CORRUPTED"));
    const corrupted = table.split("\n").filter((line) => line.includes("CORRUPTED"));
    assert.deepEqual(corrupted, ["003 | S1 - UP_TO_DATE | S2 - CORRUPTED |"]);
  });
});
