/** Codecs on arbitrary packets and on arbitrary bytes. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as p from "../../gen/packets.ts";
import { nid, oid, tid } from "../../nodes/codec/ids.ts";
import { Reader } from "../../nodes/codec/reader.ts";
import { Writer } from "../../nodes/codec/writer.ts";
import { MalformedPacketError } from "../../nodes/errors.ts";
import { ARBITRARY_PACKETS } from "../support/arbitrary.ts";
import {
  codecOf,
  concat,
  decode,
  decodeJson,
  encode,
  encodeJson,
  header,
} from "../support/codec.ts";

Deno.test("arbitrary packets of every type are read as they were written", () => {
  for (const { type, packet } of ARBITRARY_PACKETS) {
    fc.assert(
      fc.property(packet, fc.nat(2 ** 32 - 1), (value, id) => {
        const bytes = encode(type, id, value);
        assert.deepEqual(decode(type, bytes), value);
        // The JSON form is another way to the same bytes.
        assert.deepEqual(encodeJson(type.name, id, decodeJson(type.name, bytes)), bytes);
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        assert.equal(view.getUint32(0), id);
        assert.equal(view.getUint16(4), codecOf(type).code);
        assert.equal(view.getUint32(6), bytes.length - 10);
      }),
      { numRuns: 50 },
    );
  }
});

/** A packet, or an error that names the packet's type and one of its fields. */
function decodesOrRefuses(name: string, decodeBody: () => unknown): void {
  try {
    decodeBody();
  } catch (error) {
    assert.ok(error instanceof MalformedPacketError, `${name}: ${error}`);
    assert.equal(error.packet, name);
    assert.ok(error.message.startsWith(`${name}.${error.field}: `));
  }
}

Deno.test("arbitrary bytes are a packet or are refused by name, in both forms", () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    // Small numbers everywhere come further than random ones.
    fc.array(fc.nat(3), { maxLength: 100 }).map((bytes) => new Uint8Array(bytes)),
  );
  for (const { type } of ARBITRARY_PACKETS) {
    fc.assert(
      fc.property(body, (bytes) => {
        const whole = concat(header(0, codecOf(type).code, bytes.length), bytes);
        decodesOrRefuses(type.name, () => decode(type, whole));
        decodesOrRefuses(type.name, () => decodeJson(type.name, whole));
      }),
      { numRuns: 200 },
    );
  }
});

Deno.test("a good packet that is cut anywhere or goes on is refused", () => {
  for (const { type, packet } of ARBITRARY_PACKETS) {
    fc.assert(
      fc.property(packet, fc.nat(), (value, at) => {
        const bytes = encode(type, 1, value);
        assert.throws(() => decode(type, concat(bytes, new Uint8Array(1))), MalformedPacketError);
        if (bytes.length === 10) return;
        const cut = bytes.slice(0, 10 + at % (bytes.length - 10));
        assert.throws(() => decode(type, cut), MalformedPacketError);
        assert.throws(() => decodeJson(type.name, cut), MalformedPacketError);
      }),
      { numRuns: 20 },
    );
  }
});

Deno.test("a changed byte of a good packet is a packet or is refused", () => {
  for (const { type, packet } of ARBITRARY_PACKETS) {
    fc.assert(
      fc.property(packet, fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = encode(type, 1, value).slice();
        if (bytes.length === 10) return;
        bytes[10 + at % (bytes.length - 10)] = byte;
        decodesOrRefuses(type.name, () => decode(type, bytes));
      }),
      { numRuns: 50 },
    );
  }
});

/** Replaces each u32 of a body in turn by the greatest one: among them are all the counts. */
function* withHugeCounts(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 10; at + 4 <= bytes.length; at++) {
    const huge = bytes.slice();
    new DataView(huge.buffer).setUint32(at, 0xffff_ffff);
    yield huge;
  }
}

