import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addressText,
  parseAddress,
  parseAddresses,
  sameAddress,
} from "../../nodes/cluster/addresses.ts";
import { ConfigurationError } from "../../nodes/errors.ts";

Deno.test("addresses are read as people write them", () => {
  const forms: [string, string, number][] = [
    ["127.0.0.1:10000", "127.0.0.1", 10000],
    ["127.0.0.1", "127.0.0.1", 9999],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["[::1]:10000", "::1", 10000],
    ["[::1]", "::1", 9999],
    ["::1", "::1", 9999],
    ["fe80::1:2", "fe80::1:2", 9999],
    ["master.example.org:65535", "master.example.org", 65535],
    ["localhost", "localhost", 9999],
  ];
  for (const [text, host, port] of forms) {
    assert.deepEqual(parseAddress(text, 9999), { host, port }, text);
  }
});

Deno.test("what is no address is refused, and shown", () => {
  for (
    const text of [
      "",
      ":10000",
      "[]:1",
      "a b:1",
      "host:65536",
      "host:99999999999",
      "[::1",
      "::1]",
      "http://x/",
    ]
  ) {
    assert.throws(() => parseAddress(text, 1), (error: Error) => {
      assert.ok(error instanceof ConfigurationError, text);
      assert.ok(error.message.includes(JSON.stringify(text)), error.message);
      return true;
    });
  }
});

Deno.test("an address is read back from its text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (host, port) => {
      assert.deepEqual(parseAddress(addressText({ host, port }), 1), { host, port });
    }),
  );
});

Deno.test("lists of addresses are separated by any white space", () => {
  assert.deepEqual(parseAddresses(" a:1\t\n b ", 7), [
    { host: "a", port: 1 },
    { host: "b", port: 7 },
  ]);
  assert.deepEqual(parseAddresses("  ", 7), []);
});

Deno.test("addresses are the same by their parts", () => {
  const a = { host: "a", port: 1 };
  assert.equal(sameAddress(a, { ...a }), true);
  assert.equal(sameAddress(a, { ...a, port: 2 }), false);
  assert.equal(sameAddress(a, { ...a, host: "b" }), false);
  assert.equal(sameAddress(a, null), false);
  assert.equal(sameAddress(null, null), true);
});
