/** What the checker refuses, and how long it takes. */

import assert from "node:assert/strict";
import type { HistoryEvent } from "./history.ts";
import {
  A,
  B,
  begin,
  check,
  end,
  finish,
  read,
  resolve,
  rulesBroken,
  store,
  told,
} from "./script.ts";

Deno.test("what is no history is refused", () => {
  assert.throws(() => rulesBroken([finish("1")]), /transaction 1 was not begun/);
  assert.throws(() => rulesBroken([begin("1", 10), begin("1", 10)]), /begun twice/);
  assert.throws(() => rulesBroken([begin("1", 10, "nobody")]), /client nobody was not opened/);
  assert.throws(
    () => rulesBroken([begin("1", 10), resolve("1", A, ["a1", "a1", "a2"])]),
    /which it never stored/,
  );
});

Deno.test("a long history takes a time in proportion to its length", () => {
  const measure = (length: number) => {
    const events: HistoryEvent[] = [];
    for (let number = 1; number <= length; number++) {
      const [tid, before] = [10 + number, 9 + number];
      const tx = String(number);
      events.push(begin(tx, before));
      events.push(read(tx, A, before, number === 1 ? "a1" : `a-${number - 1}`));
      events.push(store(tx, A, before, `a-${number}`));
      events.push(check(tx, B, 10), finish(tx), told("c", tid, [A]), end(tx, tid));
    }
    const start = performance.now();
    assert.deepEqual(rulesBroken(events), []);
    return performance.now() - start;
  };
  // Others may use the machine meanwhile: the best of some runs is what the work itself takes.
  const best = (length: number) => Math.min(...[1, 2, 3, 4].map(() => measure(length)));
  const [short, long] = [best(2000), best(20_000)];
  assert.ok(long < 50 * short, `${short} ms for 2000, ${long} ms for 20000`);
});
