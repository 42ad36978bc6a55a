/**
 * What must hold between the parts of the schema, beyond the form of each: answers are answers, no
 * two packets of a dialect have one code, and a dialect that has a packet has all that belongs to
 * it. A dialect need not have every packet.
 */

import { dialectName } from "./names.ts";
import type { Dialect, Packet, Protocol } from "./model.ts";

/** Throws an Error that says where the schema contradicts itself. */
export function checkProtocol(protocol: Protocol): void {
  checkDialectNames(protocol);
  checkAnswers(protocol);
  for (const { name, packets } of protocol.flows) {
    for (const { packet } of packets) {
      if (packet.kind === "answer") throw new Error(`${packet.name}: an answer in flow ${name}`);
    }
  }
  for (const [dialect, properties] of Object.entries(protocol.dialects)) {
    checkCodes(protocol, dialect, properties);
  }
}

function checkDialectNames({ dialects, scalars, enumerations, packets }: Protocol): void {
  const constants = new Set(Object.keys(dialects).map(dialectName));
  if (constants.size < Object.keys(dialects).length) {
    throw new Error("two dialects differ in their punctuation only");
  }
  const used = [
    ...packets.map(({ name, codes }) => ({ name, among: Object.keys(codes) })),
    ...[...scalars].map(([name, { wire }]) => ({ name, among: Object.keys(wire) })),
    ...[...enumerations].map(([name, { wire }]) => ({ name, among: Object.keys(wire) })),
  ];
  for (const { name, among } of used) {
    const unknown = among.find((dialect) => !(dialect in dialects));
    if (unknown !== undefined) throw new Error(`${name}: unknown dialect ${unknown}`);
    if (among.length === 0) throw new Error(`${name}: no dialect has it`);
  }
  for (const [name, { wire }] of enumerations) {
    const names = Object.values(wire).map(({ values }) => Object.keys(values).sort().join(" "));
    if (new Set(names).size > 1) throw new Error(`${name}: dialects differ in its names`);
  }
}

function checkAnswers({ packets }: Protocol): void {
  const byName = new Map(packets.map((packet) => [packet.name, packet]));
  for (const { name, kind, answer, codes } of packets) {
    if ((kind === "request") !== (answer !== null)) {
      throw new Error(`${name}: a request has an answer, and only a request`);
    }
    if (answer === null) continue;
    const found = byName.get(answer);
    if (found?.kind !== "answer") throw new Error(`${name}: ${answer} is not an answer`);
    const missing = Object.keys(codes).find((dialect) => !(dialect in found.codes));
    if (missing !== undefined) throw new Error(`${name}: ${missing} does not have its answer`);
  }
}

function checkCodes({ packets }: Protocol, dialect: string, { answerBit }: Dialect): void {
  const taken = new Map<number, Packet>();
  for (const packet of packets) {
    const code = packet.codes[dialect];
    if (code === undefined) continue;
    const other = taken.get(code);
    if (other !== undefined) throw new Error(`${packet.name}: its code is that of ${other.name}`);
    taken.set(code, packet);
    if (((code & answerBit) !== 0) !== (packet.kind === "answer")) {
      throw new Error(`${packet.name}: an answer's code has the answer bit, and only an answer's`);
    }
  }
}
