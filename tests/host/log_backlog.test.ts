/** The log records that a node keeps in memory. */

import assert from "node:assert/strict";
import { LogBacklog, MAX_RECORDED_BODY_BYTES } from "../../nodes/host/log_backlog.ts";

/** What a backlog shows, as texts. */
function contents(backlog: LogBacklog): string[] {
  const shown: string[] = [];
  backlog.visit({
    message: ({ date, node, level, module, text }) =>
      shown.push(`${date} ${node} ${level} ${module} ${text}`),
    packet: ({ date, node, peer, id, code, body }) =>
      shown.push(`${date} ${node} ${peer} ${id} ${code} ${body === null ? "-" : [...body]}`),
  });
  return shown;
}

const frame = (length: number) => ({
  id: 7,
  code: 0x8001,
  bytes: Uint8Array.from({ length: length + 2 }, (_, at) => at % 256),
  start: 1,
  end: length + 1,
});

Deno.test("records come out as they went in, and in their order", () => {
  const backlog = new LogBacklog();
  backlog.message(1.5, 0, "INFO", "storage", "grüße\n€ 𝄞");
  backlog.packet(2.5, 1, "<", "C1 (127.0.0.1:44326)", frame(3));
  backlog.packet(3, 0xffff, ">", "M1 ([::1]:24240)", frame(0));
  backlog.message(4, 2, "CRITICAL", "", "");
  assert.deepEqual(contents(backlog), [
    "1.5 0 INFO storage grüße\n€ 𝄞",
    "2.5 1 < C1 (127.0.0.1:44326) 7 32769 1,2,3",
    "3 65535 > M1 ([::1]:24240) 7 32769 ",
    "4 2 CRITICAL  ",
  ]);
  backlog.clear();
  assert.equal(backlog.empty, true);
  assert.deepEqual(contents(backlog), []);
});

Deno.test("a body of any size that is recorded stays whole", () => {
  const backlog = new LogBacklog();
  const sizes = [63, 64, 65, 5000, 1 << 20, MAX_RECORDED_BODY_BYTES];
  for (const size of sizes) backlog.packet(1, 0, "<", "S1", frame(size));
  const found: number[] = [];
  backlog.visit({
    message: () => assert.fail("no message was recorded"),
    packet: ({ body }) => {
      assert.ok(body !== null && body.every((byte, at) => byte === (at + 1) % 256));
      found.push(body.length);
    },
  });
  assert.deepEqual(found, sizes);
});

Deno.test("of a body that is too large only the packet is recorded", () => {
  const backlog = new LogBacklog();
  backlog.packet(1, 0, "<", "S1", frame(MAX_RECORDED_BODY_BYTES + 1));
  assert.deepEqual(contents(backlog), ["1 0 < S1 7 32769 -"]);
});

Deno.test("the oldest records make room for new ones, and the newest are always there", () => {
  const backlog = new LogBacklog();
  const count = 40_000;
  for (let number = 0; number < count; number++) {
    backlog.message(number, 0, "DEBUG", "m", `message ${number}`);
  }
  const shown = contents(backlog);
  // 16 MiB, of which each record takes 1160 bytes and its text; whole pieces are dropped.
  assert.ok(shown.length > 12_500 && shown.length < 14_500, `${shown.length} records`);
  assert.equal(shown.at(-1), `${count - 1} 0 DEBUG m message ${count - 1}`);
  assert.equal(shown[0], `${count - shown.length} 0 DEBUG m message ${count - shown.length}`);
});

Deno.test("large records drop small ones, and the other way round", () => {
  const backlog = new LogBacklog();
  for (let number = 0; number < 30; number++) {
    backlog.packet(number, 0, "<", "S1", frame(1 << 21));
    backlog.message(number, 0, "DEBUG", "m", "x".repeat(1 << 10));
  }
  let bytes = 0;
  let last = -1;
  backlog.visit({
    message: ({ date, text }) => {
      bytes += text.length;
      last = date;
    },
    packet: ({ body }) => bytes += body?.length ?? 0,
  });
  assert.equal(last, 29);
  assert.ok(bytes > 1 << 22 && bytes <= 1 << 24, `${bytes} bytes`);
});

Deno.test("a very long message is cut", () => {
  const backlog = new LogBacklog();
  backlog.message(1, 0, "INFO", "m".repeat(300), "é".repeat(1 << 20));
  const [shown = ""] = contents(backlog);
  assert.equal(shown, `1 0 INFO ${"m".repeat(255)} ${"é".repeat(1 << 18)}`);
});
