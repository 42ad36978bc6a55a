/** FileStorages that are read by commands. */

import assert from "node:assert/strict";
import { oid, tid } from "../../mod.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { FileOrigin } from "../../tools/transfer/file_origin.ts";

const NOTHING = new Uint8Array(0);
const TRANSACTIONS = 3000;

Deno.test("a file that is read whole at first can be given up", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/Data.fs`;
    const file = fileSystem.open(path, "create") ?? assert.fail("there is no file");
    const writer = new FileStorageWriter({ file });
    for (let number = 1n; number <= TRANSACTIONS; number++) {
      writer.begin({
        ...{ tid: tid(number), packed: false },
        ...{ user: NOTHING, description: NOTHING, extension: NOTHING },
      });
      writer.store({ oid: oid(0n), data: new Uint8Array(1), dataTid: null });
      writer.end();
    }
    writer.flush();
    file.close();
    const controller = new AbortController();
    // Signals of the system come as this does: not before the event loop has come round.
    setTimeout(() => controller.abort(new Error("enough")), 0);
    const log = { log: () => {} };
    const opening = FileOrigin.open(path, { log, signal: controller.signal });
    await assert.rejects(opening, { message: "enough" });
    using origin = await FileOrigin.open(path, { log, signal: new AbortController().signal });
    const { value } = await origin.transactions().next();
    assert.equal(value?.tid, 1n);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
