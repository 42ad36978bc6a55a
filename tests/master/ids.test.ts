import assert from "node:assert/strict";
import * as fc from "fast-check";
import { oid, partitionOf, tid, ZERO_OID, ZERO_TID } from "../../nodes/codec/ids.ts";
import { addTid, tidFromTime } from "../../nodes/cluster/tid_time.ts";
import type { ClientHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Ids } from "../../nodes/master/ids.ts";

const NOW_MS = Date.UTC(2020, 1, 29, 23, 59, 59, 999);

/** A host whose clock says what it is told. */
function hostAt(clock: { nowMs: number }): ClientHost {
  return { ...createNodeHost({ log: { log: () => {} } }), now: () => clock.nowMs };
}

Deno.test("a tid is the time, and greater than all before it", () => {
  const clock = { nowMs: NOW_MS };
  const ids = new Ids(hostAt(clock), 1);
  assert.deepEqual([ids.lastOid, ids.lastTid, ids.lastTransaction], [ZERO_OID, ZERO_TID, null]);
  const first = ids.newTid();
  assert.equal(first, tidFromTime(NOW_MS));
  assert.equal(ids.newTid(), addTid(first, 1));
  clock.nowMs -= 3_600_000;
  assert.equal(ids.newTid(), addTid(first, 2), "though the clock went back");
  clock.nowMs = NOW_MS + 1000;
  assert.equal(ids.newTid(), tidFromTime(NOW_MS + 1000));
});

Deno.test("a final tid is in the partition of its ttid, and not far in the future", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 0, max: 120_000 }), { maxLength: 30 }),
      (partitions, steps) => {
        const clock = { nowMs: NOW_MS };
        const ids = new Ids(hostAt(clock), partitions);
        let last = ZERO_TID;
        for (const step of steps) {
          clock.nowMs = NOW_MS + step;
          const ttid = ids.newTid();
          const final = ids.newFinalTid(ttid);
          assert.ok(last < ttid && ttid < final);
          assert.equal(partitionOf(final, partitions), partitionOf(ttid, partitions));
          last = final;
        }
        assert.ok(last <= addTid(tidFromTime(NOW_MS + 120_000), (partitions + 1) * 60));
      },
    ),
  );
});

Deno.test("ids that are in use are stepped over, and a reset forgets them", () => {
  const ids = new Ids(hostAt({ nowMs: NOW_MS }), 4);
  const future = tidFromTime(Date.UTC(2030, 0, 1));
  ids.learn({ oid: oid(41n), tid: future });
  ids.learn({ oid: oid(3n), tid: tid(7n) });
  ids.learn({ oid: null, tid: null });
  assert.deepEqual(ids.newOids(2), [42n, 43n]);
  assert.equal(ids.newTid(), addTid(future, 1));
  ids.committed(future);
  ids.reset();
  assert.deepEqual([ids.lastOid, ids.lastTid, ids.lastTransaction], [ZERO_OID, ZERO_TID, future]);
});

Deno.test("where the clock is behind, ids of masters that are gone are not given again", () => {
  const clock = { nowMs: NOW_MS };
  const known = tidFromTime(NOW_MS + 1000);
  const firsts = new Set(Array.from({ length: 20 }, () => {
    const ids = new Ids(hostAt(clock), 1);
    ids.learn({ tid: known });
    ids.passByForgotten();
    const first = ids.newTid();
    assert.ok(first > known && first < tidFromTime(NOW_MS + 60_000));
    return first;
  }));
  assert.ok(firsts.size > 10);
  clock.nowMs += 2000;
  const ids = new Ids(hostAt(clock), 1);
  ids.learn({ tid: known });
  ids.passByForgotten();
  assert.equal(ids.newTid(), tidFromTime(clock.nowMs));
});
