/**
 * Emits gen/<dialect>.ts: straight-line encoders and decoders of one dialect, which bounds every
 * count by the bytes that are left, and its packet table.
 */

import {
  dialectName,
  encodingOf,
  MARK,
  minBytes,
  typeName,
  typescriptType,
  wireNames,
} from "./names.ts";
import type { Field, FieldType, Packet, Protocol } from "./model.ts";

/** The text of gen/<dialect>.ts. */
export function emitDialect(protocol: Protocol, dialect: string): string {
  const emitter = new DialectEmitter(protocol, dialect);
  return emitter.emit();
}

class DialectEmitter {
  readonly #protocol: Protocol;
  readonly #dialect: string;
  #names = 0;

  constructor(protocol: Protocol, dialect: string) {
    this.#protocol = protocol;
    this.#dialect = dialect;
  }

  emit(): string {
    const packets = this.#protocol.packets.filter(({ codes }) => this.#dialect in codes);
    const constant = dialectName(this.#dialect);
    const properties = this.#protocol.dialects[this.#dialect];
    if (properties === undefined) throw new Error(`no dialect ${this.#dialect}`);
    const handshake = (properties.handshake.match(/../g) ?? []).map((byte) => `0x${byte}`);
    return [
      MARK,
      `import type { Nid, Oid, Tid } from "../nodes/codec/ids.ts";`,
      `import type { Dialect, PacketType } from "../nodes/codec/packet.ts";`,
      `import type { Reader } from "../nodes/codec/reader.ts";`,
      `import type { Writer } from "../nodes/codec/writer.ts";`,
      `import type { Address } from "../nodes/host/host.ts";`,
      `import * as p from "./packets.ts";\n`,
      ...this.#enumerations(),
      ...[...this.#protocol.structs].map(([name, struct]) => this.#struct(name, struct.fields)),
      `const codecs: p.Codecs = {`,
      ...this.#protocol.packets.map((packet) =>
        packets.includes(packet) ? this.#packet(packet) : `  ${typeName(packet.name)}: null,`
      ),
      `};\n`,
      `const types = new Map<number, PacketType<unknown, p.Codecs>>();`,
      `for (const type of p.PACKET_TYPES) {`,
      `  const codec = type.codec(codecs);`,
      `  if (codec !== null) types.set(codec.code, type);`,
      `}\n`,
      `export const ${constant}: Dialect<p.Codecs> = {`,
      `  name: ${JSON.stringify(this.#dialect)},`,
      `  handshake: new Uint8Array([${handshake.join(", ")}]),`,
      `  answerBit: ${properties.answerBit},`,
      `  maxBodyBytes: ${properties.maxBodyBytes},`,
      `  codecs,`,
      `  typeOf: (code) => types.get(code),`,
      `};\n`,
    ].join("\n");
  }

  *#enumerations(): Iterable<string> {
    for (const [name, { wire }] of this.#protocol.enumerations) {
      const values = wire[this.#dialect]?.values ?? {};
      const rows = Object.entries(values).map(([key, value]) => `  ${key}: ${value},\n`).join("");
      yield `const ${name}Values: Readonly<Record<p.${name}, number>> = {\n${rows}};\n`;
      yield wireNames(this.#protocol, this.#dialect, name).declaration;
    }
  }

  #struct(name: string, fields: readonly Field[]): string {
    return `function encode${name}(w: Writer, v: p.${name}): void {\n${
      this.#encode(fields, "v")
    }}\n\n` +
      `function decode${name}(r: Reader): p.${name} {\n${this.#decode(fields)}}\n`;
  }

  #packet({ name, codes, fields }: Packet): string {
    const type = typeName(name);
    const end = fields.length === 0 ? "r.finish();\n" : "";
    const encode = fields.length === 0 ? "() {}" : `(w, v) {\n${this.#encode(fields, "v")}}`;
    return `  ${type}: {\n` +
      `  code: ${hex(codes[this.#dialect] ?? 0)},\n` +
      `  encode${encode},\n` +
      `  decode(r) {\n${end}${this.#decode(fields, true)}},\n},`;
  }

  #encode(fields: readonly Field[], value: string): string {
    return fields.map(({ name, type }) => this.#encodeValue(type, `${value}.${name}`)).join("");
  }

