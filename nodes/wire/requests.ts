/**
 * The requests that one connection has sent: numbers them, and keeps those that wait for their
 * answer. No two that wait have the same number, also when the numbers start again.
 */

import type { Codecs } from "../../gen/packets.ts";
import type { PacketType } from "../codec/packet.ts";
import type { Frame } from "./framing.ts";

/** A request that waits for its answer. */
export interface PendingRequest {
  readonly type: PacketType<unknown, Codecs>;
  settle(frame: Frame): void;
  reject(error: Error): void;
}

/** How many requests and notifications can be numbered before the numbers start again. */
const ID_RANGE = 2 ** 32;

export class Requests {
  readonly #pending = new Map<number, PendingRequest>();
  #nextId: number;

  constructor(firstId = 0) {
    this.#nextId = firstId;
  }

  /** The id of the next request or notification. */
  nextId(): number {
    let id = this.#nextId;
    while (this.#pending.has(id)) id = (id + 1) % ID_RANGE;
    this.#nextId = (id + 1) % ID_RANGE;
    return id;
  }

  /** Whether no request waits. */
  get empty(): boolean {
    return this.#pending.size === 0;
  }

  add(id: number, request: PendingRequest): void {
    this.#pending.set(id, request);
  }

  get(id: number): PendingRequest | undefined {
    return this.#pending.get(id);
  }

  remove(id: number): void {
    this.#pending.delete(id);
  }

  /** Takes out all that wait: none of them will be answered. */
  removeAll(): PendingRequest[] {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    return all;
  }
}
