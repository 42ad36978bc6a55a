/** A FileStorage that is kept up to date with what is committed while it is imported. */

import assert from "node:assert/strict";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import type { Backend } from "../../nodes/storage/backend/backend.ts";
import { ascii, commit, HISTORY, PARTITIONS, record, Scene } from "./importer_scene.ts";
import { S1, t } from "./values.ts";

/** Opens what has all partitions, and writes back. */
async function openWhole(scene: Scene): Promise<Backend> {
  const backend = await scene.open({ writeBack: true });
  backend.settings.nid = S1;
  const cells = [{ nid: S1, state: "UP_TO_DATE" as const }];
  backend.table.replace(
    1,
    Array.from({ length: PARTITIONS }, (_, offset) => ({ offset, cells })),
  );
  return backend;
}

function read(path: string): Promise<FileStorageReader> {
  const log = { log: () => {} };
  return FileStorageReader.open({ files: fileSystem, path, log, pause: () => Promise.resolve() });
}

Deno.test("writing back keeps what it cuts off, and goes on behind whole transactions", async () => {
  await using scene = new Scene().source("root", HISTORY);
  const [source] = scene.sources;
  assert.ok(source !== undefined);
  const { path } = source;
  const whole = Deno.readFileSync(path);
  const tail = whole.slice(4, 60);
  for (const [number, at] of [60, 70].entries()) {
    Deno.writeFileSync(path, tail, { append: true });
    const backend = await openWhole(scene);
    await commit(backend, at, 1, record(`new ${at}`));
    await scene.import(50);
    await scene.close();
    assert.deepEqual(Deno.readFileSync(`${path}.tr${number}`), tail);
    assert.match(scene.lines.join("\n"), new RegExp(`now in ${path}\\.tr${number}`));
    const reader = await read(path);
    assert.deepEqual([reader.lastTid, reader.end], [t(at), Deno.statSync(path).size]);
    reader.close();
  }
  assert.deepEqual(Deno.readFileSync(path).subarray(0, whole.length), whole);
});

Deno.test("a text that no FileStorage has room for does not stop what is behind it", async () => {
  await using scene = new Scene().source("root", HISTORY);
  const [source] = scene.sources;
  assert.ok(source !== undefined);
  const backend = await openWhole(scene);
  await commit(backend, 60, 1, record("with much to say"), ascii("x".repeat(70_000)));
  await commit(backend, 70, 2, record("and with little"));
  await scene.import(50);
  await scene.close();
  const reader = await read(source.path);
  const texts = [...reader.backwards()].slice(0, 2).map((found) => [found.tid, found.description]);
  assert.deepEqual(texts, [[t(70), 0], [t(60), 65_535]]);
  reader.close();
  assert.match(scene.lines.join("\n"), /^WARNINGthe transaction 0+3c has 70000 bytes of descr/m);
});
