/**
 * What the requests of a peer are answered by: what a handler gives, at once or later, the refusal
 * that it throws, or the end of the connection. Every request gets one of them.
 */

import { type Codecs, ErrorPacket } from "../../gen/packets.ts";
import { LaterAnswer, type PacketType, type Reply } from "../codec/packet.ts";
import { DatabaseError, MalformedPacketError, NeoError } from "../errors.ts";
import type { LogLevel } from "../host/host.ts";
import { MAX_UNANSWERED_REQUESTS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { Refusal } from "./refusal.ts";

/** A request, or a notification, as it is named in what is said of it. */
export interface Received {
  readonly id: number;
  readonly type: PacketType<unknown, Codecs>;
}

/** What is asked of the connection that replies are sent on. */
export interface ReplyingConnection {
  readonly label: string;
  readonly closed: boolean;
  abort(): void;
}

export interface RepliesOptions {
  readonly outbox: Outbox;
  log(level: LogLevel, message: string): void;
  /** The peer broke the protocol, as `reason` says; with `closed`, orders that follow count. */
  fault(reason: string, state?: "closed"): void;
  /** The node itself can't go on. */
  fatal(error: unknown): void;
}

export class Replies {
  readonly #connection: ReplyingConnection;
  readonly #options: RepliesOptions;
  #unanswered = 0;

  constructor(connection: ReplyingConnection, options: RepliesOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Answers a request as soon as there is something to answer. */
  reply<T>(request: Received, type: PacketType<T, Codecs>, reply: Reply<T>): void {
    const isLater = reply instanceof LaterAnswer;
    if (!isLater && !(reply instanceof Promise)) return this.answer(request.id, type, reply);
    if (++this.#unanswered > MAX_UNANSWERED_REQUESTS) {
      this.#options.fault(
        `has more than ${MAX_UNANSWERED_REQUESTS} requests waiting for an answer`,
      );
    }
    const answered = (packet: T) => {
      this.#unanswered--;
      this.answer(request.id, type, packet);
    };
    const failed = (error: unknown) => {
      this.#unanswered--;
      this.failed(request, error);
    };
    if (isLater) reply.takenBy({ answered, failed });
    else reply.then(answered, failed);
  }

  answer<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    const { outbox, log } = this.#options;
    if (this.#connection.closed) return;
    try {
      outbox.write(id, type, packet);
    } catch (error) {
      // Not the peer's fault, but it must not wait for ever.
      log("ERROR", `while answering ${this.#connection.label}: ${textOf(error)}`);
      const refusal = new Refusal("PROTOCOL_ERROR", `${type.name} can't be sent`);
      outbox.write(id, ErrorPacket, refusal.toPacket());
      this.#connection.abort();
    }
  }

  /** A handler threw: the peer is told or dropped, or the node has to stop. */
  failed({ id, type }: Received, error: unknown): void {
    const { log, fault, fatal } = this.#options;
    if (error instanceof Refusal) return this.#refuse({ id, type }, error);
    if (error instanceof DatabaseError) return fatal(error);
    // Orders that follow it are obeyed in any case.
    if (error instanceof MalformedPacketError) return fault(`sent ${error.message}`, "closed");
    if (error instanceof NeoError) return fault(`sent ${type.name}: ${error.message}`);
    log("ERROR", `while handling ${type.name}: ${textOf(error)}`);
    fault(`sent ${type.name}, which could not be handled`);
  }

  #refuse({ id, type }: Received, refusal: Refusal): void {
    const { code, fatal, message } = refusal;
    this.answer(id, ErrorPacket, refusal.toPacket());
    if (this.#connection.closed) return;
    // Other refusals that are not fatal are nothing special: an object that does not exist. Nor is
    // who comes too early, and tries again each second until the cluster is ready.
    if (fatal || code === "PROTOCOL_ERROR") {
      const level = code === "NOT_READY" ? "INFO" : "WARNING";
      this.#options.log(level, `refused ${type.name} of ${this.#connection.label}: ${message}`);
    }
    if (fatal) this.#connection.abort();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
