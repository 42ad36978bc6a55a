/** Ids, nodes, bytes and queues for tests of storages. */

import { createHash } from "node:crypto";
import type { NodeInformation } from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { type Nid, type Oid, oid, type Tid, tid } from "../../nodes/codec/ids.ts";

export const M1 = nodeId("MASTER", 1);
export const S1 = nodeId("STORAGE", 1);
export const S2 = nodeId("STORAGE", 2);
export const S3 = nodeId("STORAGE", 3);
export const C1 = nodeId("CLIENT", 1);
export const C2 = nodeId("CLIENT", 2);
export const C3 = nodeId("CLIENT", 3);

/** The time at which the played master has identified everybody. */
export const IDENTIFIED = 1_600_000_000.5;

/** Numbers as ids. */
export const o = (value: number): Oid => oid(BigInt(value));
export const t = (value: number): Tid => tid(BigInt(value));

/** A queue that is read by awaiting. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** What is there, without waiting. */
  all(): T[] {
    return this.#items.splice(0);
  }
}

/** A node as the master tells of it. */
export function node(
  type: NodeInformation["type"],
  nid: Nid,
  state: NodeInformation["state"] = "RUNNING",
): NodeInformation {
  return { type, address: null, nid, state, idTimestamp: IDENTIFIED };
}

/** The checksum of data. */
export function sha1(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha1").update(data).digest());
}
