/** FileStorages that are written, read, cut short and damaged. */

import assert from "node:assert/strict";
import { type Oid, oid, type Tid, tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { FileError } from "../../nodes/errors.ts";
import {
  MAGIC_BYTES,
  MAX_DATA_BYTES,
  TRANSACTION_HEADER_BYTES,
  WORD_BYTES,
} from "../../nodes/filestorage/format.ts";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { fitted } from "../../nodes/filestorage/texts.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";

const NOTHING = new Uint8Array(0);
const text = (value: string) => new TextEncoder().encode(value);
const t = (value: number): Tid => tid(BigInt(value));
const o = (value: number): Oid => oid(BigInt(value));
const pause = () => Promise.resolve();

type Store = readonly [number, string | null, number?];

class Storage implements Disposable {
  readonly directory = Deno.makeTempDirSync();
  readonly path = `${this.directory}/Data.fs`;
  readonly lines: string[] = [];
  readonly #file = fileSystem.open(this.path, "create");
  readonly writer: FileStorageWriter;

  constructor() {
    if (this.#file === null) throw new Error("there is no file");
    this.writer = new FileStorageWriter({ file: this.#file });
  }

  /** Writes a transaction: objects, their data, and the revision that has the same. */
  commit(at: number, ...stores: Store[]): this {
    const description = text(`transaction ${at}`);
    this.writer.begin({
      ...{ tid: t(at), packed: at % 2 === 0, user: text("me"), description },
      extension: NOTHING,
    });
    for (const [id, data, from] of stores) {
      this.writer.store({
        oid: o(id),
        data: data === null ? null : text(data),
        dataTid: from === undefined ? null : t(from),
      });
    }
    this.writer.end();
    this.writer.flush();
    return this;
  }

  async open(): Promise<FileStorageReader> {
    const log = { log: (level: string, _: string, line: string) => this.lines.push(level + line) };
    return await FileStorageReader.open({ files: fileSystem, path: this.path, log, pause });
  }

  /** Changes bytes of the file. */
  patch(position: number, ...bytes: number[]): void {
    const file = fileSystem.open(this.path, "change");
    file?.write(Uint8Array.from(bytes), position);
    file?.close();
  }

  cut(bytes: number): void {
    Deno.truncateSync(this.path, Deno.statSync(this.path).size - bytes);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** The first transaction, and its first record. */
async function first(reader: FileStorageReader) {
  const transactions = await reader.transactions(ZERO_TID, pause);
  const { current } = transactions;
  const [value] = transactions.records();
  return { current, value };
}

/** Everything that there is, as a reader finds it. */
async function contents(reader: FileStorageReader, from: Tid = ZERO_TID) {
  const found: unknown[] = [];
  const transactions = await reader.transactions(from, pause);
  for (; transactions.current !== null; transactions.advance()) {
    const { description } = reader.texts(transactions.current);
    found.push(new TextDecoder().decode(description));
    for (const record of transactions.records()) {
      const data = reader.data(record);
      const dataTid = reader.dataTid(record);
      found.push([record.oid, data && new TextDecoder().decode(data), dataTid]);
    }
  }
  return found;
}

const newest = async (reader: FileStorageReader, id: number, before: number) => {
  const found = await reader.before(o(id), t(before), pause);
  return found === null ? null : [found.record.tid, found.next];
};

Deno.test("what is written is read", async () => {
  using storage = new Storage();
  storage.commit(10, [0, "root"], [1, "one"]).commit(20, [1, "two"])
    .commit(30, [1, "one", 10], [70_000, "far"]).commit(31, [0, null]);
  const reader = await storage.open();
  assert.deepEqual(await contents(reader), [
    ...["transaction 10", [0n, "root", null], [1n, "one", null]],
    ...["transaction 20", [1n, "two", null]],
    ...["transaction 30", [1n, "one", 10n], [70_000n, "far", null]],
    ...["transaction 31", [0n, null, null]],
  ]);
  assert.deepEqual((await contents(reader, t(21))).length, 5);
  assert.deepEqual(await contents(reader, t(32)), []);
  assert.deepEqual([...reader.backwards()].map(({ tid }) => tid), [31n, 30n, 20n, 10n]);
  assert.deepEqual([...reader.backwards()].map(({ status }) => String.fromCharCode(status)), [
    ...[" ", "p", "p", "p"],
  ]);
  assert.deepEqual(await newest(reader, 1, 100), [30n, null]);
  assert.deepEqual(await newest(reader, 1, 30), [20n, 30n]);
  assert.deepEqual(await newest(reader, 1, 10), null);
  assert.deepEqual(await newest(reader, 5, 100), null);
  assert.deepEqual([reader.lastTid, reader.greatestOid, reader.objectCount], [31n, 70_000n, 3]);
  assert.deepEqual(storage.lines, []);
  reader.close();
});

Deno.test("an older transaction is not written after a newer one", () => {
  using storage = new Storage();
  storage.commit(10, [0, "root"]);
  assert.throws(() => storage.commit(10, [0, "again"]), FileError);
});

Deno.test("what a crash left at the end is left out", async () => {
  for (const missing of [1, 8, 30, 60]) {
    using storage = new Storage();
    storage.commit(10, [0, "root"]);
    const { size } = storage.writer;
    storage.commit(20, [0, "a longer text than the header"]);
    storage.cut(missing);
    const reader = await storage.open();
    assert.deepEqual([reader.lastTid, reader.end], [10n, size]);
    assert.match(storage.lines.join(), /^WARNING.* no whole transaction$/);
    reader.close();
  }
});

Deno.test("a transaction that was not finished, or undone in place, is left out", async () => {
  using storage = new Storage();
  storage.commit(10, [0, "root"]);
  const second = storage.writer.size;
  storage.commit(20, [0, "undone"]);
  const third = storage.writer.size;
  storage.commit(30, [0, "unfinished"]);
  storage.patch(second + 16, "u".charCodeAt(0));
  storage.patch(third + 16, "c".charCodeAt(0));
  const reader = await storage.open();
  assert.deepEqual((await contents(reader)).length, 2);
  assert.deepEqual([...reader.backwards()].map(({ tid }) => tid), [10n]);
  assert.equal(reader.end, third);
  reader.close();
});

Deno.test("damage is not guessed around", async () => {
  const damages: [string, (storage: Storage, second: number) => void][] = [
    ["the magic number", (storage) => storage.patch(0, 0)],
    ["the length at the end", (storage, second) => storage.patch(second - 1, 0xff)],
    ["the order", (storage, second) => storage.patch(second, 0, 0, 0, 0, 0, 0, 0, 1)],
    ["the length at the beginning", (storage, second) => storage.patch(second + 13, 0xff)],
    ["the status", (storage, second) => storage.patch(second + 16, "c".charCodeAt(0))],
    [
      "the transaction of a record",
      (storage, second) => storage.patch(second + TRANSACTION_HEADER_BYTES + 2 + 14 + 31, 9),
    ],
    [
      "the length of a record",
      (storage, second) => storage.patch(second + TRANSACTION_HEADER_BYTES + 2 + 14 + 40, 9),
    ],
  ];
  for (const [what, damage] of damages) {
    using storage = new Storage();
    storage.commit(10, [0, "root"]);
    const second = storage.writer.size;
    storage.commit(20, [0, "more"]).commit(30, [0, "still more"]);
    damage(storage, second);
    await assert.rejects(storage.open(), FileError, what);
  }
  await assert.rejects(
    FileStorageReader.open({
      ...{ files: fileSystem, path: "/nowhere/Data.fs", log: { log: () => {} }, pause },
    }),
    /there is no file/,
  );
});

/** An index as ZODB saves it. */
function savedIndex(position: number, entries: readonly [number, number][]): Uint8Array {
  const table = new Uint8Array(entries.length * 8);
  const view = new DataView(table.buffer);
  for (const [at, [low, offset]] of entries.entries()) {
    view.setUint16(at * 2, low);
    view.setUint32(entries.length * 2 + at * 6 + 2, offset);
  }
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, position, true);
  return Uint8Array.of(
    ...[0x80, 3, ..."J".split("").map((c) => c.charCodeAt(0)), ...number, 0x2e],
    ...[0x80, 3, 0x43, 6, 0, 0, 0, 0, 0, 0, 0x43, table.length, ...table, 0x86, 0x2e],
    ...[0x80, 3, 0x4e, 0x2e],
  );
}

Deno.test("data that are too big for any memory are refused, not read", async () => {
  using storage = new Storage();
  storage.commit(10, [0, "root"]);
  const description = "transaction 10".length;
  const record = MAGIC_BYTES + TRANSACTION_HEADER_BYTES + "me".length + description;
  const grown = BigInt(MAX_DATA_BYTES) + 1n - BigInt("root".length);
  const word = new DataView(new ArrayBuffer(WORD_BYTES));
  const put = (position: number, value: bigint) => {
    word.setBigUint64(0, value);
    storage.patch(position, ...new Uint8Array(word.buffer));
  };
  // The data have no bytes on the disk: the file has a hole.
  const length = BigInt(storage.writer.size - MAGIC_BYTES - WORD_BYTES) + grown;
  put(MAGIC_BYTES + 8, length);
  put(record + 34, BigInt(MAX_DATA_BYTES) + 1n);
  put(MAGIC_BYTES + Number(length), length);
  const reader = await storage.open();
  const { current, value } = await first(reader);
  assert.equal(current?.tid, t(10));
  assert.ok(value !== undefined);
  assert.throws(
    () => reader.data(value),
    (error) =>
      error instanceof FileError && /expected at most 1073741824 bytes/.test(error.message),
  );
  reader.close();
});

Deno.test("a saved index is taken where it is right, and not where it is not", async () => {
  const header = TRANSACTION_HEADER_BYTES + 2;
  const nine = 4 + header + 13;
  const root = nine + 42 + 4 + 8 + header + 14;
  const one = root + 42 + 4;
  for (
    const [entries, isTrusted] of [
      [[[0, root], [1, one], [9, nine]], true],
      [[[0, root], [1, root], [9, nine]], false],
      [[[0, root], [9, nine]], false],
      [[[0, root], [1, one], [9, root]], false],
      [[[0, root], [1, one], [9, 1 << 20]], false],
    ] as const
  ) {
    using storage = new Storage();
    storage.commit(5, [9, "nine"]).commit(10, [0, "root"], [1, "one"]);
    const position = storage.writer.size;
    storage.commit(20, [1, "two"]);
    const index = savedIndex(position, entries.map(([id, at]) => [id, at]));
    Deno.writeFileSync(`${storage.path}.index`, index);
    // Where the index is trusted, nobody looks at what it knows: nor sees that this was undone.
    storage.patch(4 + 16, "u".charCodeAt(0));
    const reader = await storage.open();
    assert.deepEqual(await newest(reader, 9, 100), isTrusted ? [5n, null] : null, String(entries));
    assert.deepEqual(await newest(reader, 1, 100), [20n, null]);
    reader.close();
  }
});

/** A storage whose root has many revisions, and where the newest records are; with an index. */
function indexed(change: (entries: [number, number][]) => void): Storage {
  const storage = new Storage();
  const entries = new Map<number, number>();
  for (let at = 1; at <= 20; at++) {
    const first = storage.writer.size;
    storage.commit(at, [at % 3, `revision ${at}`]);
    const description = `transaction ${at}`.length;
    entries.set(at % 3, first + TRANSACTION_HEADER_BYTES + "me".length + description);
  }
  const list = [...entries];
  change(list);
  Deno.writeFileSync(`${storage.path}.index`, savedIndex(storage.writer.size, list));
  return storage;
}

Deno.test("an index that names an older revision is left aside, and the log says so", async () => {
  const first = MAGIC_BYTES + TRANSACTION_HEADER_BYTES + "me".length + "transaction 1".length;
  using right = indexed(() => {});
  using wrong = indexed((entries) => {
    // That is an object's record, but its first one of many.
    const entry = entries.find(([id]) => id === 1);
    assert.ok(entry !== undefined);
    entry[1] = first;
  });
  for (const storage of [right, wrong]) {
    const reader = await storage.open();
    assert.deepEqual(await newest(reader, 1, 100), [19n, null]);
    reader.close();
  }
  assert.deepEqual(right.lines, []);
  assert.deepEqual(wrong.lines.length, 1);
  assert.match(
    wrong.lines.join(),
    /^WARNING.*Data\.fs\.index is not that of .*Data\.fs as it is now: it is left aside/,
  );
});

Deno.test("what an index has wrong far from its end is mended where somebody comes by", async () => {
  using storage = new Storage();
  // No entry that is looked at leads to the transaction that is wanting.
  const filler = "x".repeat(9 << 20);
  storage.commit(1, [0, "root"], [1, "one"]);
  const second = storage.writer.size;
  storage.commit(2, [1, "new"]);
  const third = storage.writer.size;
  storage.commit(3, [2, filler]);
  const header = TRANSACTION_HEADER_BYTES + "me".length + "transaction 1".length;
  const root = MAGIC_BYTES + header;
  const one = root + 42 + "root".length;
  const entries: [number, number][] = [[0, root], [1, one], [2, third + header]];
  Deno.writeFileSync(`${storage.path}.index`, savedIndex(storage.writer.size, entries));
  assert.ok(one < second);
  const reader = await storage.open();
  assert.deepEqual(await newest(reader, 1, 100), [1n, null]);
  await contents(reader);
  assert.deepEqual(await newest(reader, 1, 100), [2n, null]);
  assert.deepEqual(storage.lines.length, 1);
  assert.match(storage.lines.join(), /^ERROR.*index names an older revision of the object 0+1 /);
  reader.close();
});

Deno.test("an index that ends with what was undone in place does not hide what comes before", async () => {
  using storage = new Storage();
  storage.commit(5, [9, "nine"]);
  const last = storage.writer.size;
  storage.commit(10, [0, "root"]);
  storage.patch(last + 16, "u".charCodeAt(0));
  const nine = MAGIC_BYTES + TRANSACTION_HEADER_BYTES + "me".length + "transaction 5".length;
  Deno.writeFileSync(`${storage.path}.index`, savedIndex(storage.writer.size, [[9, nine]]));
  const reader = await storage.open();
  assert.equal(reader.lastTid, t(5));
  assert.deepEqual(await newest(reader, 9, 100), [5n, null]);
  reader.close();
});

Deno.test("a long row of revisions is gone through with pauses", async () => {
  using storage = new Storage();
  const count = 1000;
  for (let at = 1; at <= count; at++) storage.commit(at, [0, "root"]);
  const reader = await storage.open();
  let pauses = 0;
  const counted = () => {
    pauses++;
    return Promise.resolve();
  };
  for (const at of [1, 2, 500, 990]) {
    const found = await reader.before(o(0), t(at + 1), counted);
    assert.deepEqual([found?.record.tid, found?.next], [t(at), at === count ? null : t(at + 1)]);
  }
  assert.equal(await reader.before(o(0), t(1), counted), null);
  // 128 revisions at once.
  assert.equal(pauses, 7 + 7 + 3 + 0 + 7);
  reader.close();
});

Deno.test("texts that are too long are cut at a character, and the log says so", () => {
  const lines: string[] = [];
  const log = { log: (level: string, _: string, line: string) => void lines.push(level + line) };
  const long = text("é".repeat(40_000));
  const transaction = { tid: t(1), packed: true, user: text("me"), description: long };
  const { description, extension, ...rest } = fitted({ ...transaction, extension: long }, log);
  assert.deepEqual(rest, { tid: t(1), packed: true, user: text("me") });
  assert.deepEqual(description, text("é".repeat(32_767)));
  assert.equal(extension.length, 0);
  assert.deepEqual(lines.map((line) => /^WARNING.* has 80000 bytes of (\w+)/.exec(line)?.[1]), [
    ...["description", "extension"],
  ]);
  fitted({ ...transaction, description, extension }, log);
  assert.equal(lines.length, 2);
});
