import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeHex, encodeHex } from "../../nodes/host/hex.ts";
import { hexId, MAX_ID, oid, partitionOf, tid, ZERO_TID } from "../../nodes/codec/ids.ts";

const anyId = fc.bigInt({ min: 0n, max: MAX_ID });

Deno.test("the partition of an id is its remainder, for small and large ids alike", () => {
  fc.assert(
    fc.property(anyId, fc.integer({ min: 1, max: 2 ** 32 - 1 }), (id, partitions) => {
      assert.equal(partitionOf(oid(id), partitions), Number(id % BigInt(partitions)));
    }),
  );
  const edge = 2n ** 53n;
  for (const id of [0n, 1n, edge - 1n, edge, edge + 1n, MAX_ID]) {
    for (const partitions of [1, 2, 3, 7, 12, 100]) {
      assert.equal(partitionOf(tid(id), partitions), Number(id % BigInt(partitions)));
    }
  }
});

Deno.test("ids are printed as peers print them", () => {
  assert.equal(hexId(ZERO_TID), "0000000000000000");
  assert.equal(hexId(tid(MAX_ID)), "7fffffffffffffff");
  assert.equal(hexId(oid(255n)), "00000000000000ff");
});

Deno.test("bytes become hex digits and come back", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeHex(bytes);
      assert.match(text, /^([0-9a-f]{2})*$/);
      assert.deepEqual(decodeHex(text), bytes);
      assert.deepEqual(decodeHex(text.toUpperCase()), bytes);
    }),
  );
  for (const text of ["0", "0g", "0x00", " 00", "00 ", "é0"]) assert.equal(decodeHex(text), null);
});
