/** Object data as they travel. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { MAX_OBJECT_BYTES, MIN_COMPRESS_BYTES } from "../../nodes/client/limits.ts";
import { decodeData, encodeData, isPresent, NO_DATA } from "../../nodes/client/object_data.ts";
import { StorageError } from "../../mod.ts";
import { bytes } from "./texts.ts";

const compressible = new Uint8Array(MIN_COMPRESS_BYTES).fill(7);
const sha1 = (data: Uint8Array) => new Uint8Array(createHash("sha1").update(data).digest());

Deno.test("data are compressed where that pays, and have the checksum of what is sent", () => {
  const random = crypto.getRandomValues(new Uint8Array(1000));
  const cases: [Uint8Array, boolean | number, boolean][] = [
    [compressible, true, true],
    [compressible, 9, true],
    [compressible, false, false],
    [compressible.subarray(1), true, false],
    [random, true, false],
    [new Uint8Array(0), true, false],
  ];
  for (const [data, compression, isCompressed] of cases) {
    const stored = encodeData(data, compression);
    assert.equal(stored.compression, isCompressed);
    assert.deepEqual(new Uint8Array(stored.checksum), sha1(stored.data));
    assert.ok(stored.data.length < data.length || !isCompressed);
    assert.ok(isPresent(stored));
    assert.deepEqual(decodeData(stored), data);
  }
});

Deno.test("zlib is tried on all that it may shrink, however even its bytes are", () => {
  const row = Uint8Array.from({ length: 1024 }, (_, at) => at);
  const numbers = new Uint8Array(new Float64Array(1024).map((_, at) => at / 7).buffer);
  const letters = bytes(btoa(String.fromCharCode(...numbers)));
  for (const data of [row, numbers, letters, compressible]) {
    assert.equal(encodeData(data, true).compression, true);
  }
});

Deno.test("no data and empty data are different", () => {
  assert.equal(isPresent(NO_DATA), false);
  assert.equal(isPresent(encodeData(new Uint8Array(0), true)), true);
});

Deno.test("what is damaged is not taken", () => {
  const stored = encodeData(compressible, true);
  const damaged = stored.data.slice();
  damaged[5] = (damaged[5] ?? 0) ^ 1;
  assert.equal(decodeData({ ...stored, data: damaged }), null);
  assert.equal(decodeData({ ...stored, data: damaged, checksum: sha1(damaged) }), null);
  const half = deflateSync(compressible).subarray(0, 6);
  assert.equal(decodeData({ compression: true, data: half, checksum: sha1(half) }), null);
});

Deno.test("decoded data are nobody else's, and hold no more memory than they need", () => {
  const plain = encodeData(compressible, false);
  const packed = encodeData(compressible, true);
  for (const stored of [plain, packed]) {
    const data = decodeData(stored);
    assert.notEqual(data?.buffer, stored.data.buffer);
    assert.equal(data?.buffer.byteLength, compressible.length);
  }
});

Deno.test("data that no packet can hold are refused, unless compression helps", () => {
  const big = new Uint8Array(MAX_OBJECT_BYTES + 1);
  assert.throws(() => encodeData(big, false), StorageError);
  assert.deepEqual(decodeData(encodeData(big, 1)), big);
});
