/** Emits gen/packets.ts: enumerations, structs, packets and packet types, for all dialects. */

import { listName, MARK, typeName, typescriptType } from "./names.ts";
import type { Field, Packet, Protocol } from "./model.ts";

/** The text of gen/packets.ts. */
export function emitPackets(protocol: Protocol): string {
  return [
    MARK,
    `import type { Nid, Oid, Tid } from "../nodes/codec/ids.ts";`,
    `import type { Codec, PacketType, RequestType } from "../nodes/codec/packet.ts";`,
    `import type { Address } from "../nodes/host/host.ts";\n`,
    ...enumerations(protocol),
    errorCodes(protocol),
    ...[...protocol.structs].map(([name, struct]) =>
      `/** ${struct.description} */\n${interfaceOf(protocol, name, struct.fields)}\n`
    ),
    ...protocol.packets.map((packet) => packetText(protocol, packet)),
    codecs(protocol),
  ].join("\n");
}

function* enumerations(protocol: Protocol): Iterable<string> {
  for (const [name, { description, wire }] of protocol.enumerations) {
    const [values] = Object.values(wire);
    const names = Object.keys(values?.values ?? {});
    const list = names.map((value) => JSON.stringify(value)).join(", ");
    yield `/** ${description} */\nexport const ${listName(name)} = [${list}] as const;`;
    yield `export type ${name} = (typeof ${listName(name)})[number];\n`;
  }
}

function errorCodes({ errors }: Protocol): string {
  const rows = Object.entries(errors).map(([name, code]) => `  ${name}: ${code},\n`).join("");
  return `/** The codes of the Error packet; 0 is success. */\n` +
    `export const ErrorCode = {\n${rows}} as const;\n` +
    `export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];\n`;
}

function interfaceOf(protocol: Protocol, name: string, fields: readonly Field[]): string {
  // A packet without fields is an empty object, not just any value.
  if (fields.length === 0) return `export type ${name} = Readonly<Record<never, never>>;`;
  const rows = fields.map((field) =>
    `  readonly ${field.name}: ${typescriptType(protocol, field.type)};\n`
  ).join("");
  return `export interface ${name} {\n${rows}}`;
}

function packetText(protocol: Protocol, packet: Packet): string {
  const name = typeName(packet.name);
  const type = packet.answer === null
    ? `PacketType<${name}, Codecs>`
    : `RequestType<${name}, ${typeName(packet.answer)}, Codecs>`;
  const answer = packet.answer === null
    ? "  answer: null,\n"
    : `  get answer() {\n    return ${typeName(packet.answer)};\n  },\n`;
  return `/** ${packet.description} */\n` +
    `${interfaceOf(protocol, name, packet.fields)}\n` +
    `export const ${name}: ${type} = {\n` +
    `  name: ${JSON.stringify(packet.name)},\n` +
    `  index: ${packet.index},\n` +
    `  kind: ${JSON.stringify(packet.kind)},\n` +
    `  processedWhenClosed: ${packet.processedWhenClosed},\n` +
    `  mayBeDelayed: ${packet.mayBeDelayed},\n` +
    answer +
    `  codec: (codecs) => codecs.${name},\n};\n`;
}

function codecs({ packets, dialects }: Protocol): string {
  const rows = packets.map(({ name, codes }) => {
    const isEverywhere = Object.keys(dialects).every((dialect) => dialect in codes);
    return `  readonly ${typeName(name)}: Codec<${typeName(name)}>${
      isEverywhere ? "" : " | null"
    };\n`;
  }).join("");
  const list = packets.map(({ name }) => `  ${typeName(name)},\n`).join("");
  return `/** One dialect's codecs, by packet; null for one that not every dialect has. */\nexport interface Codecs {\n${rows}}\n\n` +
    `/** All packet types, in the order of the schema. */\n` +
    `export const PACKET_TYPES: readonly PacketType<unknown, Codecs>[] = [\n${list}];\n`;
}
