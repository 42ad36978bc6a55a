/**
 * The values in a packet as a log shows them: in the form in which Python 2 prints them, because
 * that is what people and scripts know from neolog.
 */

/** A value that a packet holds. Bytes stand for Python's strings, arrays for its lists. */
export type Value =
  | null
  | boolean
  | bigint
  | Uint8Array
  | readonly Value[]
  | { readonly float: number }
  | { readonly enumeration: string; readonly value: number }
  | { readonly tuple: readonly Value[] }
  | { readonly dict: readonly (readonly [Value, Value])[] };

/** What Python 2 prints for a value. */
export function repr(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return reprBytes(value);
  if (isList(value)) return `[${value.map(repr).join(", ")}]`;
  if ("float" in value) return reprFloat(value.float);
  if ("enumeration" in value) return `<EnumItem ${value.enumeration} (${value.value})>`;
  if ("tuple" in value) {
    const parts = value.tuple.map(repr);
    return parts.length === 1 ? `(${parts[0]},)` : `(${parts.join(", ")})`;
  }
  return `{${value.dict.map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(", ")}}`;
}

/** Whether a value is a list; `Array.isArray` alone does not narrow a readonly array. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
};

function reprBytes(bytes: Uint8Array): string {
  const hasOnlySingle = bytes.includes(0x27) && !bytes.includes(0x22);
  const quote = hasOnlySingle ? '"' : "'";
  const parts: string[] = [];
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    if (char === quote) parts.push(`\\${char}`);
    else if (ESCAPES[char] !== undefined) parts.push(ESCAPES[char]);
    else if (byte >= 0x20 && byte < 0x7f) parts.push(char);
    else parts.push(`\\x${byte.toString(16).padStart(2, "0")}`);
  }
  return quote + parts.join("") + quote;
}

/** Python has an exponent from 1e16 on and below 1e-4, of two digits at least. */
function reprFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  const text = String(value);
  return /[.]/.test(text) ? text : `${text}.0`;
}
