/** What small data are compressed to: any zlib inflates it. */

import assert from "node:assert/strict";
import { deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { MAX_SMALL_BYTES, SmallDeflater } from "../../nodes/compression/small.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

/** What zlib makes of what became of data; the data themselves where nothing is gained. */
function roundTrip(deflater: SmallDeflater, data: Uint8Array): Uint8Array {
  const deflated = deflater.deflate(data);
  if (deflated === null) return data;
  assert.ok(deflated.length < data.length);
  return new Uint8Array(inflateSync(deflated));
}

Deno.test("whatever is compressed, one after the other, zlib inflates to the same", () => {
  const deflater = new SmallDeflater();
  const parts = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      // Bytes that come again and again, some of them far away, in any length of a match.
      fc.tuple(fc.nat(255), fc.integer({ min: 1, max: MAX_SMALL_BYTES })).map(([byte, count]) =>
        new Uint8Array(count).fill(byte)
      ),
      fc.constantFrom("cpersistent.mapping\nPersistentMapping\n", "}q\x02U\x04data", "K\x01").map(
        ascii,
      ),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(parts, (found) => {
      const data = Uint8Array.from(found.flatMap((part) => [...part])).slice(0, MAX_SMALL_BYTES);
      assert.deepEqual(roundTrip(deflater, data), data);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("every length of a match has its code", () => {
  const deflater = new SmallDeflater();
  for (let length = 3; length <= 258; length++) {
    // What is repeated differs from what follows it the first time.
    const repeated = Uint8Array.from({ length }, (_, at) => at * 7 + (at >> 5));
    for (const gap of [0, 1, 5, 90, 250]) {
      if (length * 2 + gap + 2 > MAX_SMALL_BYTES) continue;
      const between = new Uint8Array(gap + 1).fill(255);
      const data = Uint8Array.from([...repeated, ...between, ...repeated, 254]);
      assert.deepEqual(roundTrip(deflater, data), data);
    }
  }
});

Deno.test("every distance of a match has its code", () => {
  const deflater = new SmallDeflater();
  for (let distance = 1; distance <= MAX_SMALL_BYTES - 3; distance++) {
    // Bytes that differ, and zeros behind them, so that the nearest that is equal is that far away.
    const data = new Uint8Array(Math.min(MAX_SMALL_BYTES, distance + 30));
    for (let at = 0; at < data.length; at++) {
      data[at] = at < distance ? (at < 20 ? at + 1 : 0) : data[at - distance] ?? 0;
    }
    assert.notEqual(deflater.deflate(data), null, `${distance}`);
    assert.deepEqual(roundTrip(deflater, data), data);
  }
});

Deno.test("nothing is made of what does not get smaller, and more is refused", () => {
  const deflater = new SmallDeflater();
  assert.equal(deflater.deflate(new Uint8Array(0)), null);
  assert.equal(deflater.deflate(ascii("short")), null);
  assert.equal(deflater.deflate(crypto.getRandomValues(new Uint8Array(MAX_SMALL_BYTES))), null);
  assert.throws(() => deflater.deflate(new Uint8Array(MAX_SMALL_BYTES + 1)), RangeError);
});

Deno.test("the state that is left of millions of data does no harm", () => {
  const deflater = new SmallDeflater();
  const data = ascii("abcabcabcabcabcabcabc");
  const first = deflater.deflate(data)?.slice();
  // Places are counted up to 2^31, which is reached after so many data.
  for (let i = 0; i < 2 ** 31 / MAX_SMALL_BYTES; i++) deflater.deflate(data);
  assert.deepEqual(deflater.deflate(data), first);
});

Deno.test("small records are no longer than what zlib makes of them", () => {
  const deflater = new SmallDeflater();
  for (let number = 0; number < 100; number++) {
    const text = `some text of object ${number}, `.repeat(3);
    const data = ascii(
      `cpersistent.mapping\nPersistentMapping\nq\x01.}q\x02U\x04textq\x06U${text}`,
    );
    const deflated = deflater.deflate(data);
    assert.ok(deflated !== null && deflated.length <= deflateSync(data).length);
  }
});
