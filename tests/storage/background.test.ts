/** Work that nobody waits for, and those who do not wait for it. */

import assert from "node:assert/strict";
import type { NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Background } from "../../nodes/storage/background.ts";

/** A background on a clock that the test sets, and the rests that it takes, in milliseconds. */
function scene(): { background: Background; rests: number[]; work(ms: number): void } {
  let nowMs = 0;
  const rests: number[] = [];
  const host: NodeHost = {
    ...createNodeHost({ log: { log: () => {} } }),
    monotonic: () => nowMs,
    setTimer: (delayMs, callback) => {
      rests.push(delayMs);
      queueMicrotask(callback);
      return { cancel: () => {} };
    },
  };
  return { background: new Background(host), rests, work: (ms) => void (nowMs += ms) };
}

const NEVER = new AbortController().signal;

Deno.test("a stint is shared when a client has asked for something meanwhile", () => {
  const { background } = scene();
  background.clientAsked();
  const stint = background.stint();
  assert.equal(stint.isShared(), false);
  background.clientAsked();
  assert.equal(stint.isShared(), true);
  assert.equal(background.stint().isShared(), false);
});

Deno.test("a stint is followed by a rest of the same length, unless that is very long", async () => {
  const { background, rests, work } = scene();
  const short = background.stint();
  work(30);
  await short.rest(NEVER);
  const long = background.stint();
  work(60_000);
  await long.rest(NEVER);
  assert.deepEqual(rests, [30, 500]);
});

Deno.test("who is not wanted any more does not rest", async () => {
  const { background, work } = scene();
  const stint = background.stint();
  work(30);
  await assert.rejects(stint.rest(AbortSignal.abort(new Error("over"))), /over/);
});
