/** Backends that import: what they serve before, during and after, and what they refuse. */

import assert from "node:assert/strict";
import { MAX_ID, MAX_TID, type Oid, oid } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import type { ClientHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { referencesOf } from "../../nodes/pickle/references.ts";
import type { Backend, ObjectRecord, Slices } from "../../nodes/storage/backend/backend.ts";
import {
  decodePlacements,
  encodePlacements,
  place,
} from "../../nodes/storage/backend/importer/mapping.ts";
import type { SourceOptions } from "../../nodes/storage/backend/importer/options.ts";
import { plainFrom } from "../../nodes/storage/backend/importer/stored.ts";
import { openBackend, type OwnDatabase } from "../../nodes/storage/backend/open.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { o, S1, sha1, t } from "./values.ts";

const PARTITIONS = 3;
const NOTHING = new Uint8Array(0);
const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A record that refers to objects, and has a text. */
function record(text: string, ...refs: number[]): Uint8Array {
  const pids = refs.map((ref) => `U\x08\0\0\0\0\0\0${String.fromCharCode(ref >> 8, ref & 255)}Q`);
  return ascii(`cmodule\nName\n.(U${String.fromCharCode(text.length)}${text}${pids.join("")}t.`);
}

type Stored = readonly [oid: number, data: Uint8Array | null, from?: number];

/** Importing, in a directory of its own. */
class Scene implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync();
  readonly lines: string[] = [];
  readonly sources: SourceOptions[] = [];
  /** Where to import to. */
  readonly database: OwnDatabase;
  #backend: Backend | null = null;

  constructor(database?: OwnDatabase) {
    this.database = database ?? { adapter: "SQLite", path: `${this.directory}/storage.sqlite` };
  }

  /** Makes a source. */
  source(
    name: string,
    transactions: readonly (readonly [tid: number, ...stored: Stored[]])[],
    { oid = 0, mounts = {} }: { oid?: number; mounts?: Readonly<Record<string, number>> } = {},
  ): this {
    const path = `${this.directory}/${name}.fs`;
    const file = fileSystem.open(path, "create");
    assert.ok(file !== null);
    const writer = new FileStorageWriter({ file });
    for (const [tid, ...stored] of transactions) {
      const description = ascii(`${name} ${tid}`);
      writer.begin({
        ...{ tid: t(tid), packed: false, user: NOTHING, description, extension: NOTHING },
      });
      for (const [id, data, from] of stored) {
        writer.store({ oid: o(id), data, dataTid: from === undefined ? null : t(from) });
      }
      writer.end();
    }
    writer.flush();
    file.close();
    const mountPoints = new Map(Object.entries(mounts).map(([target, at]) => [target, o(at)]));
    this.sources.push({ name, path, oid: o(oid), mountPoints });
    return this;
  }

  get backend(): Backend {
    if (this.#backend === null) throw new Error("it was not opened");
    return this.#backend;
  }

  async open({ writeBack = false } = {}): Promise<Backend> {
    const log = { log: (level: string, _: string, text: string) => this.lines.push(level + text) };
    const own = createNodeHost({ log });
    // Nobody waits for seconds here.
    const setTimer: ClientHost["setTimer"] = (_, callback) =>
      own.setTimer(0, callback, { keepsProcess: true });
    const host = writeBack ? { ...own, setTimer } : own;
    const backend = await openBackend(host, {
      adapter: "Importer",
      importer: { sources: this.sources, compress: true, writeBack },
      database: this.database,
    }, { cluster: "test", dedup: false, reset: false, failed: () => {} });
    backend.settings.partitions ??= PARTITIONS;
    this.#backend = backend;
    return backend;
  }

  /** Goes on with the import for so many slices, of one object each. */
  async import(slices = Infinity): Promise<void> {
    let left = slices;
    const one: Slices = { isDue: true, pause: () => Promise.resolve(--left > 0) };
    await this.backend.work?.run(one);
  }

  async close(): Promise<void> {
    await this.#backend?.close({ commit: true });
    this.#backend = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Commits an object on top of everything. */
async function commit(backend: Backend, at: number, id: number, data: Uint8Array): Promise<void> {
  const { data: table, pending } = backend;
  const stored = { compression: false, checksum: sha1(data), data };
  const dataId = await table.store(o(id), stored);
  const metadata = { user: NOTHING, description: NOTHING, extension: NOTHING, oids: [o(id)] };
  const stores = new Map([[o(id), { dataId, valueTid: null }]]);
  await pending.vote({ ttid: t(at), stores, metadata });
  await pending.lock({ ttid: t(at), tid: t(at) });
  await pending.unlock({ ttid: t(at), tid: t(at), hasMetadata: true, hasObjects: true });
  table.release([dataId]);
  await backend.commit();
}

function shown(found: ObjectRecord | null): unknown {
  if (found === null) return null;
  const { tid, nextTid, value, valueTid } = found;
  return [tid, nextTid, value && new TextDecoder().decode(plainFrom(value)), valueTid];
}

/** Everything that readers may ask for. */
async function view(backend: Backend, oids: readonly number[], tids: readonly number[]) {
  const { objects, transactions, maintenance } = backend;
  const seen: unknown[] = [];
  const note = async (value: unknown) => void seen.push(await value);
  for (const id of oids.map(o)) {
    await note(objects.exists(id));
    await note(objects.lastTid(id));
    seen.push(shown(await objects.load(id, { at: null, before: null })));
    const history = await objects.history(id, { first: 0, count: 10 });
    seen.push(history.map(({ serial }) => serial));
    for (const at of tids) {
      await note(objects.has(id, t(at)));
      seen.push(shown(await objects.load(id, { at: t(at), before: null })));
      seen.push(shown(await objects.load(id, { at: null, before: t(at) })));
      seen.push(shown(await objects.load(id, { at: null, before: t(at + 1) })));
    }
  }
  for (const at of tids) {
    await note(transactions.load(t(at)));
    await note(transactions.finalTid(t(at)));
  }
  for (let offset = 0; offset < PARTITIONS; offset++) {
    await note(transactions.range({ offset, min: t(0), max: MAX_TID, count: 100 }));
    await note(transactions.range({ offset, min: t(20), max: t(40), count: 2 }));
    await note(transactions.newest({ offsets: [offset], first: 1, count: 2 }));
  }
  await note(transactions.newest({ offsets: [0, 1, 2], first: 0, count: 100 }));
  await note(maintenance.lastIds([0, 1, 2]));
  return seen;
}

const HISTORY = [
  [10, [0, record("root", 1)], [1, record("one")]],
  [20, [1, record("uno")], [2, record("two", 1, 0)]],
  [30, [1, record("one"), 10], [3, null]],
  [40, [2, record("due", 1)]],
  [50, [0, record("root", 1, 2)], [1, null]],
] as const;

/** Imports in small steps, with stops, on top of which there are commits. */
async function importInSteps(scene: Scene): Promise<void> {
  await scene.source("root", HISTORY).open();
  const oids = [0, 1, 2, 3, 9];
  const tids = [5, 10, 20, 25, 30, 40, 50, 60, 70, 80];
  await commit(scene.backend, 60, 1, record("new"));
  await commit(scene.backend, 70, 1, record("newer"));
  await commit(scene.backend, 80, 5, record("five"));
  const before = await view(scene.backend, oids, tids);
  for (let slice = 0; slice < 12; slice++) {
    await scene.import(1);
    assert.deepEqual(await view(scene.backend, oids, tids), before, `slice ${slice}`);
    if (slice % 3 === 0) {
      await scene.close();
      await scene.open();
    }
  }
  await scene.import();
  assert.match(scene.lines.join("\n"), /WARNINGAll data are imported/);
  assert.deepEqual(await view(scene.backend, oids, tids), before);
}

Deno.test("the same is served wherever the import is, and after a stop", async () => {
  await using scene = new Scene();
  await importInSteps(scene);
});

if (Mariadb.program === undefined) console.error(`imports to MariaDB: ${NO_MARIADB}`);

Deno.test({
  name: "the same on MariaDB",
  ignore: Mariadb.program === undefined,
  async fn() {
    await using server = await Mariadb.start();
    await using scene = new Scene(await server.createDatabase("InnoDB"));
    await importInSteps(scene);
    const [placement] = decodePlacements(scene.backend.settings.zodb ?? "");
    assert.ok(placement !== undefined);
    // The table has room for 255 characters, and is changed for more.
    scene.backend.settings.zodb = encodePlacements([{ ...placement, name: "x".repeat(300) }]);
    await scene.close();
    await assert.rejects(scene.open(), /began with a ZODB x{300}:/);
  },
});

Deno.test("several databases become one, transactions with the same tid as well", async () => {
  await using scene = new Scene()
    .source("root", HISTORY, { mounts: { other: 2 } })
    .source("other", [
      [5, [0, record("other root")], [1, record("mounted", 2)], [2, record("end", 1)]],
      [20, [2, record("new end", 1, 2)]],
    ], { oid: 1 });
  const backend = await scene.open();
  const refs = async (id: number) => {
    const found = await backend.objects.load(o(id), { at: null, before: null });
    return found?.value ? referencesOf(plainFrom(found.value)).map(({ oid }) => oid) : null;
  };
  for (const _ of ["before", "after"]) {
    // The objects of the other database begin at 4; the mount point is its object 1.
    assert.deepEqual(await refs(0), [1n, 5n]);
    assert.deepEqual(await refs(5), [6n]);
    assert.deepEqual(await refs(6), [5n, 6n]);
    const both = await backend.transactions.load(t(20));
    assert.deepEqual(both?.oids, [1n, 2n, 6n]);
    assert.equal(new TextDecoder().decode(both?.description), "root 20");
    const tids = await backend.transactions.newest({ offsets: [0, 1, 2], first: 0, count: 9 });
    assert.deepEqual(tids, [50n, 40n, 30n, 20n, 10n, 5n]);
    await scene.import();
  }
});

Deno.test("an object that can't be imported stops the import, is named, and nothing else", async () => {
  const wrong = ascii("cmodule\nName\n.]U\x01nU\x04nameU\x08\0\0\0\0\0\0\0\x01\x86e\x85Q.");
  await using scene = new Scene()
    .source("root", [[10, [0, record("root", 1)]], [20, [1, wrong]], [30, [0, record("new")]]], {
      mounts: { other: 7 },
    })
    .source("other", [[5, [1, record("mounted")]]], { oid: 1 });
  const { objects } = await scene.open();
  await scene.import();
  const line = scene.lines.find((text) => text.startsWith("ERROR")) ?? "";
  assert.match(line, /the import has stopped/);
  assert.match(line, /object 0{15}1 of the transaction 0{14}14 in .*root\.fs \(section root\)/);
  const latest = { at: null, before: null };
  assert.equal((await objects.load(o(0), latest))?.tid, 30n);
  assert.throws(() => objects.load(o(1), latest), Refusal);
});

Deno.test("what would be wrong during an import has to wait", async () => {
  await using scene = new Scene().source("root", HISTORY);
  const { objects, replica, maintenance, settings } = await scene.open();
  const undo = { ttid: t(90), ltid: null, undoneTid: t(50), pending: undefined };
  assert.throws(() => objects.undoSerial(o(0), undo), Refusal);
  const range = { offset: 0, minTid: t(0), minOid: o(0), maxTid: MAX_TID, count: 9 };
  assert.throws(() => replica.revisions(range), { code: "REPLICATION_ERROR" });
  const order = { tid: t(50), offsets: [0, 1, 2], pause: () => Promise.resolve(true) };
  await maintenance.pack({ ...order, keepsDeletions: () => false, moved: () => false });
  assert.match(scene.lines.join("\n"), /nothing was packed/);
  settings.truncateTid = t(40);
  await assert.rejects(async () => await maintenance.truncate([0, 1, 2]), DatabaseError);
  assert.equal(settings.truncateTid, null);
  await scene.import();
  assert.ok(await objects.undoSerial(o(0), undo) !== null);
  assert.ok((await replica.revisions(range)).length > 0);
});

Deno.test("an import goes on with what it began with, or not at all", async () => {
  await using scene = new Scene().source("root", HISTORY);
  await scene.open();
  await scene.import(3);
  await scene.close();
  const [source] = scene.sources;
  assert.ok(source !== undefined);
  scene.sources[0] = { ...source, name: "another" };
  await assert.rejects(scene.open(), /began with a ZODB root/);
  scene.sources[0] = source;
  const { size } = Deno.statSync(source.path);
  Deno.truncateSync(source.path, size - 20);
  await assert.rejects(scene.open(), /ends before what the import of root began with/);
});

Deno.test("databases that do not hang together are refused", () => {
  const measure = { nextOid: o(10), lastTid: t(1) };
  const source = (name: string, oid: number, mounts: Readonly<Record<string, number>> = {}) => ({
    ...{ name, path: name, oid: o(oid) },
    mountPoints: new Map(Object.entries(mounts).map(([target, at]) => [target, o(at)])),
  });
  const placed = (...sources: SourceOptions[]) =>
    place(sources, new Map(sources.map(({ name }) => [name, measure])));
  assert.throws(() => placed(source("a", 1)), /expected one ZODB to be the root.*found none/);
  assert.throws(() => placed(source("a", 0), source("b", 0)), /found a, b/);
  assert.throws(() => placed(source("a", 0), source("b", 1)), /nothing mounts the ZODB b/);
  assert.throws(() => placed(source("a", 0, { c: 1 })), /expected the name of another section/);
  assert.throws(
    () => placed(source("a", 0, { b: 1 }), source("b", 11)),
    /last of which is 9, found 11/,
  );
  const huge = { nextOid: oid(MAX_ID), lastTid: t(1) };
  assert.throws(
    () => place([source("a", 0, { b: 1 }), source("b", 1)], new Map([["a", huge], ["b", huge]])),
    /b: expected room for its oids/,
  );
  const ring = placed(source("a", 0, { b: 4 }), source("b", 1, { a: 5, b: 6 }));
  assert.deepEqual(ring.map(({ shift }) => shift), [0n, 10n]);
  const mounts: (readonly [Oid, Oid])[][] = ring.map(({ mounts }) => [...mounts]);
  assert.deepEqual(mounts, [[[4n, 11n]], [[5n, 0n], [6n, 11n]]]);
  assert.deepEqual(decodePlacements(encodePlacements(ring)), ring);
  const wrongMount = encodePlacements(ring).replace("I4\nI11\n", "S'x'\nI11\n");
  for (const text of ["", ".", "(d", "(dS'a'\nI1\ns.", "N.", wrongMount]) {
    assert.throws(() => decodePlacements(text), DatabaseError, text);
  }
});

Deno.test("a reference to an oid that the whole has no room for is refused", async () => {
  const far = ascii("cmodule\nName\n.U\x08\x7f\xff\xff\xff\xff\xff\xff\xffQ.");
  await using scene = new Scene()
    .source("root", [[10, [1, record("root")]]], { mounts: { other: 1 } })
    .source("other", [[5, [1, far]]], { oid: 1 });
  const { objects } = await scene.open();
  assert.throws(() => objects.load(o(3), { at: null, before: null }), Refusal);
});

Deno.test("an empty source is refused", async () => {
  await using scene = new Scene().source("root", []);
  await assert.rejects(scene.open(), /Can not import empty storage/);
});

Deno.test("writing back keeps what it cuts off, and goes on behind whole transactions", async () => {
  await using scene = new Scene().source("root", HISTORY);
  const [source] = scene.sources;
  assert.ok(source !== undefined);
  const { path } = source;
  const whole = Deno.readFileSync(path);
  const tail = whole.slice(4, 60);
  for (const [number, at] of [60, 70].entries()) {
    Deno.writeFileSync(path, tail, { append: true });
    const backend = await scene.open({ writeBack: true });
    backend.settings.nid = S1;
    const cells = [{ nid: S1, state: "UP_TO_DATE" as const }];
    backend.table.replace(
      1,
      Array.from({ length: PARTITIONS }, (_, offset) => ({ offset, cells })),
    );
    await commit(backend, at, 1, record(`new ${at}`));
    await scene.import(50);
    await scene.close();
    assert.deepEqual(Deno.readFileSync(`${path}.tr${number}`), tail);
    assert.match(scene.lines.join("\n"), new RegExp(`now in ${path}\\.tr${number}`));
    const reader = await FileStorageReader.open({
      ...{ files: fileSystem, path, log: { log: () => {} }, pause: () => Promise.resolve() },
    });
    assert.deepEqual([reader.lastTid, reader.end], [t(at), Deno.statSync(path).size]);
    reader.close();
  }
  assert.deepEqual(Deno.readFileSync(path).subarray(0, whole.length), whole);
});
