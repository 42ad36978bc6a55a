/** The packets that the real NEO 1.11 encoded itself: what stands on the wire beside its meaning. */

import { z } from "zod";
import type { Json } from "../../nodes/codec/json_form.ts";
import { parseJson } from "../../tools/json_text.ts";

const vectorsFile = z.object({
  protocolVersion: z.int(),
  handshake: z.string(),
  enums: z.record(z.string(), z.array(z.string())),
  packets: z.array(z.object({
    name: z.string(),
    code: z.int(),
    answer: z.string().nullable().default(null),
    nodelay: z.boolean(),
    ignoreOnClosedConnection: z.boolean(),
    fields: z.array(z.looseObject({ type: z.string() })),
    vectors: z.array(z.object({
      id: z.int(),
      hex: z.string(),
      args: z.array(z.custom<Json>()),
    })).min(1),
  })),
});

const text = Deno.readTextFileSync(new URL("../vectors/neo-1.11.json", import.meta.url));

export const vectors = vectorsFile.parse(parseJson(text));

/** All packets of the file, one by one. */
export const allVectors = vectors.packets.flatMap(({ name, code, vectors }) =>
  vectors.map((vector) => ({ name, code, ...vector }))
);
