/** Work that nobody waits for, and those who do not wait for it. */

import assert from "node:assert/strict";
import { createConnection, createServer } from "node:net";
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

Deno.test("what clients send is read while work in the background goes on", async () => {
  const host = createNodeHost({ log: { log: () => {} } });
  const background = new Background(host);
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      background.clientAsked();
      socket.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  const client = createConnection({ host: "127.0.0.1", port: address.port, noDelay: true });
  const answers = () => new Promise<void>((resolve) => client.once("data", () => resolve()));
  client.write("?");
  await answers();
  // Each round trip needs two reads; deferred calls alone would allow one in some 120 ms of work.
  let trips = 0;
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      client.write("?");
      await answers();
      trips++;
    }
  })();
  const task = background.task();
  const start = host.monotonic();
  let workedMs = 0;
  while (workedMs < 400) {
    const from = host.monotonic();
    while (!task.isDue);
    workedMs += host.monotonic() - from;
    await task.pause();
  }
  assert(trips >= 10, `${trips} in ${host.monotonic() - start} ms`);
  isOver = true;
  await asking;
  client.destroy();
  server.close();
});
