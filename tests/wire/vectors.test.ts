/** Every packet that the real NEO 1.11 encoded, through all that was generated for it. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { decodeHex, encodeHex } from "../../nodes/host/hex.ts";
import { nid, oid, tid } from "../../nodes/codec/ids.ts";
import type { Json } from "../../nodes/codec/json_form.ts";
import type { PacketType } from "../../nodes/codec/packet.ts";
import { MalformedPacketError } from "../../nodes/errors.ts";
import { printJson } from "../../tools/json_text.ts";
import { codecOf, decode, decodeJson, encode, encodeJson, typeNamed } from "../support/codec.ts";
import { allVectors, vectors } from "../support/vectors.ts";

function fromHex(text: string): Uint8Array {
  const bytes = decodeHex(text.replaceAll(/[ |]/g, ""));
  assert.ok(bytes !== null, text);
  return bytes;
}

Deno.test("the packets, codes, answers and traits are those of NEO 1.11", () => {
  assert.deepEqual(
    p.PACKET_TYPES.map(({ name }) => name).sort(),
    vectors.packets.map(({ name }) => name).sort(),
  );
  for (const { name, code, answer, nodelay, ignoreOnClosedConnection, fields } of vectors.packets) {
    const type = typeNamed(name);
    assert.equal(codecOf(type).code, code, name);
    assert.equal(neo_1_11.typeOf(code), type, name);
    assert.equal(type.answer?.name ?? null, answer, name);
    const isAnswer = (code & neo_1_11.answerBit) !== 0;
    assert.equal(type.kind, isAnswer ? "answer" : answer === null ? "notification" : "request");
    assert.equal(type.mayBeDelayed, !nodelay, name);
    assert.equal(type.processedWhenClosed, !ignoreOnClosedConnection, name);
    assert.throws(() => encodeJson(name, 0, new Array<Json>(fields.length + 1).fill(null)), {
      message: `${name}.args: expected ${fields.length} values`,
    });
  }
});

Deno.test("enumerations and error codes have the values of NEO 1.11", () => {
  assert.deepEqual(vectors.enums, {
    CellStates: [...p.CELL_STATES],
    ClusterStates: [...p.CLUSTER_STATES],
    ErrorCodes: Object.keys(p.ErrorCode),
    NodeStates: [...p.NODE_STATES],
    NodeTypes: [...p.NODE_TYPES],
  });
  assert.deepEqual(Object.values(p.ErrorCode), Object.keys(p.ErrorCode).map((_, at) => at));
});

Deno.test("a connection opens with the bytes of NEO 1.11", () => {
  assert.equal(encodeHex(neo_1_11.handshake), vectors.handshake);
  assert.equal(vectors.protocolVersion, 5);
});

Deno.test("every vector: hex to arguments and arguments to hex", () => {
  for (const { name, id, hex, args } of allVectors) {
    const bytes = fromHex(hex);
    assert.equal(printJson(decodeJson(name, bytes)), printJson(args), `${name} ${hex}`);
    assert.equal(encodeHex(encodeJson(name, id, args)), hex, `${name} ${hex}`);
  }
});

/** What the codec of nodes makes of a packet: the same bytes again, or why it refuses it. */
function through(name: string, id: number, bytes: Uint8Array): string | MalformedPacketError {
  const type = typeNamed(name);
  try {
    return encodeHex(encode(type, id, decode(type, bytes)));
  } catch (error) {
    assert.ok(error instanceof MalformedPacketError, `${name}: ${error}`);
    return error;
  }
}

Deno.test("every vector comes through the nodes' codec byte for byte, or is refused by name", () => {
  let through_ = 0;
  let refused = 0;
  for (const { name, id, hex } of allVectors) {
    const result = through(name, id, fromHex(hex));
    if (!(result instanceof MalformedPacketError)) {
      assert.equal(result, hex, name);
      through_++;
      continue;
    }
    // Nothing is refused but a missing value where one is needed, and an id beyond 63 bits.
    assert.equal(result.packet, name);
    assert.match(
      result.message,
      new RegExp(
        `^${name}\\.${result.field}: expected (.*, found none|at most 2\\^63-1, found \\d+)$`,
      ),
    );
    refused++;
  }
  assert.ok(through_ > 250 && refused > 200, `${through_} came through, ${refused} were refused`);
});

/** The same arguments with each id brought below 2^63, as all ids of real databases are. */
function below63Bits(value: Json): Json {
  if (Array.isArray(value)) return value.map(below63Bits);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key !== "hex" || typeof member !== "string" || member.length !== 16) {
        return [key, below63Bits(member)];
      }
      const digit = (parseInt(member.slice(0, 1), 16) & 7).toString(16);
      return [key, digit + member.slice(1)];
    }),
  );
}

