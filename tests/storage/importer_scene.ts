/** What the tests of importing share: sources, backends that import them, and all that these serve. */

import assert from "node:assert/strict";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import type { ClientHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import type { Backend, ObjectRecord, Slices } from "../../nodes/storage/backend/backend.ts";
import type { SourceOptions } from "../../nodes/storage/backend/importer/options.ts";
import { plainFrom } from "../../nodes/storage/backend/importer/stored.ts";
import { openBackend, type OwnDatabase } from "../../nodes/storage/backend/open.ts";
import { o, sha1, t } from "./values.ts";

export const PARTITIONS = 3;
const NOTHING = new Uint8Array(0);
export const ascii = (text: string) =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A record that refers to objects, and has a text. */
export function record(text: string, ...refs: number[]): Uint8Array {
  const pids = refs.map((ref) => `U\x08\0\0\0\0\0\0${String.fromCharCode(ref >> 8, ref & 255)}Q`);
  return ascii(`cmodule\nName\n.(U${String.fromCharCode(text.length)}${text}${pids.join("")}t.`);
}

type Stored = readonly [oid: number, data: Uint8Array | null, from?: number];

/** Importing, in a directory of its own. */
export class Scene implements AsyncDisposable {
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

  async open({ writeBack = false, compress = true as boolean | number } = {}): Promise<Backend> {
    const log = { log: (level: string, _: string, text: string) => this.lines.push(level + text) };
    const own = createNodeHost({ log });
    // Nobody waits for seconds here.
    const setTimer: ClientHost["setTimer"] = (_, callback) =>
      own.setTimer(0, callback, { keepsProcess: true });
    const host = writeBack ? { ...own, setTimer } : own;
    const backend = await openBackend(host, {
      adapter: "Importer",
      importer: { sources: this.sources, compress, writeBack },
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
export async function commit(
  backend: Backend,
  at: number,
  id: number,
  data: Uint8Array,
  description = NOTHING,
): Promise<void> {
  const { data: table, pending } = backend;
  const stored = { compression: false, checksum: sha1(data), data };
  const dataId = await table.store(o(id), stored);
  const metadata = { user: NOTHING, description, extension: NOTHING, oids: [o(id)] };
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
export async function view(backend: Backend, oids: readonly number[], tids: readonly number[]) {
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

export const HISTORY = [
  [10, [0, record("root", 1)], [1, record("one")]],
  [20, [1, record("uno")], [2, record("two", 1, 0)]],
  [30, [1, record("one"), 10], [3, null]],
  [40, [2, record("due", 1)]],
  [50, [0, record("root", 1, 2)], [1, null]],
] as const;
