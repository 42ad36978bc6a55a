/**
 * A connection on Node's streams. What it adds to them: the peer's reset is an ordinary end, an
 * end is an end (no half-open connections), `closed` comes exactly once, and a peer that does not
 * read can't keep a connection that is being ended.
 */

import type { Socket as NodeSocket } from "node:net";
import type { Address, Socket, SocketEvents, Timer } from "./host.ts";
import { isOrdinaryEnd } from "./network_errors.ts";
import { setTimer } from "./timers.ts";

/** From how many buffered bytes on `write` asks its caller to wait. */
const WRITE_LIMIT_BYTES = 1 << 20;

/** How long a connection that is being ended may make no progress before it is cut. */
const LINGER_MS = 10_000;

const KEEP_ALIVE_AFTER_MS = 60_000;

export class StreamSocket implements Socket {
  readonly local: Address;
  readonly remote: Address;
  readonly #stream: NodeSocket;
  readonly #carrier: NodeSocket;
  readonly #lingerMs: number;
  #events: SocketEvents | null = null;
  #cause: Error | null = null;
  #over = false;
  #ending = false;
  #awaitsDrain = false;
  #unwritten = 0;
  #linger: Timer | null = null;

  /** `stream` carries the data; `carrier` is the TCP connection below it, or `stream` itself. */
  constructor(stream: NodeSocket, carrier: NodeSocket, lingerMs = LINGER_MS) {
    this.#stream = stream;
    this.#carrier = carrier;
    this.#lingerMs = lingerMs;
    this.local = localAddress(carrier);
    this.remote = remoteAddress(carrier);
    stream.on("error", (error) => {
      if (!isOrdinaryEnd(error)) this.#cause ??= error;
    });
    stream.on("end", () => stream.destroy());
    stream.on("drain", () => this.#drained());
    stream.on("close", () => this.#closed());
  }

  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  start(events: SocketEvents): void {
    if (this.#events !== null) throw new Error("a socket can be started only once");
    this.#events = events;
    if (this.#over) {
      queueMicrotask(() => events.closed(this.#cause));
      return;
    }
    // Plain arrays instead of Buffer, whose `slice` does not copy.
    this.#stream.on("data", (chunk: Uint8Array) => {
      events.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    if (this.#awaitsDrain && this.bufferedBytes === 0) queueMicrotask(() => this.#drained());
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ending || this.#stream.destroyed) return true;
    this.#unwritten++;
    this.#stream.write(chunk, () => this.#written());
    if (this.bufferedBytes <= WRITE_LIMIT_BYTES) return true;
    this.#awaitsDrain = true;
    return false;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    if (this.#ending || this.#stream.destroyed) return;
    this.#ending = true;
    this.#endCarrier();
    // Only a stream that is read notices that its peer closes too.
    this.#stream.resume();
    this.#watchProgress();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #written(): void {
    this.#unwritten--;
    if (this.#ending) this.#endCarrier();
  }

  /**
   * Ends the connection once all is written. The end is TCP's: a farewell of TLS (close_notify)
   * would send NEO 1.11 into an endless loop, in which it takes more and more memory.
   */
  #endCarrier(): void {
    if (this.#unwritten === 0) this.#carrier.end();
  }

  #watchProgress(): void {
    const before = this.bufferedBytes;
    this.#linger = setTimer(this.#lingerMs, () => {
      if (this.bufferedBytes < before) this.#watchProgress();
      else this.#stream.destroy();
    });
  }

  #drained(): void {
    if (!this.#awaitsDrain || this.#events === null || this.#over) return;
    this.#awaitsDrain = false;
    this.#events.drained();
  }

  #closed(): void {
    this.#over = true;
    this.#linger?.cancel();
    this.#events?.closed(this.#cause);
  }
}

/** Packets leave at once, and a peer whose machine is gone is noticed. */
export function tune(carrier: NodeSocket): void {
  carrier.setNoDelay(true);
  carrier.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
}

export function remoteAddress(carrier: NodeSocket): Address {
  return address(carrier.remoteAddress, carrier.remotePort);
}

function localAddress(carrier: NodeSocket): Address {
  return address(carrier.localAddress, carrier.localPort);
}

/** An IPv4 peer of a listener on `::` is shown as IPv4; a peer that is gone has no address. */
function address(host = "", port = 0): Address {
  return { host: host.replace(/^::ffff:(?=\d+\.)/, ""), port };
}
