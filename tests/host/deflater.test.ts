/** The thread that compresses. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { startDeflater } from "../../nodes/host/deflater.ts";

Deno.test("data are compressed where that makes them smaller, each in its place", async () => {
  const deflater = startDeflater(null);
  const texts = ["", "short", "a".repeat(63), "b".repeat(1000), "c".repeat(100_000)];
  const noise = crypto.getRandomValues(new Uint8Array(1000));
  const data = [...texts.map((text) => new TextEncoder().encode(text)), noise];
  const [whole, empty, again] = await Promise.all([
    deflater.deflate(data),
    deflater.deflate([]),
    deflater.deflate(data.slice(3, 4)),
  ]);
  deflater.close();
  const compressed = whole.map(({ compression }) => compression);
  assert.deepEqual(compressed, [false, false, false, true, true, false]);
  for (const [at, { compression, checksum, data: stored }] of whole.entries()) {
    const plain = compression ? inflateSync(stored) : stored;
    assert.deepEqual(Uint8Array.from(plain), data[at]);
    const expected = createHash("sha1").update(stored).digest();
    assert.deepEqual(Uint8Array.from(checksum), Uint8Array.from(expected));
  }
  assert.deepEqual(empty, []);
  assert.deepEqual(again, whole.slice(3, 4));
});

Deno.test("a thread that has failed says so to all who ask, and lets nobody wait for ever", async () => {
  const deflater = startDeflater(99);
  const data = [new Uint8Array(1000)];
  const asked = await Promise.allSettled([deflater.deflate(data), deflater.deflate(data)]);
  asked.push(...await Promise.allSettled([deflater.deflate(data)]));
  deflater.close();
  for (const { status } of asked) assert.equal(status, "rejected");
});
