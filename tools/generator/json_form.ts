/** Emits gen/<dialect>_json.ts: the JSON form of every packet of a dialect. */

import { dialectName, encodingOf, MARK, minBytes, wireNames } from "./names.ts";
import type { Field, FieldType, Protocol } from "./model.ts";

/** The text of gen/<dialect>_json.ts. */
export function emitJsonForm(protocol: Protocol, dialect: string): string {
  const emitter = new JsonEmitter(protocol, dialect);
  const structs = [...protocol.structs].map(([name, { fields }]) =>
    `function read${name}(r: Reader): Json[] {\n  return [${emitter.readAll(fields)}];\n}\n\n` +
    `function write${name}(w: Writer, a: JsonArguments): void {\n${emitter.writeAll(fields)}}\n`
  );
  const packets = protocol.packets.filter(({ codes }) => dialect in codes);
  const forms = packets.map(({ name, fields }) => {
    const read = fields.length === 0 ? "() => []" : `(r) => [${emitter.readAll(fields)}]`;
    const write = fields.length === 0 ? "() => {}" : `(w, a) => {\n${emitter.writeAll(fields)}}`;
    return `  ${name}: { count: ${fields.length}, read: ${read}, write: ${write} },`;
  });
  return [
    MARK,
    `import {\n  type Json,\n  type JsonArguments,\n  type JsonForm,\n  readJson as read,\n` +
    `  writeJson as write,\n} from "../nodes/codec/json_form.ts";`,
    `import type { Reader } from "../nodes/codec/reader.ts";`,
    `import type { Writer } from "../nodes/codec/writer.ts";`,
    `import * as p from "./packets.ts";\n`,
    ...[...protocol.enumerations.keys()].map((name) =>
      wireNames(protocol, dialect, name).declaration
    ),
    ...structs,
    `/** By packet name; \`count\` is that of the packet's fields. */`,
    `export const ${dialectName(dialect)}_json: Readonly<` +
    `Record<string, JsonForm & { readonly count: number }>> = {`,
    ...forms,
    `};\n`,
  ].join("\n");
}

class JsonEmitter {
  readonly #protocol: Protocol;
  readonly #dialect: string;

  constructor(protocol: Protocol, dialect: string) {
    this.#protocol = protocol;
    this.#dialect = dialect;
  }

  readAll(fields: readonly Field[]): string {
    return fields.map(({ name, type }) => this.#read(type, JSON.stringify(name))).join(", ");
  }

  #read(type: FieldType, field: string): string {
    switch (type.kind) {
      case "scalar":
        return `read.${this.#encoding(type.name)}(r, ${field})`;
      case "enumeration":
        return `read.enum(r, ${field}, ${this.#wireNames(type.name)})`;
      case "struct":
        return `read${type.name}(r)`;
      case "list":
        return `read.list(r, ${field}, ${this.#bytes(type.item)}, ` +
          `() => ${this.#read(type.item, field)})`;
      case "dict":
        return `read.dict(r, ${field}, ${this.#bytes(type.key) + this.#bytes(type.value)}, ` +
          `() => [${this.#read(type.key, field)}, ${this.#read(type.value, field)}])`;
      case "option":
        return `read.option(r, ${field}, () => ${this.#read(type.item, field)})`;
    }
  }

  writeAll(fields: readonly Field[]): string {
    return fields.map(({ name, type }, at) =>
      `    ${this.#write(type, JSON.stringify(name), `a.at(${at})`)};\n`
    ).join("");
  }

  #write(type: FieldType, field: string, value: string): string {
    switch (type.kind) {
      case "scalar":
        return `write.${this.#encoding(type.name)}(w, a, ${field}, ${value})`;
      case "enumeration":
        return `write.enum(w, a, ${field}, ${value}, ${this.#wireNames(type.name)})`;
      case "struct": {
        const count = this.#protocol.structs.get(type.name)?.fields.length ?? 0;
        return `write${type.name}(w, a.struct(${value}, ${count}))`;
      }
      case "list":
        return `write.list(w, a, ${field}, ${value}, ` +
          `(v) => ${this.#write(type.item, field, "v")})`;
      case "dict":
        return `write.dict(w, a, ${field}, ${value}, (k, v) => {\n` +
          `${this.#write(type.key, field, "k")};\n${this.#write(type.value, field, "v")};\n})`;
      case "option":
        return `write.option(w, ${value}, (v) => ${this.#write(type.item, field, "v")})`;
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
}
