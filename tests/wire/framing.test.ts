import assert from "node:assert/strict";
import fc from "fast-check";
import { type Frame, Framer } from "../../nodes/wire/framing.ts";
import { anyPacket } from "../support/arbitrary.ts";
import { concat, encode, header } from "../support/codec.ts";

/** What a framer finds in chunks that come one after the other. */
function frames(chunks: Iterable<Uint8Array>, opening = 4): Uint8Array[] {
  const framer = new Framer(() => null);
  const found: Uint8Array[] = [];
  let isOpen = opening === 0;
  for (const chunk of chunks) {
    framer.push(chunk);
    if (!isOpen) isOpen = framer.takeRaw(opening) !== null;
    if (!isOpen) continue;
    for (let frame = framer.next(); frame !== null; frame = framer.next()) {
      found.push(whole(frame));
    }
  }
  return found;
}

function whole({ id, code, bytes, start, end }: Frame): Uint8Array {
  return concat(header(id, code, end - start), bytes.slice(start, end));
}

/** Cuts bytes into chunks of the given lengths, again and again until all are used. */
function* cut(bytes: Uint8Array, lengths: readonly number[]): Iterable<Uint8Array> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    yield bytes.slice(at, at + length);
    at += length;
  }
}

const packets = fc.array(
  anyPacket.map(({ type, id, packet }) => encode(type, id, packet)),
  { maxLength: 8 },
);

Deno.test("any chunking of a stream gives the same packets", () => {
  fc.assert(
    fc.property(
      packets,
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }),
      (sent, lengths) => {
        const stream = concat(new Uint8Array(4), ...sent);
        assert.deepEqual(frames(cut(stream, lengths)), sent);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("every place to cut a stream in two, or in three, gives the same packets", () => {
  const sent = [0, 1, 9, 10, 11, 40].map((length, id) =>
    concat(header(id, 2, length), new Uint8Array(length).fill(id + 1))
  );
  const stream = concat(new Uint8Array(4), ...sent);
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const chunks = [
        stream.slice(0, first),
        stream.slice(first, second),
        stream.slice(second),
      ];
      assert.deepEqual(frames(chunks), sent, `cut at ${first} and ${second}`);
    }
  }
});

Deno.test("empty chunks change nothing", () => {
  const packet = concat(header(7, 2, 3), new Uint8Array([1, 2, 3]));
  const empty = new Uint8Array(0);
  const chunks = [...packet].flatMap((byte) => [empty, new Uint8Array([byte]), empty]);
  assert.deepEqual(frames(chunks, 0), [packet]);
});

Deno.test("a packet within one chunk is a view of it, and none is copied twice", () => {
  const chunk = concat(header(7, 2, 3), new Uint8Array([1, 2, 3]));
  const framer = new Framer(() => null);
  framer.push(chunk);
  assert.equal(framer.next()?.bytes.buffer, chunk.buffer);
});

Deno.test("what was taken from a framer is not changed by what comes later", () => {
  const sent = [1, 2, 3].map((id) => concat(header(id, 2, 20), new Uint8Array(20).fill(id)));
  const framer = new Framer(() => null);
  const taken: Frame[] = [];
  for (const chunk of cut(concat(...sent), [7])) {
    framer.push(chunk);
    for (let frame = framer.next(); frame !== null; frame = framer.next()) taken.push(frame);
  }
  assert.deepEqual(taken.map(whole), sent);
});

Deno.test("a header is refused as soon as it is there, and nothing is read after it", () => {
  const seen: [number, number][] = [];
  const framer = new Framer((code, bodyBytes) => {
    seen.push([code, bodyBytes]);
    return code === 0x7777 ? "refused" : null;
  });
  framer.push(concat(header(1, 2, 0), header(2, 0x7777, 5).slice(0, 9)));
  assert.equal(framer.next()?.id, 1);
  assert.equal(framer.next(), null);
  assert.equal(framer.error, null);
  framer.push(header(2, 0x7777, 5).slice(9));
  assert.equal(framer.next(), null);
  assert.equal(framer.error, "refused");
  framer.push(header(3, 2, 0));
  assert.equal(framer.next(), null);
  assert.deepEqual(seen, [[2, 0], [0x7777, 5]]);
});

Deno.test("a header that announces much costs nothing by itself", () => {
  const framers = Array.from({ length: 200 }, () => new Framer(() => null));
  const before = Deno.memoryUsage().external;
  for (const framer of framers) {
    framer.push(header(1, 2, 0x400_0000));
    assert.equal(framer.next(), null);
    framer.push(new Uint8Array(1000));
    assert.equal(framer.next(), null);
  }
  assert.ok(Deno.memoryUsage().external - before < 10 << 20);
});

Deno.test("a large packet in small pieces is put together in a time that grows with it", () => {
  const body = new Uint8Array(16 << 20).map((_, at) => at);
  const packet = concat(header(1, 2, body.length), body);
  const started = performance.now();
  const [found] = frames(cut(packet, [1400]), 0);
  assert.ok(found);
  assert.equal(found.length, packet.length);
  assert.ok(found.every((byte, at) => byte === packet[at]));
  // Copying all of it for each piece would take minutes.
  assert.ok(performance.now() - started < 10_000);
});
