/**
 * Reads protocol.schema.json into the model that the emitters work from. What the schema gets
 * wrong (an unknown type, an answer that is none, two packets of one code) is refused here, so
 * that the emitters can trust it.
 */

import { z } from "zod";
import { checkProtocol } from "./check.ts";
import type {
  Dialect,
  Enumeration,
  Field,
  FieldType,
  Flow,
  Packet,
  Protocol,
  Scalar,
  Struct,
} from "./model.ts";

/** An enumeration is a byte with a sign, of which -1 stands for no value. */
const MAX_ENUM_VALUE = 127;

const reference = z.object({
  $ref: z.string().startsWith("#/$defs/"),
  mayBeNull: z.boolean().default(false),
});

const packetKeywords = z.object({
  kind: z.enum(["request", "answer", "notification"]),
  dialects: z.record(
    z.string(),
    z.object({ code: z.int().min(0).max(0xffff), logName: z.string().optional() }),
  ),
  answer: z.string().nullable().default(null),
  processedWhenClosed: z.boolean().default(true),
  mayBeDelayed: z.boolean().default(false),
  flows: z.array(z.object({ flow: z.string(), as: z.literal("notification").optional() }))
    .default([]),
});

const definition = z.object({
  description: z.string(),
  scalar: z.object({
    typescript: z.string(),
    // Each takes a byte at least: otherwise no number of bytes would bound a count.
    wire: z.record(z.string(), z.object({ encoding: z.string(), minBytes: z.int().min(1) })),
  }).optional(),
  enumeration: z.object({
    wire: z.record(
      z.string(),
      z.object({ values: z.record(z.string(), z.int().min(0).max(MAX_ENUM_VALUE)) }),
    ),
  }).optional(),
  struct: z.literal(true).optional(),
  errors: z.record(z.string(), z.int()).optional(),
  packet: packetKeywords.optional(),
  // Only structs and packets have fields: their parts are read where they are known to be one.
  prefixItems: z.unknown().optional(),
  properties: z.unknown().optional(),
});
type Definition = z.infer<typeof definition>;

const fieldItems = z.array(z.looseObject({ field: z.string() }));
const packetProperties = z.object({
  args: z.object({ prefixItems: fieldItems.default([]) }),
});

const document = z.object({
  dialects: z.record(
    z.string(),
    z.object({
      handshake: z.string().regex(/^([0-9a-f]{2})+$/),
      answerBit: z.int(),
      maxBodyBytes: z.int().min(1),
    }),
  ),
  flows: z.record(z.string(), z.string()),
  $defs: z.record(z.string(), definition),
});

/** Reads the text of the schema. Throws an Error that says where it is wrong. */
export function readProtocol(text: string): Protocol {
  const { dialects, flows, $defs } = document.parse(JSON.parse(text));
  return new SchemaReader(new Map(Object.entries($defs))).read(dialects, flows);
}

class SchemaReader {
  readonly #definitions: ReadonlyMap<string, Definition>;

  constructor(definitions: ReadonlyMap<string, Definition>) {
    this.#definitions = definitions;
  }

  read(dialects: Record<string, Dialect>, flows: Record<string, string>): Protocol {
    const scalars = new Map<string, Scalar>();
    const enumerations = new Map<string, Enumeration>();
    const structs = new Map<string, Struct>();
    const packets: Packet[] = [];
    let errors: Record<string, number> = {};
    for (const [name, found] of this.#definitions) {
      const { description } = found;
      if (found.scalar) scalars.set(name, found.scalar);
      if (found.enumeration) enumerations.set(name, { description, ...found.enumeration });
      if (found.struct) {
        structs.set(name, {
          description,
          fields: this.#fields(name, fieldItems.min(1).parse(found.prefixItems)),
        });
      }
      if (found.errors) errors = found.errors;
      if (found.packet) packets.push(this.#packet(name, packets.length, found, found.packet));
    }
    const protocol = {
      dialects,
      scalars,
      enumerations,
      structs,
      errors,
      packets,
      flows: this.#flows(flows, packets),
    };
    checkProtocol(protocol);
    return protocol;
  }

  #packet(
    name: string,
    index: number,
    found: Definition,
    { dialects, kind, answer, processedWhenClosed, mayBeDelayed }: z.infer<typeof packetKeywords>,
  ): Packet {
    const codes = Object.fromEntries(
      Object.entries(dialects).map(([dialect, { code }]) => [dialect, code]),
    );
    const logNames = Object.fromEntries(
      Object.entries(dialects).flatMap(([dialect, { logName }]) =>
        logName === undefined ? [] : [[dialect, logName]]
      ),
    );
    const fields = this.#fields(name, packetProperties.parse(found.properties).args.prefixItems);
    return {
      name,
      index,
      description: found.description,
      kind,
      codes,
      logNames,
      answer,
      processedWhenClosed,
      mayBeDelayed,
      fields,
    };
  }

  #fields(owner: string, items: readonly { field: string }[]): Field[] {
    return items.map((item) => ({
      name: item.field,
      type: this.#type(`${owner}.${item.field}`, item),
    }));
  }

  #type(where: string, schema: unknown): FieldType {
    const container = z.looseObject({ container: z.enum(["list", "dict", "option"]) })
      .safeParse(schema);
    if (!container.success) return this.#reference(where, schema);
    const keywords = container.data;
    switch (keywords.container) {
      case "list":
        return { kind: "list", item: this.#type(where, keywords.items) };
      case "option": {
        const [item] = z.array(z.unknown()).parse(keywords.anyOf);
        return { kind: "option", item: this.#type(where, item) };
      }
      case "dict": {
        const pair = z.object({
          dict: z.object({ items: z.object({ prefixItems: z.array(z.unknown()).length(2) }) }),
        }).parse(keywords.properties).dict.items.prefixItems;
        return {
          kind: "dict",
          key: this.#type(where, pair[0]),
          value: this.#type(where, pair[1]),
        };
      }
    }
  }

  #reference(where: string, schema: unknown): FieldType {
    const parsed = reference.safeParse(schema);
    if (!parsed.success) throw new Error(`${where}: neither a container nor a reference`);
    const { $ref, mayBeNull: nullable } = parsed.data;
    const name = $ref.slice("#/$defs/".length);
    const found = this.#definitions.get(name);
    if (found?.scalar) return { kind: "scalar", name, nullable };
    if (found?.enumeration) return { kind: "enumeration", name, nullable };
    if (found?.struct && !nullable) return { kind: "struct", name };
    throw new Error(`${where}: ${name} is not the name of a type that can stand here`);
  }

  #flows(flows: Record<string, string>, packets: readonly Packet[]): Flow[] {
    const known = new Set(Object.keys(flows));
    for (const { name } of packets) {
      for (const { flow } of this.#definitions.get(name)?.packet?.flows ?? []) {
        if (!known.has(flow)) throw new Error(`${name}: unknown flow ${flow}`);
      }
    }
    return Object.entries(flows).map(([name, description]) => ({
      name,
      description,
      packets: packets.flatMap((packet) => {
        const use = this.#definitions.get(packet.name)?.packet?.flows
          .find(({ flow }) => flow === name);
        if (use === undefined) return [];
        return [{ packet, answered: packet.kind === "request" && use.as === undefined }];
      }),
    }));
  }
}
