/**
 * JSON texts in which integers are whole: those beyond 2^53 are read as bigint, and bigints are
 * printed as integers.
 */

import type { Json } from "../nodes/codec/json_form.ts";

/** Reads a JSON text. Throws a SyntaxError when it is none. */
export function parseJson(text: string): Json {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source ?? "";
    const isLarge = typeof value === "number" && !Number.isSafeInteger(value);
    return isLarge && /^-?\d+$/.test(source) ? BigInt(source) : value;
  });
}

/** Prints a value as JSON, on one line. */
export function printJson(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  // JSON.stringify would lose the sign.
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return `[${value.map(printJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) =>
    `${JSON.stringify(key)}:${printJson(member)}`
  );
  return `{${members.join(",")}}`;
}
