/**
 * The description of a protocol that a log of NEO/ts carries: which packets there are, what a log
 * calls them, and what they are made of. A log is a stranger's file: its description is taken as
 * data, checked, and refused when it is anything but that.
 */

import { z } from "zod";
import { neo_1_11_log } from "../../gen/neo_1_11_log.ts";

/** The scalars that a description may name. */
export const SCALARS = [
  "u32",
  "index",
  "bool",
  "nid",
  "signed",
  "ptid",
  "tid",
  "oid",
  "timestamp",
  "checksum",
  "bytes",
  "address",
] as const;
export type ScalarName = (typeof SCALARS)[number];

/** The type of a field: a scalar, an enumeration or a struct by its name, or made of others. */
export type DescribedType =
  | string
  | { readonly list: DescribedType }
  | { readonly dict: readonly [DescribedType, DescribedType] }
  | { readonly option: DescribedType };

const describedType: z.ZodType<DescribedType> = z.lazy(() =>
  z.union([
    z.string(),
    z.strictObject({ list: describedType }),
    z.strictObject({ dict: z.tuple([describedType, describedType]) }),
    z.strictObject({ option: describedType }),
  ])
);

const fields = z.array(z.tuple([z.string(), describedType]));
export type DescribedField = readonly [name: string, type: DescribedType];

const protocolDescription = z.object({
  format: z.literal("NEO/ts protocol description 1"),
  dialect: z.string(),
  nodeIds: z.record(z.string(), z.string()),
  enumerations: z.record(z.string(), z.array(z.string())),
  structs: z.record(z.string(), fields),
  packets: z.record(z.string(), z.tuple([z.string(), fields])),
});

/** What a log says of the protocol of its packets. */
export type ProtocolDescription = z.infer<typeof protocolDescription>;

/** Where the description stands in a log's text, which is a program for others. */
const DESCRIPTION_LINE = /^protocol = (\{.*\})$/m;

/** The protocol of NEO 1.11, for logs that do not bring a description. */
export function builtInDescription(): ProtocolDescription {
  return protocolDescription.parse(JSON.parse(neo_1_11_log.description));
}

/** The description in the text of a log; null when there is none that can be understood. */
export function findDescription(text: string): ProtocolDescription | null {
  const found = DESCRIPTION_LINE.exec(text);
  if (found?.[1] === undefined) return null;
  try {
    const checked = protocolDescription.safeParse(JSON.parse(found[1]));
    return checked.success ? checked.data : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

/** `S1`, `M1`, `C1`, `A1`; `None` where there is no id. */
export function nodeName({ nodeIds }: ProtocolDescription, nid: number | null): string {
  if (nid === null) return "None";
  const namespace = String((nid >> 24) & 0xff);
  const letter = Object.hasOwn(nodeIds, namespace) ? nodeIds[namespace] : "?";
  return `${letter}${nid & 0xff_ffff}`;
}
