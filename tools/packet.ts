/**
 * The packet inspector: packets as hex digits to their JSON form and back, one a line. It shows
 * whatever stands on the wire, also what no node would accept. A bad line is told on stderr with
 * its number, and the others are still printed.
 */

import { z } from "zod";
import { neo_1_11 } from "../gen/neo_1_11.ts";
import { neo_1_11_json } from "../gen/neo_1_11_json.ts";
import { PACKET_TYPES } from "../gen/packets.ts";
import { decodeHex, encodeHex } from "../nodes/host/hex.ts";
import { type Json, JsonArguments } from "../nodes/codec/json_form.ts";
import { Reader } from "../nodes/codec/reader.ts";
import { Writer } from "../nodes/codec/writer.ts";
import { MalformedPacketError } from "../nodes/errors.ts";
import { HEADER_BYTES } from "../nodes/wire/limits.ts";
import { parseJson, printJson } from "./json_text.ts";

/** Where the inspector's lines go. */
export interface PacketOutput {
  /** A packet in its other form. */
  print(line: string): void;
  /** What is wrong with a line. */
  error(line: string): void;
}

/** Characters of one line: enough for the hex digits, and the JSON form, of the largest packet. */
export const MAX_LINE_LENGTH = 1 << 28;

/**
 * Reads packets from `input`, one a line, and prints their other form: `decode` takes hex digits of
 * whole packets, header included, to JSON; `encode` takes JSON to hex digits. Resolves with the
 * exit status: 1 when there was a bad line, otherwise 0.
 */
export function runPacket(
  mode: "decode" | "encode",
  input: ReadableStream<Uint8Array>,
  output: PacketOutput,
): Promise<number> {
  const lines = readLines(input);
  return mode === "decode" ? decodePackets(lines, output) : encodePackets(lines, output);
}

/** Prints `{"name", "id", "args"}` for each line of hex digits. Resolves with the exit status. */
export function decodePackets(
  lines: AsyncIterable<string>,
  output: PacketOutput,
): Promise<number> {
  return eachLine(lines, output, decodePacket);
}

/** Prints the hex digits of each line of `{"name", "id", "args"}`. Resolves with the exit status. */
export function encodePackets(
  lines: AsyncIterable<string>,
  output: PacketOutput,
): Promise<number> {
  return eachLine(lines, output, encodePacket);
}

/** A line that is no packet; the message says why. */
class BadLine extends Error {}

async function eachLine(
  lines: AsyncIterable<string>,
  output: PacketOutput,
  convert: (line: string) => string,
): Promise<number> {
  let number = 0;
  let status = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    try {
      if (line.length > MAX_LINE_LENGTH) throw new BadLine("the line is too long for a packet");
      output.print(convert(line.trim()));
    } catch (error) {
      if (!(error instanceof BadLine || error instanceof MalformedPacketError)) throw error;
      output.error(`line ${number}: ${error.message}`);
      status = 1;
    }
  }
  return status;
}

function decodePacket(line: string): string {
  const bytes = decodeHex(line);
  if (bytes === null) throw new BadLine("expected hex digits, two a byte");
  if (bytes.length < HEADER_BYTES) {
    throw new BadLine(`expected a header of ${HEADER_BYTES} bytes, found ${bytes.length} bytes`);
  }
  const header = new DataView(bytes.buffer);
  const id = header.getUint32(0);
  const code = header.getUint16(4);
  const announced = header.getUint32(6);
  const found = bytes.length - HEADER_BYTES;
  if (announced !== found) {
    throw new BadLine(`the header announces a body of ${announced} bytes, found ${found}`);
  }
  const name = neo_1_11.typeOf(code)?.name;
  const form = name === undefined ? undefined : neo_1_11_json[name];
  if (name === undefined || form === undefined) {
    throw new BadLine(`no packet has the code 0x${code.toString(16).padStart(4, "0")}`);
  }
  const reader = new Reader(name, bytes, HEADER_BYTES);
  const args = form.read(reader);
  reader.finish();
  return printJson({ name, id, args });
}

const U32_MAX = 0xffff_ffff;

const packetObject = z.strictObject({
  name: z.string(),
  id: z.int().min(0).max(U32_MAX),
  args: z.array(z.custom<Json>()),
});

function encodePacket(line: string): string {
  const parsed = packetObject.safeParse(parse(line));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join(".") || "the packet";
    throw new BadLine(`${where}: ${issue?.message}`);
  }
  const { name, id, args } = parsed.data;
  const form = neo_1_11_json[name];
  const codec = PACKET_TYPES.find((type) => type.name === name)?.codec(neo_1_11.codecs);
  if (form === undefined || !codec) {
    throw new BadLine(`no packet has the name ${JSON.stringify(name)}`);
  }
  const writer = new Writer();
  const mark = writer.beginPacket(id, codec.code);
  form.write(writer, new JsonArguments(name, args, form.count));
  writer.endPacket(mark);
  return encodeHex(writer.take());
}

function parse(line: string): Json {
  try {
    return parseJson(line);
  } catch (error) {
    throw new BadLine(error instanceof Error ? error.message : String(error));
  }
}

/** The lines of a stream; of one that is too long, a beginning that is still too long. */
async function* readLines(input: ReadableStream<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    for (const [at, line] of lines.entries()) {
      if (at > 0) {
        yield rest;
        rest = "";
      }
      if (rest.length <= MAX_LINE_LENGTH) rest += line;
    }
  }
  if (rest !== "") yield rest;
}