  #encodeValue(type: FieldType, value: string): string {
    switch (type.kind) {
      case "scalar":
        return `w.${this.#encoding(type.name)}(${value});\n`;
      case "enumeration": {
        const number = `${type.name}Values[${value}]`;
        return `w.enum(${type.nullable ? `${value} === null ? null : ${number}` : number});\n`;
      }
      case "struct":
        return `encode${type.name}(w, ${value});\n`;
      case "list": {
        const item = this.#fresh("item");
        return `w.count(${value}.length);\n` +
          `for (const ${item} of ${value}) {\n${this.#encodeValue(type.item, item)}}\n`;
      }
      case "dict": {
        const [key, item] = [this.#fresh("key"), this.#fresh("item")];
        return `w.count(${value}.size);\n` +
          `for (const [${key}, ${item}] of ${value}) {\n` +
          `${this.#encodeValue(type.key, key)}${this.#encodeValue(type.value, item)}}\n`;
      }
      case "option":
        return `w.present(${value} !== null);\n` +
          `if (${value} !== null) {\n${this.#encodeValue(type.item, value)}}\n`;
    }
  }

  #decode(fields: readonly Field[], whole = false): string {
    if (fields.length === 0) return "return {};\n";
    const lines = fields.map(({ name, type }) => this.#decodeInto(type, name, name));
    const finish = whole ? "r.finish();\n" : "";
    return `${lines.join("")}${finish}return { ${fields.map(({ name }) => name).join(", ")} };\n`;
  }

  /** Statements that declare the constant `target` and read it. */
  #decodeInto(type: FieldType, target: string, field: string): string {
    const name = JSON.stringify(field);
    switch (type.kind) {
      case "list": {
        const count = this.#fresh("count");
        const index = this.#fresh("i");
        const item = this.#fresh("item");
        return `const ${count} = r.count(${name}, ${this.#bytes(type.item)});\n` +
          `const ${target}: ${this.#mutable(type.item)}[] = new Array(${count});\n` +
          `for (let ${index} = 0; ${index} < ${count}; ${index}++) {\n` +
          `${this.#decodeInto(type.item, item, field)}${target}[${index}] = ${item};\n}\n`;
      }
      case "dict": {
        const [count, index, key, item] = ["count", "i", "key", "item"].map((n) => this.#fresh(n));
        const bytes = this.#bytes(type.key) + this.#bytes(type.value);
        const map = `${this.#mutable(type.key)}, ${this.#mutable(type.value)}`;
        return `const ${count} = r.count(${name}, ${bytes});\n` +
          `const ${target} = new Map<${map}>();\n` +
          `for (let ${index} = 0; ${index} < ${count}; ${index}++) {\n` +
          `${this.#decodeInto(type.key, key ?? "", field)}` +
          `${this.#decodeInto(type.value, item ?? "", field)}` +
          `${target}.set(${key}, ${item});\n}\n`;
      }
      default:
        return `const ${target} = ${this.#decodeExpression(type, name)};\n`;
    }
  }

  #decodeExpression(type: FieldType, name: string): string {
    switch (type.kind) {
      case "scalar": {
        const method = this.#encoding(type.name);
        return type.nullable || method === "signed"
          ? `r.${method}OrNull(${name})`
          : `r.${method}(${name})`;
      }
      case "enumeration":
        return `r.enum${type.nullable ? "OrNull" : ""}(${name}, ${this.#wireNames(type.name)})`;
      case "struct":
        return `decode${type.name}(r)`;
      case "option":
        return `r.present(${name}) ? ${this.#decodeExpression(type.item, name)} : null`;
      default:
        throw new Error(`${name}: a ${type.kind} can't stand here`);
    }
  }

  #wireNames(enumeration: string): string {
    return wireNames(this.#protocol, this.#dialect, enumeration).expression;
  }

  #encoding(scalar: string): string {
    return encodingOf(this.#protocol, this.#dialect, scalar);
  }

  #bytes(type: FieldType): number {
    return minBytes(this.#protocol, type, this.#dialect);
  }

  /** The TypeScript type of a value that is being read, with its names under `p`. */
  #mutable(type: FieldType): string {
    const text = typescriptType(this.#protocol, type);
    const own = [...this.#protocol.structs.keys(), ...this.#protocol.enumerations.keys()];
    return text.replace(/\b[A-Z]\w*/g, (name) => own.includes(name) ? `p.${name}` : name)
      .replace(/^readonly (.*)$/, "(readonly $1)");
  }

  #fresh(name: string): string {
    return `${name}${++this.#names}`;
  }
}

function hex(code: number): string {
  return "0x" + code.toString(16).padStart(4, "0");
}
