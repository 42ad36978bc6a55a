/**
 * Node ids: the high byte is the namespace of the node's type, the lower 24 bits number the nodes
 * of a type from 1. Only those of storages outlive their connection.
 */

import type { NodeType } from "../../gen/packets.ts";
import { type Nid, nid } from "../codec/ids.ts";

const NAMESPACES: Readonly<Record<NodeType, number>> = {
  STORAGE: 0x00,
  MASTER: 0xf0,
  CLIENT: 0xe0,
  ADMIN: 0xd0,
};

const LETTERS: Readonly<Record<NodeType, string>> = {
  STORAGE: "S",
  MASTER: "M",
  CLIENT: "C",
  ADMIN: "A",
};

/** How many nodes of one type there can be. */
export const MAX_NODE_NUMBER = 0xff_ffff;

/** The id of the `number`-th node of a type. Throws a RangeError outside 1 … 2^24-1. */
export function nodeId(type: NodeType, number: number): Nid {
  if (!Number.isInteger(number) || number < 1 || number > MAX_NODE_NUMBER) {
    throw new RangeError(`expected a node number from 1 to ${MAX_NODE_NUMBER}, found ${number}`);
  }
  return nid((NAMESPACES[type] << 24) | number);
}

/** The type that an id is of; null when its namespace is none, or its number is 0. */
export function nodeTypeOf(id: Nid): NodeType | null {
  if ((id & MAX_NODE_NUMBER) === 0) return null;
  const high = (id >>> 24) & 0xff;
  if (high === NAMESPACES.STORAGE) return "STORAGE";
  if (high === NAMESPACES.MASTER) return "MASTER";
  if (high === NAMESPACES.CLIENT) return "CLIENT";
  return high === NAMESPACES.ADMIN ? "ADMIN" : null;
}

/** Whether an id is one that the primary master gives again to others. */
export function isTemporary(id: Nid): boolean {
  return id < 0;
}

/** `S1`, `M1`, `C1`, `A1`; `None` where there is no id. */
export function nidText(id: Nid | null): string {
  if (id === null) return "None";
  const type = nodeTypeOf(id);
  return type === null ? `?${id}` : LETTERS[type] + (id & MAX_NODE_NUMBER);
}

/** The id that a text such as `S1` names; null when it names none. */
export function parseNid(text: string): Nid | null {
  const found = /^([SMCA])(\d+)$/.exec(text);
  if (found === null) return null;
  const number = Number(found[2]);
  const type = typeOfLetter(found[1]);
  if (type === null || number < 1 || number > MAX_NODE_NUMBER) return null;
  return nodeId(type, number);
}

function typeOfLetter(letter: string | undefined): NodeType | null {
  switch (letter) {
    case "S":
      return "STORAGE";
    case "M":
      return "MASTER";
    case "C":
      return "CLIENT";
    case "A":
      return "ADMIN";
    default:
      return null;
  }
}
