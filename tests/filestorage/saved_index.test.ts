/** Indexes beside FileStorages: those that are right spare a look at everything, no other does. */

import assert from "node:assert/strict";
import { MAGIC_BYTES, TRANSACTION_HEADER_BYTES } from "../../nodes/filestorage/format.ts";
import { contents, newest, Storage, t } from "./storages.ts";

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
