/** The cache: never a wrong answer, never too big, and what is used most stays longest. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Cache } from "../../nodes/client/cache.ts";
import { CACHE_ITEM_BYTES } from "../../nodes/client/limits.ts";
import { type Oid, oid, type Tid, tid } from "../../nodes/codec/ids.ts";

const DATA_BYTES = 10;

/** Room for `items` items with a little data each. */
function roomFor(items: number): number {
  return items * (DATA_BYTES + CACHE_ITEM_BYTES);
}

function data(seed: number): Uint8Array {
  return new Uint8Array(DATA_BYTES).fill(seed);
}

/** A database whose object `o` was changed by the transactions in its list. */
class Model {
  readonly serials = new Map<Oid, Tid[]>();
  last = 0;

  commit(o: Oid): Tid {
    const serial = tid(BigInt(++this.last));
    const serials = this.serials.get(o) ?? [];
    this.serials.set(o, [...serials, serial]);
    return serial;
  }

  /** The revision before `before`, as a storage would answer. */
  load(o: Oid, before: Tid) {
    const serials = this.serials.get(o) ?? [];
    const at = serials.findLastIndex((serial) => serial < before);
    const serial = serials[at];
    if (serial === undefined) return undefined;
    return { data: data(Number(serial) % 256), serial, nextSerial: serials[at + 1] ?? null };
  }
}

type Step =
  | { readonly do: "commit"; readonly o: number }
  | { readonly do: "load"; readonly o: number; readonly before: number }
  | { readonly do: "reconnect" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("commit" as const), o: fc.nat(6) }),
    fc.record({ do: fc.constant("load" as const), o: fc.nat(6), before: fc.nat(60) }),
    fc.record({ do: fc.constant("reconnect" as const) }),
  ),
  { maxLength: 200 },
);

Deno.test("whatever happens, the cache answers as a storage would, or not at all", () => {
  fc.assert(
    fc.property(steps, fc.nat(8), fc.integer({ min: 1, max: 20 }), (steps, room, lifeTime) => {
      const cache = new Cache(roomFor(room) + 1, lifeTime, 3);
      const model = new Model();
      for (const step of steps) {
        if (step.do === "reconnect") {
          cache.clearCurrent();
          continue;
        }
        const o = oid(BigInt(step.o));
        if (step.do === "commit") {
          const serial = model.commit(o);
          cache.invalidate(o, serial);
          const kept = { data: data(Number(serial) % 256), serial, nextSerial: null };
          if (Number(serial) % 2 === 0) cache.store(o, kept);
        } else {
          const before = tid(BigInt(Math.min(step.before, model.last + 1)));
          const expected = model.load(o, before);
          const found = cache.load(o, before);
          if (found !== undefined) assert.deepEqual(found, expected);
          else if (expected !== undefined) cache.store(o, expected);
        }
        assert.ok(cache.statistics.bytes <= cache.maxBytes);
        assert.ok((cache.queueLengths[0] ?? 0) <= 3);
      }
    }),
    { numRuns: 500 },
  );
});

const A = oid(1n);
const B = oid(2n);
const C = oid(3n);
const T = (n: number) => tid(BigInt(n));
const current = (serial: number) => ({ data: data(serial), serial: T(serial), nextSerial: null });

Deno.test("a revision is found for any bound within its time", () => {
  const cache = new Cache(roomFor(10));
  cache.store(A, { data: data(3), serial: T(3), nextSerial: T(7) });
  assert.equal(cache.load(A, T(3)), undefined);
  assert.equal(cache.load(A, T(4))?.serial, T(3));
  assert.equal(cache.load(A, T(7))?.serial, T(3));
  assert.equal(cache.load(A, T(8)), undefined);
  assert.equal(cache.load(A, null), undefined);
  cache.store(A, current(9));
  assert.equal(cache.load(A, null)?.serial, T(9));
  assert.equal(cache.load(A, T(9)), undefined);
  cache.invalidate(A, T(11));
  assert.equal(cache.load(A, null), undefined);
  assert.equal(cache.load(A, T(11))?.nextSerial, T(11));
  cache.clearCurrent();
  assert.equal(cache.load(A, T(11))?.serial, T(9));
});

Deno.test("what is used more often stays longer", () => {
  const cache = new Cache(roomFor(3));
  cache.store(A, current(1));
  cache.store(B, current(2));
  cache.load(A, null);
  assert.deepEqual(cache.queueLengths, [0, 1, 1]);
  cache.store(C, current(3));
  cache.store(oid(4n), current(4));
  assert.equal(cache.load(B, null), undefined, "the one of least use is gone");
  assert.ok(cache.load(A, null));
  assert.deepEqual(cache.queueLengths, [1, 2, 1]);
});

Deno.test("an object that comes back from the history has its old rank", () => {
  const cache = new Cache(roomFor(1) + 1);
  cache.store(A, current(1));
  cache.load(A, null);
  cache.load(A, null);
  cache.store(B, current(2));
  // A was used more than B, but it is the lowest queue that is evicted first.
  assert.ok(cache.load(A, null) && !cache.load(B, null));
  cache.invalidate(A, T(5));
  cache.store(A, current(5));
  const [history = 0] = cache.queueLengths;
  assert.ok(history > 0);
  assert.equal(cache.queueLengths.findLastIndex((length) => length > 0), 3);
});

Deno.test("what is not used sinks, and is forgotten at last", () => {
  const cache = new Cache(roomFor(10), 3, 1);
  cache.store(A, current(1));
  cache.load(A, null);
  assert.deepEqual(cache.queueLengths, [0, 0, 1]);
  for (let at = 0; at < 20; at++) {
    const o = oid(BigInt(10 + at % 2));
    if (cache.load(o, null) === undefined) cache.store(o, current(10 + at % 2));
  }
  assert.equal(cache.load(A, null), undefined);
  assert.ok((cache.queueLengths[0] ?? 0) <= 1);
});

Deno.test("what is too big is not kept, and statistics tell of hits", () => {
  const cache = new Cache(roomFor(1));
  cache.store(A, { data: new Uint8Array(DATA_BYTES), serial: T(1), nextSerial: null });
  assert.equal(cache.load(A, null), undefined);
  const roomy = new Cache(roomFor(2));
  roomy.store(A, current(1));
  roomy.load(A, null);
  roomy.load(B, null);
  assert.deepEqual(roomy.statistics, {
    loads: 2,
    hits: 1,
    oids: 1,
    bytes: roomFor(1),
    maxBytes: roomFor(2),
  });
  assert.match(String(roomy), /^<ClientCache #loads=2 \(50\.0% hit\) #oids=1 size=\d+ time=2 /);
  roomy.clear();
  assert.match(String(roomy), /#loads=0 #oids=0 size=0 time=0 queue_length=\[0\]/);
});
