/**
 * The databases of two storages of an older NEO, which were killed: one of them when a transaction
 * had been voted on and another one committed a moment ago, its replica a while before. They are
 * upgraded by ours and, in copies, by NEO 1.11, with the same outcome; ours serve them whole and go
 * on; and NEO 1.11's storages get them back.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Client, connect, NotFoundError, oid as asOid } from "../../mod.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { type DatabaseAddress, openBackend } from "../../nodes/storage/backend/open.ts";
import type { Rows, TestDatabase } from "../storage/databases.ts";
import { Cluster, type DatabaseOptions, type Maker, ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { ours, real, venv } from "./peer.ts";
import { environmentOf, release, type Version } from "./releases.ts";

/** The name of all clusters here. */
export const NAME = "test";
const PARTITIONS = 12;
const UPGRADE_MS = 60_000;
/** More revisions than any object has here. */
const ALL = 100;
/** What NEO puts into several rows of a server's table. */
const BIG_BYTES = 17 * 2 ** 20;

/** What clients see of a store; extensions are pickles, which ours does not look into. */
interface View {
  /** Tid, status, user, description, and records: oid, SHA-1 of the data, what was undone to. */
  readonly transactions: readonly unknown[];
  /** Oid, serial, and SHA-1 of the data of each object. */
  readonly current: readonly unknown[];
  /** Of the root: tid, size, description. */
  readonly history: unknown;
}

/** What a real client's `dump` gives. */
interface Dump {
  readonly transactions: readonly (readonly unknown[])[];
  readonly current: readonly unknown[];
}

/** What the older NEO has left. */
export interface Left {
  readonly version: Version;
  readonly databases: readonly TestDatabase[];
  readonly dump: Dump;
  readonly history: unknown;
}

/** How a storage, ours or NEO's, is told of a database. */
export function optionsOf(database: DatabaseAddress): DatabaseOptions {
  switch (database.adapter) {
    case "SQLite":
      return ["--adapter", "SQLite", "--database", database.path];
    case "MySQL": {
      const { engine, address: { user, database: name, socket } } = database;
      const address = `${user}@${name}${socket}`;
      return ["--adapter", "MySQL", "--engine", engine, "--database", address];
    }
    default:
      throw new Error(`expected a database of a storage's own, found ${database.adapter}`);
  }
}

/** Starts a cluster of one maker's nodes on two databases that are replicas. */
export function clusterOn(
  databases: readonly TestDatabase[],
  { directory, nodes, ctl = real }: {
    readonly directory: string;
    readonly nodes: Maker;
    readonly ctl?: Maker;
  },
): Promise<Cluster> {
  return Cluster.start({
    directory,
    master: nodes,
    storages: databases.map(() => nodes),
    ctl,
    name: NAME,
    partitions: PARTITIONS,
    replicas: databases.length - 1,
    databases: databases.map(({ address }) => optionsOf(address)),
  });
}

/** Has the nodes of an older NEO fill two databases. `big`: with a value of several rows. */
export async function leave(
  databases: readonly TestDatabase[],
  { directory, version, big }: {
    readonly directory: string;
    readonly version: Version;
    readonly big: boolean;
  },
): Promise<Left> {
  const nodes = release(version);
  await using cluster = await clusterOn(databases, { directory, nodes, ctl: nodes });
  await using client = await PeerClient.open(cluster, environmentOf(version));
  await client.ask("fill");
  if (big) await client.ask("add_big", { key: "biggest", size: BIG_BYTES });
  await client.ask("pack");
  await client.ask("fill");
  await end(cluster, "storage2");
  await client.ask("add_many", { key: "more", count: 30 });
  await client.ask("set", { key: "last", value: "before" });
  await client.ask("set", { key: "last", value: "committed" });
  await client.ask("vote_only");
  const history = await client.ask("history", { oid: 0, size: ALL });
  // Of this one, a storage has yet to put the rows where they belong, unless that takes a second.
  await client.ask("add_raw", { data: "just committed" });
  const dump = await dumpOf(client);
  await cluster.kill();
  return { version, databases, dump, history };
}

async function end(cluster: Cluster, name: string): Promise<void> {
  await cluster.node(name).kill();
  cluster.nodes.delete(name);
}

async function dumpOf(client: PeerClient): Promise<Dump> {
  return await client.ask("dump") as Dump;
}

/** Upgrades the databases by ours and copies of them by NEO 1.11, and compares all there is. */
export async function upgradeBoth({ databases }: Left): Promise<void> {
  const host = createNodeHost({ log: { log: () => {} } });
  for (const database of databases) {
    const copy = await database.crashImage();
    await upgradeByNeo(copy.address);
    const options = { cluster: NAME, dedup: false, reset: false, failed: assert.ifError };
    await (await openBackend(host, database.address, options)).close({ commit: true });
    assert.deepEqual(await schemaOf(database), await schemaOf(copy));
    assert.deepEqual((await database.tables()).sort(), (await copy.tables()).sort());
    for (const table of await copy.tables()) {
      assert.deepEqual(await rowsOf(database, table), await rowsOf(copy, table), table);
    }
  }
}

async function upgradeByNeo(address: DatabaseAddress): Promise<void> {
  const options = optionsOf(address);
  const valueOf = (name: string) => options[options.indexOf(name) + 1] ?? "";
  const words = [valueOf("--adapter"), valueOf("--database")];
  if (address.adapter === "MySQL") words.push(address.engine);
  const { code, stderr } = await run(
    [`${venv()}/bin/python`, `${ROOT}tests/peer/upgrade.py`, ...words],
    { name: "upgrade.py", timeoutMs: UPGRADE_MS },
  );
  assert.equal(code, 0, stderr);
}

