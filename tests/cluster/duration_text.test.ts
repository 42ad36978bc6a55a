/** Times as people read them. */

import assert from "node:assert/strict";
import { durationText } from "../../nodes/cluster/duration_text.ts";

Deno.test("times are told in hours, minutes and seconds", () => {
  const times = [0, 499, 500, 59_499, 59_500, 65_000, 3_599_600, 360_000_000];
  assert.deepEqual(times.map(durationText), [
    ...["00:00:00", "00:00:00", "00:00:01", "00:00:59"],
    ...["00:01:00", "00:01:05", "01:00:00", "100:00:00"],
  ]);
});
