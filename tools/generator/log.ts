/**
 * Emits gen/<dialect>_log.ts: the protocol as the log files of nodes carry it, so that whoever
 * reads a log later needs nothing else.
 *
 * It is a description in JSON, which stands in one line. NEO 1.11's neolog runs what it finds in
 * its place, so that line is a Python expression too, and behind it comes a short program that
 * reads packets by it, for neolog alone.
 */

import { Buffer } from "node:buffer";
import BZip2 from "bzip2-wasm";
import type { NodeType } from "../../gen/packets.ts";
import { nidText, nodeId } from "../../nodes/cluster/node_ids.ts";
import type { Enumeration, Field, FieldType, Packet, Protocol } from "./model.ts";
import { dialectName, encodingOf, MARK } from "./names.ts";

const FORMAT = "NEO/ts protocol description 1";

const PREAMBLE =
  `# The protocol of the packets in this log: the next line, from the brace on, is JSON.
protocol = `;

const NODE_TYPES: readonly NodeType[] = ["MASTER", "STORAGE", "CLIENT", "ADMIN"];

const BZIP2_LEVEL = 9;

/** A type as the description has it: the name of a scalar, an enumeration or a struct, or more. */
type DescribedType =
  | string
  | { readonly list: DescribedType }
  | { readonly dict: readonly [DescribedType, DescribedType] }
  | { readonly option: DescribedType };

/** The text of gen/<dialect>_log.ts; `reader` is the program for neolog. */
export async function emitLog(
  protocol: Protocol,
  dialect: string,
  reader: string,
): Promise<string> {
  const description = JSON.stringify(describe(protocol, dialect));
  const compressor = new BZip2();
  await compressor.init();
  const text = new TextEncoder().encode(`${PREAMBLE}${description}\n\n${reader}`);
  const compressed = Buffer.from(compressor.compress(text, BZIP2_LEVEL)).toString("base64");
  return [
    MARK,
    `/** The protocol as logs carry it: in JSON, and as the \`text\` of a log's protocol table. */`,
    `export const ${dialectName(dialect)}_log = {`,
    `description: ${JSON.stringify(description)},`,
    `/** bzip2, in base64. */`,
    `text: ${JSON.stringify(compressed)},`,
    `} as const;\n`,
  ].join("\n");
}

function describe(protocol: Protocol, dialect: string) {
  const describer = new Describer(protocol, dialect);
  const packets = protocol.packets.filter(({ codes }) => dialect in codes);
  return {
    format: FORMAT,
    dialect,
    nodeIds: Object.fromEntries(NODE_TYPES.map(describeNodeType)),
    enumerations: Object.fromEntries(
      [...protocol.enumerations].map(([name, found]) => [name, wireValues(found, dialect)]),
    ),
    structs: Object.fromEntries(
      [...protocol.structs].map(([name, { fields }]) => [name, describer.fields(fields)]),
    ),
    packets: Object.fromEntries(packets.map((packet) => [
      packet.codes[dialect],
      [logName(protocol, packet, dialect), describer.fields(packet.fields)],
    ])),
  };
}

/** The highest byte of the ids of a type of node, and the letter for it. */
function describeNodeType(type: NodeType): [string, string] {
  const id = nodeId(type, 1);
  return [String((id >>> 24) & 0xff), nidText(id).slice(0, 1)];
}

/** The names of an enumeration by their values; a value without a name is an empty text. */
function wireValues({ wire }: Enumeration, dialect: string): string[] {
  const values = Object.entries(wire[dialect]?.values ?? {});
  const names = new Array<string>(Math.max(-1, ...values.map(([, value]) => value)) + 1).fill("");
  for (const [name, value] of values) names[value] = name;
  return names;
}

/** What a log of the dialect calls a packet: what answers one request only is named after it. */
function logName({ packets }: Protocol, packet: Packet, dialect: string): string {
  const [request, ...others] = packets.filter(({ answer }) => answer === packet.name);
  const isItsAnswer = request !== undefined && others.length === 0;
  const { name, logNames } = isItsAnswer ? request : packet;
  return (isItsAnswer ? "Answer" : "") + (logNames[dialect] ?? name);
}

class Describer {
  readonly #protocol: Protocol;
  readonly #dialect: string;

  constructor(protocol: Protocol, dialect: string) {
    this.#protocol = protocol;
    this.#dialect = dialect;
  }

  fields(fields: readonly Field[]): [string, DescribedType][] {
    return fields.map(({ name, type }) => [name, this.#type(type)]);
  }

  #type(type: FieldType): DescribedType {
    switch (type.kind) {
      case "scalar":
        return encodingOf(this.#protocol, this.#dialect, type.name);
      case "enumeration":
      case "struct":
        return type.name;
      case "list":
        return { list: this.#type(type.item) };
      case "dict":
        return { dict: [this.#type(type.key), this.#type(type.value)] };
      case "option":
        return { option: this.#type(type.item) };
    }
  }
}