/** All rows of a table, in an order that does not depend on where they are stored. */
export async function rowsOf(database: TestDatabase, table: string): Promise<Rows> {
  const [some] = await database.rows(`SELECT * FROM ${table} LIMIT 1`);
  if (some === undefined) return [];
  const columns = Object.keys(some).map((name) => `\`${name}\``);
  return await database.rows(`SELECT * FROM ${table} ORDER BY ${columns.join(", ")}`);
}

/** What the tables and indexes of a database are, without the way in which that was written. */
async function schemaOf(database: TestDatabase): Promise<unknown[]> {
  if (database.address.adapter === "SQLite") {
    const rows = await database.rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    return rows.map(({ type, name, sql }) => [type, name, plain(String(sql))]);
  }
  const decoder = new TextDecoder();
  const definitions: string[] = [];
  for (const table of (await database.tables()).sort()) {
    for (const row of await database.rows(`SHOW CREATE TABLE ${table}`)) {
      const sql = row["Create Table"];
      const text = sql instanceof Uint8Array ? decoder.decode(sql) : String(sql);
      definitions.push(text.replace(/ AUTO_INCREMENT=\d+/, ""));
    }
  }
  return definitions;
}

function plain(sql: string): string {
  return sql.replace(/["`]/g, "").replace(/\s+/g, " ").replace(/ ?([(),]) ?/g, "$1").trim();
}

/** Our nodes serve the databases, and go on with them. */
export async function goOn(left: Left, directory: string): Promise<Dump> {
  await using cluster = await clusterOn(left.databases, { directory, nodes: ours });
  await assertServed(cluster, left);
  await waitForReplicas(cluster);
  await using client = await connect(`neo://${NAME}@${cluster.masters}`);
  const view = await viewOf(client);
  assert.deepEqual(view, {
    transactions: left.dump.transactions.map((line) => line.toSpliced(4, 1)),
    current: left.dump.current,
    history: left.history,
  });
  const [, undone] = await client.undoLog({ last: 2 });
  assert(undone !== undefined);
  await client.undo(undone.tid, { description: "undone by ours" });
  await using neo = await PeerClient.open(cluster);
  assert.equal(await neo.ask("get", { key: "last" }), "before");
  await neo.ask("fill");
  const dump = await dumpOf(neo);
  await cluster.stop();
  return dump;
}

/** NEO 1.11's nodes serve what ours have left, from each of the two databases. */
export async function handBack(left: Left, directory: string, dump: Dump): Promise<void> {
  await using cluster = await clusterOn(left.databases, { directory, nodes: real });
  await assertServed(cluster, { ...left, dump });
  await end(cluster, "storage1");
  await using neo = await PeerClient.open(cluster);
  assert.deepEqual(await dumpOf(neo), dump);
  await neo.ask("set", { key: "last", value: "NEO's" });
}

/** The older NEO's nodes serve what ours have left, where it keeps to the same format. */
export async function goBack({ version, databases }: Left, directory: string, dump: Dump) {
  const nodes = release(version);
  await using cluster = await clusterOn(databases, { directory, nodes, ctl: nodes });
  await using client = await PeerClient.open(cluster, environmentOf(version));
  assert.deepEqual(await dumpOf(client), dump);
  await cluster.stop();
}

/** A real client of NEO 1.11 sees the same as that of the older NEO. */
async function assertServed(cluster: Cluster, { dump }: Left): Promise<void> {
  await using client = await PeerClient.open(cluster);
  assert.deepEqual(await dumpOf(client), dump);
}

async function waitForReplicas(cluster: Cluster): Promise<void> {
  const cells = cluster.nodes.size - 2;
  await cluster.waitForCtl(
    ["print", "pt"],
    (stdout) => stdout.match(/UP_TO_DATE/g)?.length === cells * PARTITIONS,
  );
}

/** What our client sees, as a real client's dump has it. */
async function viewOf(client: Client): Promise<View> {
  const decoder = new TextDecoder();
  const transactions: unknown[] = [];
  const oids = new Set<bigint>();
  for await (const transaction of client.transactions()) {
    const { tid, packed, user, description } = transaction;
    const records: [bigint, string | null, string | null][] = [];
    for await (const { oid, data, dataSerial } of client.records(transaction)) {
      oids.add(oid);
      records.push([oid, sha1(data), dataSerial === null ? null : hex(dataSerial)]);
    }
    records.sort(([a], [b]) => a < b ? -1 : 1);
    transactions.push([
      ...[hex(tid), packed ? "p" : " ", decoder.decode(user), decoder.decode(description)],
      records.map(([oid, ...rest]) => [Number(oid), ...rest]),
    ]);
  }
  const current: unknown[] = [];
  for (const oid of [...oids].sort((a, b) => a < b ? -1 : 1)) {
    current.push([Number(oid), ...await currentOf(client, oid)]);
  }
  const history = await client.history(asOid(0n), { last: ALL });
  return {
    transactions,
    current,
    history: history.map(({ tid, size, description }) => [
      ...[hex(tid), size, decoder.decode(description)],
    ]),
  };
}

async function currentOf(client: Client, oid: bigint): Promise<(string | null)[]> {
  try {
    const { data, serial } = await client.load(asOid(oid));
    return [hex(serial), sha1(data)];
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    return [null, "POSKeyError"];
  }
}

function sha1(data: Uint8Array | null): string | null {
  return data === null ? null : createHash("sha1").update(data).digest("hex");
}

function hex(tid: bigint): string {
  return tid.toString(16).padStart(16, "0");
}
