/**
 * Statements whose parameters are filled in as literals. Not as parameters of the protocol, because
 * the server compares those with 64-bit columns as floating-point numbers, and because many
 * statements that are texts go to the server at once.
 *
 * Each character of the text is one byte. The session's character set is binary, and its sql_mode
 * leaves backslashes their meaning, so a quote and a backslash are all that has to be escaped.
 */

import { Buffer } from "node:buffer";
import type { SqlValue } from "../../../host/host.ts";
import { encodeText } from "../../../wire/text.ts";

/** A parameter: `?`, or `?1` for the first. */
const PARAMETER = /\?(\d*)/;

/** A column that has the name of a keyword. */
const KEYWORD = /(?<!`)\bpartition\b(?!`)/g;

export class Template {
  readonly #parts: readonly string[];
  readonly #indexes: readonly number[];

  constructor(sql: string) {
    const parts = sql.replace(KEYWORD, "`partition`").split(PARAMETER);
    // Between two texts is the number of a parameter, which is empty for the next one.
    this.#parts = parts.filter((_, at) => at % 2 === 0);
    this.#indexes = parts.filter((_, at) => at % 2 === 1)
      .map((number, at) => number === "" ? at : Number(number) - 1);
  }

  fill(parameters: readonly SqlValue[]): string {
    let text = this.#parts[0] ?? "";
    for (const [at, index] of this.#indexes.entries()) {
      text += literal(parameters[index]) + this.#parts[at + 1];
    }
    return text;
  }
}

function literal(value: SqlValue | undefined): string {
  if (value === undefined) throw new RangeError("a statement lacks a parameter");
  if (value === null) return "NULL";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return quoted(typeof value === "string" ? encodeText(value) : value);
}

const SPECIAL = /['\\]/g;

function quoted(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return `'${text.replace(SPECIAL, "\\$&")}'`;
}
