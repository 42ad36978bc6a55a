import assert from "node:assert/strict";
import fc from "fast-check";
import { NODE_TYPES } from "../../gen/packets.ts";
import { nid } from "../../nodes/codec/ids.ts";
import {
  isTemporary,
  MAX_NODE_NUMBER,
  nidText,
  nodeId,
  nodeTypeOf,
  parseNid,
} from "../../nodes/cluster/node_ids.ts";

Deno.test("the first id of each type is that of NEO 1.11", () => {
  assert.equal(nodeId("STORAGE", 1), 0x00000001);
  assert.equal(nodeId("MASTER", 1), -0x0fffffff);
  assert.equal(nodeId("MASTER", 1) >>> 0, 0xf0000001);
  assert.equal(nodeId("CLIENT", 1) >>> 0, 0xe0000001);
  assert.equal(nodeId("ADMIN", 1) >>> 0, 0xd0000001);
});

Deno.test("an id tells its type, and its text is read back", () => {
  const letters = { STORAGE: "S", MASTER: "M", CLIENT: "C", ADMIN: "A" };
  fc.assert(
    fc.property(
      fc.constantFrom(...NODE_TYPES),
      fc.integer({ min: 1, max: MAX_NODE_NUMBER }),
      (type, number) => {
        const id = nodeId(type, number);
        assert.equal(nodeTypeOf(id), type);
        assert.equal(nidText(id), `${letters[type]}${number}`);
        assert.equal(parseNid(nidText(id)), id);
        // Only storages keep their ids.
        assert.equal(isTemporary(id), type !== "STORAGE");
      },
    ),
  );
});

Deno.test("numbers of nodes are 1 to 2^24-1", () => {
  for (const number of [0, -1, 1.5, NaN, MAX_NODE_NUMBER + 1]) {
    assert.throws(() => nodeId("CLIENT", number), RangeError);
  }
  assert.equal(nidText(nodeId("CLIENT", MAX_NODE_NUMBER)), "C16777215");
});

Deno.test("ids of no namespace are of no type, and still have a text", () => {
  for (const id of [0x10000001, -1, 0x00ffffff + 1, 0xc0000001 | 0]) {
    assert.equal(nodeTypeOf(nid(id)), null);
    assert.equal(nidText(nid(id)), `?${id}`);
  }
  // The number 0 is none.
  assert.equal(nodeTypeOf(nid(0xf0000000 | 0)), null);
  assert.equal(nidText(null), "None");
});

Deno.test("texts that name no node are told apart", () => {
  for (const text of ["", "S", "S0", "s1", "X1", "S-1", "S1.5", " S1", "S1 ", "S16777216", "1"]) {
    assert.equal(parseNid(text), null, JSON.stringify(text));
  }
  assert.equal(parseNid("S16777215"), MAX_NODE_NUMBER);
});
