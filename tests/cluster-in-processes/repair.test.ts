/**
 * A copy that is not what it was is found by `check`, and replicated again by `tweak`, whether it
 * lacks a record, has one too many, or has data that a disk has altered; afterwards both copies are
 * the same, and all data what was stored.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { connect } from "../../mod.ts";
import { committedContents } from "../peer/databases.ts";
import { Cluster, ours } from "../support/cluster.ts";

const PARTITIONS = 3;
const OBJECTS = 30;

/** What happened to the copy of partition 1 on a storage, whose node did not run. */
interface Damage {
  readonly sql: string;
  /** The id of the storage. */
  readonly storage: "S1" | "S2";
  /** The one that is known to be right, where the two can't be told apart without. */
  readonly reference: "S1" | "S2" | "";
}

const LAST = "(SELECT MAX(tid) FROM obj WHERE partition = 1 AND data_id IS NOT NULL)";
const DATA = `id IN (SELECT data_id FROM obj WHERE partition = 1 AND tid = ${LAST})`;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "a record is missing": {
    storage: "S2",
    sql: `DELETE FROM obj WHERE partition = 1 AND tid = ${LAST}`,
    reference: "S1",
  },
  "a transaction is missing": {
    storage: "S1",
    sql: "DELETE FROM trans WHERE partition = 1 AND tid = " +
      "(SELECT MAX(tid) FROM trans WHERE partition = 1)",
    reference: "S2",
  },
  "a record is too many": {
    storage: "S2",
    sql: "INSERT INTO obj SELECT partition, oid, tid - 1, data_id, NULL FROM obj " +
      `WHERE partition = 1 AND tid = ${LAST}`,
    reference: "S1",
  },
  "data are altered": {
    storage: "S2",
    sql: `UPDATE data SET value = CAST('altered' AS BLOB) WHERE ${DATA}`,
    reference: "",
  },
  "data are altered on the other storage": {
    storage: "S1",
    sql: `UPDATE data SET value = CAST('altered' AS BLOB) WHERE ${DATA}`,
    reference: "",
  },
  "data are missing": { storage: "S1", sql: `DELETE FROM data WHERE ${DATA}`, reference: "" },
};

async function fill(cluster: Cluster): Promise<void> {
  await using client = await connect(`neo://${cluster.name}@${cluster.masters}`);
  for (let number = 0; number < OBJECTS; number++) {
    await client.transact((tx) => tx.create(new TextEncoder().encode(`object ${number}`)));
  }
}

/** Runs a statement on a database whose node does not run, which must change something. */
function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  assert.notEqual(database.prepare(sql).run().changes, 0, sql);
  database.close();
}

/** The id that a storage has got, by its database. */
function nidOf(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("SELECT value FROM config WHERE name = 'nid'").get();
  database.close();
  return `S${row?.value}`;
}

/** Whether all data of a database have the checksum that is stored with them. */
function isIntact(path: string): boolean {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT hash, value FROM data").all();
  database.close();
  return rows.every(({ hash, value }) => {
    assert.ok(hash instanceof Uint8Array && value instanceof Uint8Array);
    return createHash("sha1").update(value).digest("hex") === Buffer.from(hash).toString("hex");
  });
}

async function isRepaired(directory: string, damage: Damage): Promise<void> {
  await using cluster = await Cluster.start({
    directory,
    master: ours,
    storages: [ours, ours],
    ctl: ours,
    partitions: PARTITIONS,
    replicas: 1,
  });
  await fill(cluster);
  await cluster.stop();
  const paths = [1, 2].map((number) => `${directory}/storage${number}.sqlite`);
  const damaged = paths.find((path) => nidOf(path) === damage.storage);
  const intact = paths.find((path) => path !== damaged);
  assert.ok(damaged !== undefined && intact !== undefined);
  const contents = committedContents(intact);
  alter(damaged, damage.sql);
  await cluster.startNodes();
  const checked = await cluster.ctl("check", `:${damage.reference}`, "0");
  assert.equal(checked.code, 0, checked.stderr);
  const table = await cluster.waitForCtl(["print", "pt"], (text) => text.includes("CORRUPTED"));
  const corrupted = table.split("\n").filter((line) => line.includes("CORRUPTED"));
  assert.equal(corrupted.length, 1, table);
  assert.match(corrupted[0] ?? "", new RegExp(`^001 .*${damage.storage} - CORRUPTED`));
  assert.match(corrupted[0] ?? "", new RegExp(`${nidOf(intact)} - UP_TO_DATE`));
  assert.equal((await cluster.ctl("tweak")).code, 0);
  await cluster.waitForCtl(
    ["print", "pt"],
    (text) => text.match(/UP_TO_DATE/g)?.length === 2 * PARTITIONS,
  );
  await cluster.stop();
  for (const path of paths) {
    assert.deepEqual(committedContents(path), contents);
    assert.ok(isIntact(path), path);
  }
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  Deno.test(`a copy is found not to be what it was, and repaired: ${name}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "neo-repair-" });
    try {
      await isRepaired(directory, damage);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
