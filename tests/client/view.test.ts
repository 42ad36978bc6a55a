/** What may be cached, and what must not, whatever comes between a question and its answer. */

import assert from "node:assert/strict";
import { Cache } from "../../nodes/client/cache.ts";
import { type Invalidation, Invalidations } from "../../nodes/client/invalidations.ts";
import { MAX_QUEUED_INVALIDATIONS } from "../../nodes/client/limits.ts";
import { View } from "../../nodes/client/view.ts";
import { oid, tid } from "../../nodes/codec/ids.ts";

const A = oid(1n);
const B = oid(2n);
const T = (n: number) => tid(BigInt(n));
const data = new Uint8Array([1, 2, 3]);
const silent = { log: () => {} };

function openView(lastTid: number) {
  const invalidations = new Invalidations(silent);
  const view = new View(new Cache(10_000), invalidations);
  view.reset(T(lastTid));
  return { view, invalidations };
}

Deno.test("an answer is cached as current when nothing came between", () => {
  const { view } = openView(5);
  const load = view.beginLoad(A);
  view.invalidate(T(6), [B]);
  assert.equal(view.endLoad(load, { data, serial: T(3), nextSerial: null }), null);
  assert.equal(view.cache.load(A, null)?.serial, T(3));
});

Deno.test("an answer that an invalidation overtook is cached as old", () => {
  const { view } = openView(5);
  const load = view.beginLoad(A);
  view.invalidate(T(6), [A, B]);
  view.invalidate(T(7), [A]);
  assert.equal(view.endLoad(load, { data, serial: T(3), nextSerial: null }), T(6));
  assert.equal(view.cache.load(A, null), undefined);
  assert.equal(view.cache.load(A, T(6))?.serial, T(3));
});

Deno.test("an answer that is newer than all that was told is not cached", () => {
  const { view } = openView(5);
  const load = view.beginLoad(A);
  assert.equal(view.endLoad(load, { data, serial: T(6), nextSerial: null }), null);
  view.invalidate(T(6), [A]);
  assert.equal(view.cache.statistics.oids, 0);
});

Deno.test("an answer to a question of an earlier session is not cached", () => {
  for (const lastTid of [5, 6]) {
    const { view } = openView(5);
    const load = view.beginLoad(A);
    view.reset(T(lastTid));
    view.endLoad(load, { data, serial: T(3), nextSerial: null });
    assert.equal(view.cache.statistics.oids, 0);
  }
});

Deno.test("a new session keeps of the cache what must still be true", () => {
  const { view, invalidations } = openView(5);
  const told: Invalidation[] = [];
  invalidations.listen((invalidation) => told.push(invalidation));
  view.committed(T(6), [{ oid: A, data }, { oid: B, data: null }]);
  view.committed(T(7), [{ oid: A, data }]);
  view.reset(T(7));
  assert.equal(view.cache.load(A, null)?.serial, T(7));
  view.reset(T(9));
  assert.equal(view.cache.load(A, null), undefined);
  assert.equal(view.cache.load(A, T(7))?.serial, T(6));
  view.reset(T(8));
  assert.equal(view.cache.load(A, T(7)), undefined, "truncation leaves nothing");
  assert.equal(view.lastTid, T(8));
  assert.deepEqual(told, [
    { tid: T(6), oids: [A, B] },
    { tid: T(7), oids: [A] },
    { tid: T(9), oids: null },
    { tid: T(8), oids: null },
  ]);
});

Deno.test("a slow reader of invalidations is told that all is stale", async () => {
  const invalidations = new Invalidations(silent);
  const reader = invalidations.iterate();
  for (let at = 1; at <= MAX_QUEUED_INVALIDATIONS; at++) {
    invalidations.tell({ tid: T(at), oids: [A] });
  }
  assert.deepEqual((await reader.next()).value, { tid: T(1), oids: [A] });
  for (let at = 1; at <= MAX_QUEUED_INVALIDATIONS + 2; at++) {
    invalidations.tell({ tid: T(at), oids: [B] });
  }
  invalidations.close();
  const rest: Invalidation[] = [];
  for await (const invalidation of reader) rest.push(invalidation);
  assert.equal(rest.length, MAX_QUEUED_INVALIDATIONS - 1 + 2);
  assert.deepEqual(rest.slice(-2), [
    { tid: T(MAX_QUEUED_INVALIDATIONS + 1), oids: null },
    { tid: T(MAX_QUEUED_INVALIDATIONS + 2), oids: [B] },
  ]);
  const late = invalidations.iterate();
  assert.equal((await late.next()).done, true);
});
