/** A FileStorage that is kept up to date with what is committed while it is imported. */

import assert from "node:assert/strict";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { commit, HISTORY, PARTITIONS, record, Scene } from "./importer_scene.ts";
import { S1, t } from "./values.ts";

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
