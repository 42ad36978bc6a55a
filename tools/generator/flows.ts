/**
 * Emits gen/flows.ts: for each pair of roles the interface of the handlers that the receiver must
 * have, and the function that takes a packet to its handler.
 */

import { interfaceName, MARK, methodName, typeName } from "./names.ts";
import type { Flow, Protocol } from "./model.ts";

/** The text of gen/flows.ts. */
export function emitFlows({ flows }: Protocol): string {
  return [
    MARK,
    `import type { Receiver, Reply } from "../nodes/codec/packet.ts";`,
    `import * as p from "./packets.ts";\n`,
    ...flows.map(flowText),
  ].join("\n");
}

function flowText({ name, description, packets }: Flow): string {
  const type = interfaceName(name);
  const methods = packets.map(({ packet, answered }) => {
    const result = answered && packet.answer !== null
      ? `Reply<p.${typeName(packet.answer)}>`
      : "void";
    return `  ${methodName(packet.name)}(packet: p.${typeName(packet.name)}): ${result};\n`;
  });
  const cases = packets.map(({ packet, answered }) => {
    const read = `handlers.${methodName(packet.name)}(incoming.read(p.${typeName(packet.name)}))`;
    const call = answered && packet.answer !== null
      ? `incoming.answer(p.${typeName(packet.answer)}, ${read})`
      : read;
    return `      case ${packet.index}:\n        ${call};\n        return true;\n`;
  });
  return `/** ${description} */\n` +
    `export interface ${type} {\n${methods.join("")}}\n\n` +
    `export function ${name}(handlers: ${type}): Receiver<p.Codecs> {\n` +
    `  return (incoming) => {\n` +
    `    switch (incoming.type.index) {\n${cases.join("")}` +
    `      default:\n        return false;\n    }\n  };\n}\n`;
}
