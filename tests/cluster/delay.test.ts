import assert from "node:assert/strict";
import { delay } from "../../nodes/cluster/delay.ts";
import { SimulatedWorld } from "../sim/world.ts";

Deno.test("a delay ends after its time", async () => {
  const world = new SimulatedWorld(1);
  await world.run(delay(world.host("a"), 500));
  assert.ok(world.clock.nowMs >= 500 && world.clock.nowMs < 510);
  // One that ended does not mind its signal any more.
  const abort = new AbortController();
  await world.run(delay(world.host("a"), 500, abort.signal));
  abort.abort();
});

Deno.test("a delay that is aborted ends at once, and leaves no timer", async () => {
  const world = new SimulatedWorld(1);
  const abort = new AbortController();
  const waiting = delay(world.host("a"), 1_000_000, abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
  await assert.rejects(delay(world.host("a"), 1, abort.signal), { message: "enough" });
  assert.equal(world.clock.nextTimeMs(), null);
});