Deno.test("a count of 2^32-1 in a short body allocates nothing for it", () => {
  const samples = ARBITRARY_PACKETS.flatMap(({ type, packet }) =>
    fc.sample(packet, { numRuns: 20, seed: 1 }).flatMap((value) =>
      [...withHugeCounts(encode(type, 1, value))].map((bytes) => ({ type, bytes }))
    )
  );
  assert.ok(samples.length > 10_000);
  const before = Deno.memoryUsage();
  const start = performance.now();
  for (const { type, bytes } of samples) {
    decodesOrRefuses(type.name, () => decode(type, bytes));
    decodesOrRefuses(type.name, () => decodeJson(type.name, bytes));
  }
  const elapsedMs = performance.now() - start;
  const after = Deno.memoryUsage();
  // One such list would take 4 billion turns and 32 GB.
  assert.ok(elapsedMs < 20_000, `${samples.length} packets took ${elapsedMs} ms`);
  const grown = (after.heapTotal + after.external) - (before.heapTotal + before.external);
  assert.ok(grown < 256 << 20, `${samples.length} packets took ${grown} bytes`);
});

Deno.test("counts are checked against what the items take at least", () => {
  const list = new Uint8Array(10 + 4 + 8);
  new DataView(list.buffer).setUint32(10, 2);
  assert.throws(() => decode(p.AnswerTIDs, list), {
    message: "AnswerTIDs.tids: 2 items of at least 8 bytes can't be in 8 bytes",
  });
  new DataView(list.buffer).setUint32(10, 1);
  assert.deepEqual(decode(p.AnswerTIDs, list), { tids: [tid(0n)] });
});

Deno.test("of equal keys of a dictionary, the last counts", () => {
  const reader = "0000000000000001";
  const body = `00000002 ${reader} 0000000000000002 ${reader} 0000000000000003`;
  const bytes = Uint8Array.fromHex(body.replaceAll(" ", ""));
  const whole = concat(header(0, 0x800f, bytes.length), bytes);
  assert.deepEqual(decode(p.AnswerLockedTransactions, whole).ttids, new Map([[tid(1n), tid(3n)]]));
});

Deno.test("any byte but 0 is true", () => {
  for (const byte of [1, 2, 0xff]) {
    const whole = concat(header(0, 0x000c, 1), new Uint8Array([byte]));
    assert.deepEqual(decode(p.StartOperation, whole), { backup: true });
  }
});

Deno.test("times that are no numbers are refused", () => {
  const name = "NotifyNodeInformation";
  for (const bits of ["7ff0000000000000", "fff0000000000000", "7ff8000000000000"]) {
    const body = Uint8Array.fromHex(bits + "00000000");
    const whole = concat(header(0, 0x0006, body.length), body);
    assert.throws(() => decode(p.NotifyNodeInformation, whole), {
      message: new RegExp(`^${name}.timestamp: expected a finite number`),
    });
  }
});

Deno.test("object data are views of the bytes that came", () => {
  const data = new Uint8Array(100).fill(7);
  const bytes = encode(p.AddObject, 0, {
    oid: oid(1n),
    serial: tid(2n),
    compression: false,
    checksum: new Uint8Array(20),
    data,
    dataSerial: null,
  });
  const found = decode(p.AddObject, bytes);
  assert.equal(found.data.buffer, bytes.buffer);
  assert.deepEqual(found.data, data);
});

Deno.test("ids, checksums and enumerations of the wrong form are not written", () => {
  assert.throws(() => oid(-1n), RangeError);
  assert.throws(() => tid(2n ** 63n), RangeError);
  assert.throws(() => nid(0), RangeError);
  assert.throws(() => nid(2 ** 31), RangeError);
  const writer = new Writer();
  assert.throws(() => writer.checksum(new Uint8Array(19)), RangeError);
});

Deno.test("what was handed out by a writer is never written to again", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 12 }), (pieces) => {
      const writer = new Writer();
      const taken = pieces.map((piece) => {
        writer.bytes(piece);
        return writer.take();
      });
      taken.forEach((bytes, at) => {
        const reader = new Reader("test", bytes);
        assert.deepEqual(reader.bytes("piece"), pieces[at]);
        reader.finish();
      });
    }),
    { numRuns: 50 },
  );
});

Deno.test("a small packet does not keep the memory of a large one before it", () => {
  const writer = new Writer();
  writer.bytes(new Uint8Array(10 << 20));
  writer.take();
  writer.u32(1);
  assert.ok(writer.take().buffer.byteLength <= 1 << 16);
});