Deno.test("with ids below 2^63, nothing is refused but missing values", () => {
  let came = 0;
  for (const { name, id, args } of allVectors) {
    const bytes = encodeJson(name, id, below63Bits(args));
    const result = through(name, id, bytes);
    if (result instanceof MalformedPacketError) {
      assert.match(result.message, /, found none$/);
      assert.match(printJson(args), /null/, `${name} was refused although nothing is missing`);
    } else {
      assert.equal(result, encodeHex(bytes), name);
      came++;
    }
  }
  assert.ok(came > 400, `only ${came} came through`);
});

Deno.test("a missing value is refused with the names of packet and field", () => {
  const refusals: [string, string][] = [
    ["00000000 000c 00000000", "StartOperation.backup: expected 1 bytes, found 0"],
    ["00000000 0026 00000005 00000000 01", "SetNodeState.nid: expected a node id, found none"],
    ["00000000 0026 00000005 00000001 ff", "SetNodeState.state: expected a value, found none"],
    [
      "00000000 0026 00000005 00000001 07",
      "SetNodeState.state: expected one of UNKNOWN, DOWN, RUNNING, PENDING, found 7",
    ],
    ["00000000 0030 00000008 ffffffffffffffff", "AskPack.tid: expected a tid, found none"],
  ];
  for (const [hex, message] of refusals) {
    const bytes = fromHex(hex);
    const type = neo_1_11.typeOf(new DataView(bytes.buffer).getUint16(4));
    assert.ok(type !== undefined);
    assert.throws(() => decode(type, bytes), { name: "MalformedPacketError", message });
  }
});

/** A packet beside the bytes that were seen on the wire. */
function golden<T>(
  id: number,
  type: PacketType<T, p.Codecs>,
  packet: T,
  hex: string,
): { readonly name: string; check(): void } {
  return {
    name: type.name,
    check() {
      const bytes = fromHex(hex);
      assert.equal(encodeHex(encode(type, id, packet)), encodeHex(bytes), type.name);
      assert.deepEqual(decode(type, bytes), packet, type.name);
    },
  };
}

const text = (value: string) => new TextEncoder().encode(value);
const ones = (digit: string) => BigInt(`0x${`0${digit}`.repeat(8)}`);
const S1 = nid(1);
const M1 = nid(0xf0000001 | 0);
const C1 = nid(0xe0000001 | 0);

const GOLDEN = [
  golden(
    0,
    p.RequestIdentification,
    {
      nodeType: "CLIENT",
      nid: null,
      address: null,
      cluster: text("c"),
      devpath: [],
      idTimestamp: null,
    },
    "00000000 0001 0000001a | 02 00000000 00000000 00000001 63 00000000 ffffffffffffffff",
  ),
  golden(
    0,
    p.AcceptIdentification,
    { nodeType: "MASTER", nid: M1, partitions: 4, replicas: 1, yourNid: C1 },
    "00000000 8001 00000011 | 00 f0000001 00000004 00000001 e0000001",
  ),
  golden(
    4,
    p.NotifyPartitionChanges,
    { ptid: 2, changes: [{ offset: 3, nid: S1, state: "OUT_OF_DATE" }] },
    "00000004 000b 00000015 | 0000000000000002 00000001 00000003 00000001 00",
  ),
  golden(
    3,
    p.NotifyNodeInformation,
    {
      timestamp: 1552327112.5,
      nodes: [{
        type: "STORAGE",
        address: { host: "127.0.0.1", port: 24011 },
        nid: S1,
        state: "RUNNING",
        idTimestamp: 1552327000.25,
      }],
    },
    "00000003 0006 00000029 | 41d721a872200000 00000001 01 00000009 3132372e302e302e31 5dcb " +
      "00000001 02 41d721a856100000",
  ),
  golden(
    9,
    p.Replicate,
    { tid: tid(ones("3")), upstreamName: text(""), sources: new Map([[1, null]]) },
    "00000009 003a 00000018 | 0303030303030303 00000000 00000001 00000001 00000000",
  ),
  golden(9, p.AnswerRebaseObject, { conflict: null }, "00000009 801b 00000001 | 00"),
  golden(
    9,
    p.AnswerRebaseObject,
    { conflict: { serial: tid(ones("1")), conflictSerial: tid(ones("2")), data: null } },
    "00000009 801b 00000012 | 01 0101010101010101 0202020202020202 00",
  ),
  golden(0, p.AskNodeList, { nodeType: null }, "00000000 0025 00000001 | ff"),
  golden(
    1,
    p.AskObject,
    { oid: oid(0n), at: null, before: tid(1n) },
    "00000001 0020 00000018 0000000000000000 ffffffffffffffff 0000000000000001",
  ),
];

for (const [at, { name, check }] of GOLDEN.entries()) {
  Deno.test(`golden example ${at + 1}: ${name}`, check);
}
