/** FileStorages that are written, read, cut short and damaged. */

import assert from "node:assert/strict";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { FileError } from "../../nodes/errors.ts";
import {
  MAGIC_BYTES,
  MAX_DATA_BYTES,
  TRANSACTION_HEADER_BYTES,
  WORD_BYTES,
} from "../../nodes/filestorage/format.ts";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { fitted } from "../../nodes/filestorage/texts.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { contents, newest, o, pause, Storage, t, text } from "./storages.ts";

/** The first transaction, and its first record. */
async function first(reader: FileStorageReader) {
  const transactions = await reader.transactions(ZERO_TID, pause);
  const { current } = transactions;
  const [value] = transactions.records();
  return { current, value };
}

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
