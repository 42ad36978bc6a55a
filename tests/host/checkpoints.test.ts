/** The thread that copies a WAL, where it can't. What it does otherwise: wal.test.ts. */

import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { CHECKPOINT_PAGES, Checkpoints } from "../../nodes/host/checkpoints.ts";
import { inDirectory } from "../support/directory.ts";

/** Far less than a close waits for a thread that does not answer. */
const SOON_MS = 5000;

/** Has a thread started that finds no database, and closes when `ready` says so. */
async function closeWithout(ready: (failed: Promise<void>) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    const path = `${directory}/a.sqlite`;
    // The head of a WAL index that tells of many pages.
    const head = new Uint32Array(34);
    head[4] = CHECKPOINT_PAGES + 1;
    Deno.writeFileSync(`${path}-shm`, new Uint8Array(head.buffer));
    Deno.mkdirSync(path);
    const index = openSync(`${path}-shm`, "r");
    const { promise, resolve } = Promise.withResolvers<void>();
    const checkpoints = new Checkpoints({ path, index, checkpoint() {}, failed: resolve });
    checkpoints.look();
    // The thread does not keep this process alive.
    const alive = setInterval(() => {}, SOON_MS);
    await ready(promise).finally(() => clearInterval(alive));
    const start = performance.now();
    checkpoints.close();
    assert.ok(performance.now() - start < SOON_MS);
    closeSync(index);
  });
}

Deno.test("checkpoints: a thread that can't open the database says so, and is not waited for", () =>
  closeWithout((failed) => failed));

Deno.test("checkpoints: nor is one that has not said so yet", () =>
  closeWithout(() => Promise.resolve()));
