import assert from "node:assert/strict";
import fc from "fast-check";
import { hexId, MAX_ID, MAX_TID, type Tid, tid } from "../../nodes/codec/ids.ts";
import { addTid, tidFromTime, tidTimeText, timeOfTid } from "../../nodes/cluster/tid_time.ts";

// As NEO 1.11 has them.
const EXAMPLES: [number, string, string][] = [
  [Date.UTC(1970, 0, 1), "023c2b0000000000", "1970-01-01 00:00:00.000000"],
  [Date.UTC(2012, 0, 1, 12, 34, 56), "03937af2eeeeeeee", "2012-01-01 12:34:56.000000"],
  [Date.UTC(2019, 2, 11, 17, 58, 32, 500), "03ce48b68aaaaaaa", "2019-03-11 17:58:32.500000"],
];

for (const [timeMs, hex, text] of EXAMPLES) {
  Deno.test(`the tid of ${text} is ${hex}`, () => {
    const id = tidFromTime(timeMs);
    assert.equal(hexId(id), hex);
    assert.equal(tidTimeText(id), text);
    assert.ok(Math.abs(timeOfTid(id) - timeMs) < 0.001);
  });
}

Deno.test("the tid 0 is the start of 1900", () => {
  assert.equal(tidTimeText(tid(0n)), "1900-01-01 00:00:00.000000");
  assert.equal(timeOfTid(tid(0n)), Date.UTC(1900, 0, 1));
  assert.equal(tidFromTime(Date.UTC(1900, 0, 1)), 0n);
});

Deno.test("a day that no calendar has is shown as it is", () => {
  const high = BigInt(((((2023 - 1900) * 12 + 1) * 31 + 29) * 24 + 7) * 60 + 5);
  assert.equal(tidTimeText(tid(high << 32n)), "2023-02-30 07:05:00.000000");
  assert.equal(tidTimeText(MAX_TID), "5908-11-23 02:07:60.000000");
});

/** Times from 1900 to 2900, with fractions of milliseconds. */
const anyTime = fc.double({
  min: Date.UTC(1900, 0, 1),
  max: Date.UTC(2900, 0, 1),
  noNaN: true,
});

Deno.test("later times never have smaller tids", () => {
  fc.assert(
    fc.property(anyTime, fc.double({ min: 0, max: 1e9, noNaN: true }), (timeMs, laterMs) => {
      assert.ok(tidFromTime(timeMs) <= tidFromTime(timeMs + laterMs));
    }),
  );
});

Deno.test("a time comes back from its tid, as exactly as a number can hold it", () => {
  fc.assert(
    fc.property(anyTime, (timeMs) => {
      const back = timeOfTid(tidFromTime(timeMs));
      // A tid is cut, by less than a 70,000th of a millisecond; a number has 53 bits.
      assert.ok(Math.abs(back - timeMs) <= 0.01, `${timeMs} came back as ${back}`);
    }),
  );
});

Deno.test("a second before a minute's end is still of that minute", () => {
  const endMs = Date.UTC(2024, 1, 29, 23, 59, 59, 999);
  assert.equal(tidTimeText(tidFromTime(endMs)).slice(0, 16), "2024-02-29 23:59");
  assert.equal(tidTimeText(tidFromTime(endMs + 1)), "2024-03-01 00:00:00.000000");
});

/** The calendar minute of the upper half of a tid; null where it names none, as February 30th. */
function minuteOf(high: bigint): number | null {
  const parts = [60n, 24n, 31n, 12n].map((base) => {
    const part = Number(high % base);
    high /= base;
    return part;
  });
  const [minute = 0, hour = 0, day = 0, month = 0] = parts;
  const date = new Date(Date.UTC(1900 + Number(high), month, day + 1, hour, minute));
  return date.getUTCMonth() === month ? date.getTime() : null;
}

/** The upper half of the tids of a calendar minute. */
function highOf(minuteMs: number): bigint {
  const date = new Date(minuteMs);
  const months = BigInt(date.getUTCFullYear() - 1900) * 12n + BigInt(date.getUTCMonth());
  const days = months * 31n + BigInt(date.getUTCDate() - 1);
  return (days * 24n + BigInt(date.getUTCHours())) * 60n + BigInt(date.getUTCMinutes());
}

/** The rule: steps carry from the lower half into calendar minutes. */
function addByCalendar(id: Tid, steps: number): bigint | null {
  const RANGE = 2n ** 32n;
  const sum = id % RANGE + BigInt(steps);
  const minutes = sum >= 0n ? sum / RANGE : -((-sum + RANGE - 1n) / RANGE);
  if (minutes === 0n) return id / RANGE * RANGE + sum;
  const minute = minuteOf(id / RANGE);
  if (minute === null) return null;
  return highOf(minute + Number(minutes) * 60_000) * RANGE + (sum - minutes * RANGE);
}

const validTid = anyTime.map(tidFromTime);
// Any, and those at a minute's border.
const nearBorder = fc.tuple(validTid, fc.integer({ min: -5, max: 5 })).map(([id, near]) =>
  tid((id >> 32n << 32n) + (near < 0 ? 2n ** 32n + BigInt(near) : BigInt(near)))
);

Deno.test("steps follow the calendar from minute to minute", () => {
  fc.assert(
    fc.property(
      fc.oneof(validTid, nearBorder),
      fc.oneof(fc.integer({ min: -200, max: 200 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
      (id, steps) => {
        const expected = addByCalendar(id, steps);
        if (expected === null || expected < 0n || expected > MAX_ID) return;
        assert.equal(addTid(id, steps), expected, `${hexId(id)} + ${steps}`);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("steps there and back come to where they began", () => {
  fc.assert(
    fc.property(fc.oneof(validTid, nearBorder), fc.integer({ min: 1, max: 1000 }), (id, steps) => {
      const later = addTid(id, steps);
      assert.ok(later > id);
      assert.equal(addTid(later, -steps), id);
    }),
  );
});

Deno.test("the step from a short month's end leaves a hole", () => {
  // The last tid of February 2023: the days 29 to 31 do not exist.
  const last = tid((highOf(Date.UTC(2023, 1, 28, 23, 59)) << 32n) + 0xffff_ffffn);
  const next = addTid(last, 1);
  assert.equal(tidTimeText(next), "2023-03-01 00:00:00.000000");
  assert.ok(next - last > 1n);
  assert.equal(addTid(next, -1), last);
  assert.throws(() => addTid(tid(0n), -1), RangeError);
});
