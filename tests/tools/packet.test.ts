import assert from "node:assert/strict";
import { printJson } from "../../tools/json_text.ts";
import { MAX_LINE_LENGTH, runPacket } from "../../tools/packet.ts";
import { allVectors } from "../support/vectors.ts";

interface Run {
  readonly status: number;
  readonly printed: readonly string[];
  readonly errors: readonly string[];
}

/** Runs the inspector on a text, which arrives in pieces of `pieceBytes`. */
async function inspect(
  mode: "decode" | "encode",
  text: string,
  pieceBytes = 1000,
): Promise<Run> {
  const bytes = new TextEncoder().encode(text);
  const input = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        controller.enqueue(bytes.subarray(at, at + pieceBytes));
      }
      controller.close();
    },
  });
  const printed: string[] = [];
  const errors: string[] = [];
  const status = await runPacket(mode, input, {
    print: (line) => printed.push(line),
    error: (line) => errors.push(line),
  });
  return { status, printed, errors };
}

const hexLines = allVectors.map(({ hex }) => hex);
const jsonLines = allVectors.map(({ name, id, args }) => printJson({ name, id, args }));

Deno.test("decode prints each vector as it is in the file", async () => {
  assert.ok(allVectors.length > 500);
  const { status, printed, errors } = await inspect("decode", hexLines.join("\n") + "\n");
  assert.deepEqual(errors, []);
  assert.equal(status, 0);
  assert.deepEqual(printed, jsonLines);
});

Deno.test("encode prints each vector as it is in the file", async () => {
  const { status, printed, errors } = await inspect("encode", jsonLines.join("\n") + "\n");
  assert.deepEqual(errors, []);
  assert.equal(status, 0);
  assert.deepEqual(printed, hexLines);
});

Deno.test("lines may arrive in any pieces, end in CRLF, be blank, and lack a last newline", async () => {
  const [first = "", second = ""] = hexLines;
  const text = `\r\n${first.toUpperCase()}\r\n\n  ${second}`;
  for (const pieceBytes of [1, 2, 7, text.length]) {
    const { status, printed } = await inspect("decode", text, pieceBytes);
    assert.equal(status, 0);
    assert.deepEqual(printed, jsonLines.slice(0, 2));
  }
});

Deno.test("a bad line is told with its number, and the others are printed", async () => {
  const good = "000000070002" + "00000000";
  const bad: [string, RegExp][] = [
    ["xy", /expected hex digits/],
    ["000", /expected hex digits/],
    ["00000000", /expected a header of 10 bytes, found 4/],
    ["00000007" + "0002" + "00000001", /announces a body of 1 bytes, found 0/],
    ["00000007" + "7777" + "00000000", /no packet has the code 0x7777/],
    ["00000007" + "0002" + "00000001" + "ff", /Ping\.\(end\): 1 bytes follow/],
    ["00000007" + "0012" + "00000004" + "ffffffff", /AskBeginTransaction\.tid: expected 8 bytes/],
  ];
  const text = bad.flatMap(([line]) => [line, good]).join("\n");
  const { status, printed, errors } = await inspect("decode", text);
  assert.equal(status, 1);
  assert.deepEqual(printed, bad.map(() => `{"name":"Ping","id":7,"args":[]}`));
  assert.equal(errors.length, bad.length);
  bad.forEach(([, reason], at) => {
    assert.match(errors[at] ?? "", new RegExp(`^line ${2 * at + 1}: `));
    assert.match(errors[at] ?? "", reason);
    assert.doesNotMatch(errors[at] ?? "", /\n/);
  });
});

Deno.test("JSON that is no packet is told with its line's number", async () => {
  const bad: [string, RegExp][] = [
    ["{", /JSON/],
    ["[]", /expected object/],
    [`{"name":"Ping","id":7}`, /args/],
    [`{"name":"Ping","id":-1,"args":[]}`, /id/],
    [`{"name":"Ping","id":4294967296,"args":[]}`, /id/],
    [`{"name":"Ping","id":7,"args":[],"more":1}`, /more/],
    [`{"name":"Pang","id":7,"args":[]}`, /no packet has the name "Pang"/],
    [`{"name":"Ping","id":7,"args":[1]}`, /Ping\.args: expected 0 values/],
    [`{"name":"AskBeginTransaction","id":7,"args":[{"hex":"00"}]}`, /tid: expected .* of 8 bytes/],
    [`{"name":"SetClusterState","id":7,"args":["WALKING"]}`, /state: expected one of RECOVERING/],
    [`{"name":"AskNewOIDs","id":7,"args":[4294967296]}`, /expected an integer/],
    [`{"name":"StartOperation","id":7,"args":[1]}`, /true or false/],
    [`{"name":"NotPrimaryMaster","id":7,"args":[null,[["",1]]]}`, /\[host, port\]/],
    [`{"name":"NotifyRepair","id":7,"args":{"hex":""}}`, /args/],
    [`{"name":"AnswerLockedTransactions","id":7,"args":[[]]}`, /expected a list/],
  ];
  const text = bad.map(([line]) => line).concat(`{"name":"Ping","id":7,"args":[]}`).join("\n");
  const { status, printed, errors } = await inspect("encode", text);
  assert.equal(status, 1);
  assert.deepEqual(printed, ["00000007000200000000"]);
  bad.forEach(([, reason], at) => {
    assert.match(errors[at] ?? "", new RegExp(`^line ${at + 1}: `));
    assert.match(errors[at] ?? "", reason);
  });
});

Deno.test("integers beyond 2^53 are not rounded", async () => {
  const line = `{"name":"AskTIDs","id":7,"args":[9007199254740993,1,2]}`;
  const { status, errors } = await inspect("encode", line);
  assert.equal(status, 1);
  assert.match(errors[0] ?? "", /AskTIDs\.first: expected an integer from 0 to 9007199254740991/);
});

Deno.test("a number of seconds keeps all its bits", async () => {
  for (
    const bits of ["41d721a872200000", "8000000000000000", "7fefffffffffffff", "0000000000000001"]
  ) {
    const hex = `00000007000600000` + `00c${bits}00000000`;
    const decoded = await inspect("decode", hex);
    assert.deepEqual(decoded.errors, []);
    const encoded = await inspect("encode", decoded.printed.join("\n"));
    assert.deepEqual(encoded.printed, [hex]);
  }
});

Deno.test("a line that is too long for any packet does not end the inspection", async () => {
  const piece = new Uint8Array(1 << 24).fill("0".charCodeAt(0));
  let pieces = Math.ceil(MAX_LINE_LENGTH / piece.length) + 2;
  const input = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pieces-- > 0) return controller.enqueue(piece);
      controller.enqueue(new TextEncoder().encode("\n00000007000200000000\n"));
      controller.close();
    },
  });
  const printed: string[] = [];
  const errors: string[] = [];
  const status = await runPacket("decode", input, {
    print: (line) => printed.push(line),
    error: (line) => errors.push(line),
  });
  assert.equal(status, 1);
  assert.deepEqual(printed, [`{"name":"Ping","id":7,"args":[]}`]);
  assert.deepEqual(errors, ["line 1: the line is too long for a packet"]);
});
