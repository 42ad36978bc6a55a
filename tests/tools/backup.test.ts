/** Backup files: what is written is read, and damage of any kind is told. */

import assert from "node:assert/strict";
import { MAX_TID, type Oid, oid, type Tid, tid } from "../../mod.ts";
import { FileError } from "../../nodes/errors.ts";
import { beginNext, fileName, readSeries } from "../../tools/backup/series.ts";
import { SeriesOrigin } from "../../tools/backup/series_origin.ts";
import { BackupWriter } from "../../tools/backup/writer.ts";
import { parseTid } from "../../tools/transfer/range.ts";
import type { NewRecord } from "../../tools/transfer/transaction.ts";
import { inDirectory } from "../support/directory.ts";

const t = (value: number): Tid => tid(BigInt(value));
const o = (value: number): Oid => oid(BigInt(value));
const text = (value: string) => new TextEncoder().encode(value);

async function* records(tid: number): AsyncGenerator<NewRecord, void, void> {
  yield { oid: o(1), data: text(`data of ${tid}`), dataTid: null };
  await Promise.resolve();
  yield { oid: o(2), data: null, dataTid: null };
  yield { oid: o(3), data: text(""), dataTid: t(1) };
}

/** Writes a file with a transaction for each tid. Returns its path. */
async function write(
  directory: string,
  range: { readonly from: number; readonly to: number },
  { tids = [range.to], cluster = "test" } = {},
): Promise<string> {
  const [from, to] = [t(range.from), t(range.to)];
  const previous = readSeries(directory).at(-1)?.digest ?? null;
  const path = `${directory}/${fileName({ from, to })}`;
  using next = beginNext(directory);
  const writer = new BackupWriter(next, { cluster, from, to, previous });
  for (const tid of tids) {
    const [user, description, extension] = [text("me"), text(`transaction ${tid}`), text("")];
    await writer.write({
      ...{ tid: t(tid), packed: tid % 2 === 0, user, description, extension },
      records: records(tid),
    });
  }
  writer.finish(path);
  return path;
}

/** All that a directory has up to a tid. */
async function read(directory: string, to?: Tid): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const transaction of new SeriesOrigin(readSeries(directory), to).transactions()) {
    const { records, ...rest } = transaction;
    found.push({ ...rest, records: await Array.fromAsync(records) });
  }
  return found;
}

async function expected(...tids: number[]): Promise<unknown[]> {
  return await Array.fromAsync(tids, async (tid) => ({
    tid: t(tid),
    packed: tid % 2 === 0,
    user: text("me"),
    description: text(`transaction ${tid}`),
    extension: text(""),
    records: await Array.fromAsync(records(tid)),
  }));
}

Deno.test("what was backed up in several runs comes back, up to any tid", () =>
  inDirectory(async (directory) => {
    await write(directory, { from: 0, to: 20 }, { tids: [10, 15, 20] });
    await write(directory, { from: 21, to: 30 });
    await write(directory, { from: 31, to: 31 });
    assert.deepEqual(await read(directory), await expected(10, 15, 20, 30, 31));
    assert.deepEqual(await read(directory, t(15)), await expected(10, 15));
    assert.deepEqual(await read(directory, t(29)), await expected(10, 15, 20));
    assert.deepEqual(await read(directory, MAX_TID), await expected(10, 15, 20, 30, 31));
    assert.deepEqual(await read(directory, t(1)), []);
  }));

Deno.test("no changed byte and no missing one goes unnoticed", () =>
  inDirectory(async (directory) => {
    const path = await write(directory, { from: 0, to: 20 }, { tids: [10, 20] });
    const sound = Deno.readFileSync(path);
    for (let at = 0; at < sound.length; at++) {
      const damaged = sound.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x11;
      Deno.writeFileSync(path, damaged);
      await assert.rejects(read(directory), FileError, `byte ${at}`);
    }
    for (const missing of [1, 40, 60, sound.length - 20, sound.length]) {
      Deno.writeFileSync(path, sound.subarray(0, sound.length - missing));
      await assert.rejects(read(directory), FileError, `${missing} bytes`);
    }
    Deno.writeFileSync(path, Uint8Array.of(...sound, 0));
    await assert.rejects(read(directory), FileError);
    Deno.writeFileSync(path, sound);
    assert.deepEqual(await read(directory), await expected(10, 20));
  }));

Deno.test("no file of a series may be missing, renamed or another one", () =>
  inDirectory(async (directory) => {
    const first = await write(directory, { from: 0, to: 20 });
    const second = await write(directory, { from: 21, to: 30 });
    await write(directory, { from: 31, to: 40 });
    await Deno.rename(second, `${directory}/second`);
    assert.throws(() => readSeries(directory), /does not follow/);
    await Deno.rename(
      `${directory}/second`,
      `${directory}/${fileName({ from: t(21), to: t(29) })}`,
    );
    assert.throws(() => readSeries(directory), /is in fact/);
    await Deno.rename(`${directory}/${fileName({ from: t(21), to: t(29) })}`, second);
    assert.equal(readSeries(directory).length, 3);
    await Deno.rename(first, `${directory}/first`);
    assert.throws(() => readSeries(directory), /does not follow: the first/);
    const other = await Deno.makeTempDir({ dir: directory });
    await Deno.rename(await write(other, { from: 0, to: 20 }, { tids: [19, 20] }), first);
    assert.throws(() => readSeries(directory), /was written after another file/);
  }));

Deno.test("a directory is added to by one process at a time, whatever a killed one left", () =>
  inDirectory(async (directory) => {
    Deno.writeTextFileSync(`${directory}/next.neobackup.part`, "left behind");
    {
      using _ = beginNext(directory);
      assert.deepEqual(readSeries(directory), []);
      await assert.rejects(write(directory, { from: 0, to: 20 }), /another process is writing/);
    }
    assert.equal([...Deno.readDirSync(directory)].length, 0);
    await write(directory, { from: 0, to: 20 });
    assert.equal([...Deno.readDirSync(directory)].length, 1);
    assert.equal(readSeries(directory).length, 1);
  }));

Deno.test("a directory that can't be made is refused with its name", () =>
  inDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    for (const path of [`${directory}/file`, `${directory}/file/below`]) {
      assert.throws(() => beginNext(path), (error) => {
        assert.ok(error instanceof FileError && error.message.includes(path), String(error));
        return true;
      });
    }
  }));

Deno.test("tids are hex digits or times", () => {
  assert.equal(parseTid("00000000000000ff", "--to"), 255n);
  assert.equal(parseTid("0xff", "--to"), 255n);
  assert.equal(parseTid("1970-01-01T00:00:00Z", "--to"), 37_497_600n << 32n);
  for (
    const wrong of [
      "",
      "ff",
      "255",
      "tomorrow",
      "0x8000000000000000",
      "2024-13-01",
      "1800-01-01",
      "9999-01-01",
    ]
  ) {
    assert.throws(() => parseTid(wrong, "--to"), /--to: expected a tid/, wrong);
  }
});
