/** The words of a control command: nodes, types, states, numbers and tids, as neoctl reads them. */

import { CLUSTER_STATES, type ClusterState, NODE_TYPES, type NodeType } from "../../gen/packets.ts";
import { parseNid } from "../../nodes/cluster/node_ids.ts";
import { tidFromTime, timeOfTid } from "../../nodes/cluster/tid_time.ts";
import { MAX_TID, type Nid, type Tid, tid } from "../../nodes/codec/ids.ts";
import { ConfigurationError } from "../../nodes/errors.ts";

const MAX_U32 = 0xffff_ffff;
const MINUTE_S = 60;
const LOW_RANGE = 2 ** 32;

/** `S1`, `M2`. */
export function nodeArgument(text: string): Nid {
  const nid = parseNid(text);
  if (nid === null) throw expected("a node such as S1 or M2", text);
  return nid;
}

/** `storage`, `MASTER`. */
export function typeArgument(text: string): NodeType {
  const type = NODE_TYPES.find((type) => type === text.toUpperCase());
  if (type === undefined) throw expected(`one of ${lowerCase(NODE_TYPES)}`, text);
  return type;
}

/** `verifying`, `STOPPING`. */
export function stateArgument(text: string): ClusterState {
  const state = CLUSTER_STATES.find((state) => state === text.toUpperCase());
  if (state === undefined) throw expected(`one of ${lowerCase(CLUSTER_STATES)}`, text);
  return state;
}

/** The number of a partition. */
export function offsetArgument(text: string): number {
  const offset = /^\d+$/.test(text) ? Number(text) : -1;
  if (offset < 0 || offset > MAX_U32) throw expected("the number of a partition", text);
  return offset;
}

/** `0` or `1`. */
export function flagArgument(text: string): boolean {
  if (text !== "0" && text !== "1") throw expected("0 or 1", text);
  return text === "1";
}

/** A tid: a number in any of Python's notations, or a UTC timestamp if there is a point in it. */
export function tidArgument(text: string): Tid {
  const value = text.includes(".") ? tidOfTimestamp(text) : tidOfNumber(text);
  if (value === null) {
    throw expected("a tid such as 0x3937af2eeeeeeee or a time such as 1325421296.", text);
  }
  return value;
}

function tidOfNumber(text: string): Tid | null {
  const octal = /^0o?([0-7]+)$/i.exec(text);
  if (octal === null && !/^(\d+|0x[0-9a-f]+|0b[01]+)$/i.test(text)) return null;
  if (octal === null && /^0\d/.test(text)) return null;
  const value = BigInt(octal === null ? text : `0o${octal[1]}`);
  return value > MAX_TID ? null : tid(value);
}

/** The minute and the rest apart: as milliseconds, a time of today has not enough digits. */
function tidOfTimestamp(text: string): Tid | null {
  if (!/^(\d+\.\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return null;
  const time = Number(text);
  const whole = Math.floor(time);
  const second = whole % MINUTE_S;
  const minuteMs = (whole - second) * 1000;
  if (minuteMs >= timeOfTid(MAX_TID)) return null;
  const low = Math.trunc((second + (time - whole)) / (MINUTE_S / LOW_RANGE));
  return tid(tidFromTime(minuteMs) + BigInt(Math.min(low, LOW_RANGE - 1)));
}

function lowerCase(names: readonly string[]): string {
  return names.join(", ").toLowerCase();
}

function expected(what: string, found: string): ConfigurationError {
  return new ConfigurationError(`expected ${what}, found ${JSON.stringify(found)}`);
}
