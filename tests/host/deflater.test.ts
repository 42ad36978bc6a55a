/** The thread that compresses. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { ThreadError } from "../../nodes/errors.ts";
import { startDeflater } from "../../nodes/host/deflater.ts";

/** zlib has none like this. */
const WRONG_LEVEL = 99;

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

Deno.test("what can't be compressed is refused to each who asks, and nobody waits for ever", async () => {
  const deflater = startDeflater(WRONG_LEVEL);
  const data = [new Uint8Array(1000)];
  const asked = await Promise.allSettled([deflater.deflate(data), deflater.deflate(data)]);
  asked.push(...await Promise.allSettled([deflater.deflate(data)]));
  deflater.close();
  for (const answer of asked) {
    assert.ok(answer.status === "rejected" && answer.reason instanceof ThreadError);
    assert.match(
      answer.reason.message,
      /^the thread that compresses has failed: [^\n]*level[^\n]*$/,
    );
  }
});

Deno.test("the thread's errors are told by whoever asked, and not by the runtime", async () => {
  const module = import.meta.resolve("../../nodes/host/deflater.ts");
  const program = `
    import { startDeflater } from ${JSON.stringify(module)};
    const deflater = startDeflater(${WRONG_LEVEL});
    await deflater.deflate([new Uint8Array(1000)]).catch(() => console.log("refused"));
    deflater.close();
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `data:text/typescript,${encodeURIComponent(program)}`],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(new TextDecoder().decode(stdout), "refused\n");
});
