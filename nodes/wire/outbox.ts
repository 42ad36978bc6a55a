/**
 * What one connection sends. Packets that are written in one turn leave in one write, and a peer
 * that does not take them is congested: then those who have much to send wait, and the side that
 * accepted the connection reads nothing more from it. Only one side may do that: if both did, each
 * could wait for the other to read. A packet is written whole or not at all.
 */

import type { Codecs } from "../../gen/packets.ts";
import type { Dialect, PacketType } from "../codec/packet.ts";
import { Writer } from "../codec/writer.ts";
import { MalformedPacketError } from "../errors.ts";
import type { PacketFrame, Socket } from "../host/host.ts";
import { codecOf } from "./coding.ts";
import { MAX_UNSENT_BYTES, WRITE_BYTES } from "./limits.ts";

export class Outbox {
  readonly #socket: Socket;
  readonly #dialect: Dialect<Codecs>;
  readonly #overflow: (reason: string) => void;
  readonly #written: ((frame: PacketFrame) => void) | null;
  readonly #pausesReading: boolean;
  readonly #writer = new Writer();
  readonly #drainListeners: (() => void)[] = [];
  #held = false;
  #flushScheduled = false;
  #congested = false;
  #closed = false;

  /**
   * `overflow` is told when more waits for the peer than may, and `written` of each packet; null
   * when nobody wants to know.
   */
  constructor(socket: Socket, { dialect, pausesReading, overflow, written }: {
    readonly dialect: Dialect<Codecs>;
    readonly pausesReading: boolean;
    overflow(reason: string): void;
    readonly written: ((frame: PacketFrame) => void) | null;
  }) {
    this.#socket = socket;
    this.#dialect = dialect;
    this.#pausesReading = pausesReading;
    this.#overflow = overflow;
    this.#written = written;
    this.#writer.raw(dialect.handshake);
    this.#scheduleFlush();
  }

  /** Whether the peer has not taken what was written. */
  get congested(): boolean {
    return this.#congested;
  }

  /**
   * Writes a packet. Throws, and writes nothing of it, when it can't be encoded or is larger than
   * a packet may be.
   */
  write<T>(id: number, type: PacketType<T, Codecs>, packet: T): void {
    const { maxBodyBytes } = this.#dialect;
    const codec = codecOf(type, this.#dialect);
    const before = this.#writer.length;
    let whole = false;
    try {
      const mark = this.#writer.beginPacket(id, codec.code);
      codec.encode(this.#writer, packet);
      const bodyBytes = this.#writer.endPacket(mark);
      if (bodyBytes > maxBodyBytes) {
        const reason = `expected at most ${maxBodyBytes} bytes, found ${bodyBytes}`;
        throw new MalformedPacketError(type.name, "(body)", reason);
      }
      whole = true;
      if (this.#written !== null) {
        this.#written({ id, code: codec.code, ...this.#writer.last(bodyBytes) });
      }
    } finally {
      if (!whole) this.#writer.truncate(before);
    }
    if (this.#writer.length >= WRITE_BYTES) this.flush();
    else this.#scheduleFlush();
  }

  /** While packets are dispatched, nothing is flushed for its own sake; `release` flushes. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.flush();
  }

  #scheduleFlush(): void {
    if (this.#held || this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.flush();
    });
  }

  /** Hands what was written to the network. */
  flush(): void {
    if (this.#closed || this.#writer.length === 0) return;
    const taken = this.#socket.write(this.#writer.take());
    if (this.#socket.bufferedBytes > MAX_UNSENT_BYTES) {
      return this.#overflow(`lets more than ${MAX_UNSENT_BYTES} bytes wait for it`);
    }
    if (taken || this.#congested) return;
    // A peer that does not take its answers gets no more requests served.
    this.#congested = true;
    if (this.#pausesReading) this.#socket.pause();
  }

  /** Resolves once the peer has taken what was written, or the outbox is closed. */
  drained(): Promise<void> {
    if (!this.#congested || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#drainListeners.push(resolve));
  }

  /** The socket says that the network has taken everything. */
  socketDrained(): void {
    if (this.#closed) return;
    if (this.#congested && this.#pausesReading) this.#socket.resume();
    this.#relieve();
  }

  /** Nothing is sent any more; all who wait go on. What was flushed is the socket's business. */
  close(): void {
    this.#closed = true;
    this.#relieve();
  }

  #relieve(): void {
    this.#congested = false;
    for (const listener of this.#drainListeners.splice(0)) listener();
  }
}
