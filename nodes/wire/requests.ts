/**
 * The requests that one connection has sent: numbers them, and takes answers to those that wait.
 * No two that wait have the same number, also when the numbers start again.
 */

import { type Codecs, ErrorPacket } from "../../gen/packets.ts";
import type { Dialect, PacketType, RequestType } from "../codec/packet.ts";
import { decodeFrame } from "./coding.ts";
import type { Frame } from "./framing.ts";
import { peerError } from "./refusal.ts";

interface Pending {
  readonly type: PacketType<unknown, Codecs>;
  settle(frame: Frame): void;
  reject(error: Error): void;
}

/** How many requests and notifications can be numbered before the numbers start again. */
const ID_RANGE = 2 ** 32;

export class Requests {
  readonly #dialect: Dialect<Codecs>;
  readonly #pending = new Map<number, Pending>();
  #nextId: number;

  constructor(dialect: Dialect<Codecs>, firstId = 0) {
    this.#dialect = dialect;
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

  /**
   * Waits for the answer to a request that was sent as `id`. `inOrder` is called with the answer in
   * the moment in which it is taken; what it throws rejects the request too.
   */
  wait<A>(
    id: number,
    type: RequestType<unknown, A, Codecs>,
    inOrder?: (answer: A) => void,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        type,
        reject,
        settle: (frame) => {
          const answer = decodeFrame(type.answer, frame, this.#dialect);
          inOrder?.(answer);
          resolve(answer);
        },
      });
    });
  }

  /** Takes an answer. Returns false when no request waits for it. */
  answered(type: PacketType<unknown, Codecs>, frame: Frame): boolean {
    const pending = this.#pending.get(frame.id);
    if (pending === undefined) return false;
    if (type === ErrorPacket) {
      const error = decodeFrame(ErrorPacket, frame, this.#dialect);
      this.#pending.delete(frame.id);
      if (error.code === 0 && pending.type.answer === ErrorPacket) pending.settle(frame);
      else pending.reject(peerError(error));
      return true;
    }
    if (pending.type.answer !== type) return false;
    this.#pending.delete(frame.id);
    try {
      pending.settle(frame);
    } catch (error) {
      pending.reject(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    return true;
  }

  /** Rejects all that wait: none of them will be answered. */
  rejectAll(errorFor: (request: string) => Error): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { type, reject } of all) reject(errorFor(type.name));
  }
}
