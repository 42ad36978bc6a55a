/** References in pickles that Python wrote: found, and moved. */

import assert from "node:assert/strict";
import { type Oid, oid } from "../../nodes/codec/ids.ts";
import { PickleError } from "../../nodes/pickle/errors.ts";
import { PlainLoader } from "../../nodes/pickle/plain.ts";
import { mapReferences, referencesOf } from "../../nodes/pickle/references.ts";

interface Vectors {
  readonly shift: number;
  readonly moved: readonly {
    readonly protocol: number;
    readonly form: string;
    readonly before: string;
    readonly after: string;
  }[];
  readonly refused: readonly {
    readonly protocol: number;
    readonly form: string;
    readonly record: string;
  }[];
}

const vectors: Vectors = JSON.parse(
  Deno.readTextFileSync(new URL("../vectors/pickles.json", import.meta.url)),
);
const SHIFT = BigInt(vectors.shift);

/** A long text in the records, which the file abbreviates. */
const FILLER = "78".repeat(70_000);

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
const record = (hex: string) => bytes(hex.replace("@", FILLER));
const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const shifted = (id: Oid) => ({ oid: oid(id + SHIFT), keepsClass: true });
const oids = (data: Uint8Array) => referencesOf(data).map((reference) => reference.oid);

for (const { protocol, form, before, after } of vectors.moved) {
  Deno.test(`references are moved: ${form}, protocol ${protocol}`, () => {
    const original = record(before);
    const untouched = original.slice();
    const moved = mapReferences(original, shifted);
    assert.deepEqual(original, untouched);
    assert.deepEqual(referencesOf(moved), referencesOf(record(after)));
    assert.ok(oids(moved).length > 4);
    // Before protocol 3, Python 3 writes bytes as a call, in whose place plain bytes come.
    if (protocol >= 3) assert.deepEqual(moved, record(after));
    const back = mapReferences(moved, (id) => ({ oid: oid(id - SHIFT), keepsClass: true }));
    assert.deepEqual(referencesOf(back), referencesOf(original));
    assert.equal(mapReferences(original, () => null), original);
  });

  Deno.test(`records that are cut short are refused: ${form}, protocol ${protocol}`, () => {
    const short = record(before.replace("@", ""));
    for (let length = 1; length < short.length; length++) {
      try {
        referencesOf(short.subarray(0, length));
      } catch (error) {
        assert.ok(error instanceof PickleError, String(error));
      }
    }
  });
}

for (const { protocol, form, record: hex } of vectors.refused) {
  Deno.test(`references that have no meaning here are refused: ${form}, ${protocol}`, () => {
    assert.throws(() => mapReferences(record(hex), shifted), PickleError);
  });
}

Deno.test("a class beside a mount point goes, also where others refer to its number", () => {
  // ((oid 1, module.Name), (oid 2, the same class)), as cPickle writes it.
  const original = ascii(
    "((U\x08\0\0\0\0\0\0\0\x01q\x01cmodule\nName\nq\x02tQ(U\x08\0\0\0\0\0\0\0\x02q\x03h\x02tQt.",
  );
  const mount = { oid: oid(9n), keepsClass: false };
  assert.deepEqual(
    mapReferences(original, (id) => (id === 2n ? mount : null)),
    ascii("((U\x08\0\0\0\0\0\0\0\x01q\x01cmodule\nName\nq\x02tQU\x08\0\0\0\0\0\0\0\x09Qt."),
  );
  const moved = mapReferences(original, (id) => (id === 1n ? mount : null));
  assert.deepEqual(
    moved,
    ascii(
      "((U\x08\0\0\0\0\0\0\0\x01q\x01cmodule\nName\nq\x02t0U\x08\0\0\0\0\0\0\0\x09Q" +
        "(U\x08\0\0\0\0\0\0\0\x02q\x03h\x02tQt.",
    ),
  );
  assert.deepEqual(oids(moved), [9n, 2n]);
});

Deno.test("an oid that is also a value stays the value that it is", () => {
  const original = ascii("(U\x08\0\0\0\0\0\0\0\x01q\x01h\x01Qt.");
  const moved = mapReferences(original, shifted);
  assert.deepEqual(
    moved,
    ascii("(U\x08\0\0\0\0\0\0\0\x01q\x01U\x08\0\0\0\0\0\0\x10\x01Qt."),
  );
});

Deno.test("references of protocol 0 are lines, or strings with escapes", () => {
  const line = mapReferences(ascii("(lp0\nPabcdefgh\na."), () => ({
    oid: oid(10n),
    keepsClass: true,
  }));
  assert.deepEqual(line, ascii("(lp0\nU\x08\0\0\0\0\0\0\0\x0aQa."));
  const escaped = ascii("S'\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\n'\np1\nQ.");
  assert.deepEqual(oids(escaped), [0x10an]);
});

Deno.test("nonsense is refused, whatever it is", () => {
  for (const text of ["Q", "Q.", "(Q.", "tQ.", "NNQ.", "h\x01Q.", "\xffQ", "U\xffQ.", "cQ\n"]) {
    assert.throws(() => referencesOf(ascii(text)), PickleError, JSON.stringify(text));
  }
});

Deno.test("records that would take too much memory are refused", () => {
  for (const opcode of ["N", "(", "\x94"]) {
    const many = new Uint8Array((1 << 22) + 100).fill(opcode.charCodeAt(0));
    many.set(ascii("N]Q"));
    assert.throws(() => referencesOf(many), PickleError, opcode);
  }
});

Deno.test("a record with very many references that are written anew, in frames, is moved", () => {
  const count = 20_000;
  const frame = "\x95\0\0\0\0\0\0\0\0";
  const one = `${frame}S'\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\n'\np1\nQ`;
  const moved = mapReferences(ascii(`(${one.repeat(count)}t.`), shifted);
  const short = "U\x08\0\0\0\0\0\0\x11\nQ";
  assert.deepEqual(moved, ascii(`(${short.repeat(count)}t.`));
});

Deno.test("plain values that would take for ever are refused", () => {
  // A number whose making takes the square of its length, and a tree of 2^64 leaves as a key.
  const number = new Uint8Array(4 << 20);
  number.set([0x8b, 0, 0, 0x3f, 0]);
  number[number.length - 1] = 0x2e;
  assert.throws(() => new PlainLoader(number).load(), /a number has \d+ bytes/);
  const tree = Array.from({ length: 64 }, (_, at) =>
    `q${String.fromCharCode(at)}h` +
    `${String.fromCharCode(at)}\x86`).join("");
  assert.throws(() => new PlainLoader(ascii(`}N${tree}Ns.`)).load(), /a key is no plain value/);
});
