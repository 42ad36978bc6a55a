/**
 * What a log shows of a packet: one line with its id, its name and the peer, perhaps with its
 * arguments, and more lines for errors and for news of nodes, which everybody wants to see.
 */

import { inflateSync } from "node:zlib";
import { addressText } from "../../nodes/cluster/addresses.ts";
import { MalformedPacketError } from "../../nodes/errors.ts";
import { alignColumns } from "../columns.ts";
import { formatTime } from "../ctl/format.ts";
import { decodeBody } from "./decode.ts";
import {
  type DescribedField,
  type DescribedType,
  nodeName,
  type ProtocolDescription,
} from "./description.ts";
import { isList, repr, type Value } from "./value.ts";

/** Whether arguments are shown, and object data in them decompressed. */
export type ArgumentsShown = "none" | "raw" | "decompressed";

/** A packet as a log has it. */
export interface LoggedPacket {
  readonly id: number;
  readonly code: number;
  /** Who sent it or got it: `< C1 (127.0.0.1:44326)` or `> M1 ([::1]:24240)`. */
  readonly peer: string;
  /** Null when the log does not have it. */
  readonly body: Uint8Array | null;
}

const NAME_WIDTH = 30;

/** The greatest size of object data that is decompressed: NEO's packets are not larger. */
const MAX_DATA_BYTES = 1 << 26;

/** How deep in structs object data are looked for. */
const MAX_PATH = 4;

/** The lines of a packet. */
export function packetLines(
  { id, code, peer, body }: LoggedPacket,
  description: ProtocolDescription,
  shown: ArgumentsShown,
): string[] {
  const found = Object.hasOwn(description.packets, code) ? description.packets[code] : undefined;
  const name = found?.[0] ?? `UnknownPacket[${code}]`;
  const head = `#0x${id.toString(16).padStart(4, "0")} ${name.padEnd(NAME_WIDTH)} ${peer}`;
  if (found === undefined || body === null) return [head];
  const [, fields] = found;
  const always = name === "Error" || name === "NotifyNodeInformation";
  if (!always && shown === "none") return [head];
  try {
    const { args, lines } = explain(
      description,
      name,
      decodeBody(description, { name, fields }, body),
    );
    if (shown === "none" || args.length === 0) return [head, ...lines];
    const path = shown === "decompressed" ? dataPath(description, fields) : null;
    const printed = path === null ? args : decompress(args, path);
    return [`${head} \t| ${repr({ tuple: printed })}`, ...lines];
  } catch (error) {
    if (!(error instanceof MalformedPacketError)) throw error;
    return [head, "Can't decode packet"];
  }
}

function explain(
  description: ProtocolDescription,
  name: string,
  args: readonly Value[],
): {
  readonly args: readonly Value[];
  readonly lines: readonly string[];
} {
  if (name === "Error") {
    const [code = null, message = null] = args;
    return { args: [], lines: textLines(`${repr(code)} (${textOf(message)})`) };
  }
  if (name === "NotifyNodeInformation") {
    const [timestamp = null, nodes = null] = args;
    return { args: [timestamp], lines: isList(nodes) ? nodeLines(description, nodes) : [] };
  }
  return { args, lines: [] };
}

/** A text in lines, as Python's `splitlines` has them: an end of line at the end begins none. */
export function textLines(text: string): string[] {
  // deno-lint-ignore no-control-regex -- some ends of lines are control characters
  const lines = text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** One line per node, in columns. */
function nodeLines(description: ProtocolDescription, nodes: readonly Value[]): string[] {
  const rows = nodes.map((node) => nodeColumns(description, node))
    .sort((a, b) => a.order - b.order);
  return alignColumns(rows.map(({ cells }) => cells), " | ").map((line) => ` ! ${line}`);
}

function nodeColumns(
  description: ProtocolDescription,
  node: Value,
): { readonly order: number; readonly cells: readonly string[] } {
  const [type = null, address = null, id = null, state = null, since = null] = partsOf(node) ?? [];
  const nid = typeof id === "bigint" ? Number(id) : null;
  const sinceTime = since !== null && typeof since === "object" && "float" in since
    ? formatTime(since.float)
    : "None";
  return {
    order: nid ?? -Infinity,
    cells: [nodeName(description, nid), textOf(type), addressOf(address), textOf(state), sinceTime],
  };
}

function addressOf(address: Value): string {
  const [host = null, port = null] = partsOf(address) ?? [];
  if (host === null || typeof port !== "bigint") return "";
  return addressText({ host: textOf(host), port: Number(port) });
}

/** The values of a tuple; null when it is none. */
function partsOf(value: Value): readonly Value[] | null {
  return value !== null && typeof value === "object" && "tuple" in value ? value.tuple : null;
}

/** A value as a part of a text. */
function textOf(value: Value): string {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value !== null && typeof value === "object" && "enumeration" in value) {
    return value.enumeration;
  }
  return repr(value);
}

/**
 * Where object data stand among fields: the place of `compression`, two before that of `data`;
 * the places before it lead into structs. Null when there are none. `seen` are structs that need
 * no second look.
 */
function dataPath(
  description: ProtocolDescription,
  fields: readonly DescribedField[],
  seen = new Set<string>(),
  depth = 0,
): readonly number[] | null {
  if (depth > MAX_PATH) return null;
  for (const [at, [name, type]] of fields.entries()) {
    if (name === "compression" && fields[at + 2]?.[0] === "data") return [at];
    const struct = structOf(type);
    if (struct === null || seen.has(struct)) continue;
    seen.add(struct);
    const inner = Object.hasOwn(description.structs, struct)
      ? description.structs[struct]
      : undefined;
    const path = inner === undefined ? null : dataPath(description, inner, seen, depth + 1);
    if (path !== null) return [at, ...path];
  }
  return null;
}

function structOf(type: DescribedType): string | null {
  if (typeof type === "string") return type;
  return "option" in type && typeof type.option === "string" ? type.option : null;
}

/** Puts the length of object data, and the data themselves, in the place of what was stored. */
function decompress(args: readonly Value[], [at = 0, ...path]: readonly number[]): Value[] {
  const result = [...args];
  if (path.length > 0) {
    const inner = partsOf(args[at] ?? null);
    if (inner !== null) result[at] = { tuple: decompress(inner, path) };
    return result;
  }
  const [isCompressed = null, , stored = null] = args.slice(at);
  if (!(stored instanceof Uint8Array)) return result;
  const data = isCompressed === true ? inflated(stored) : stored;
  if (data !== null) result.splice(at, 3, { tuple: [BigInt(data.length), data] });
  return result;
}

/** Null when it is not what was compressed: then it is shown as it is. */
function inflated(stored: Uint8Array): Uint8Array | null {
  try {
    return inflateSync(stored, { maxOutputLength: MAX_DATA_BYTES });
  } catch {
    return null;
  }
}
