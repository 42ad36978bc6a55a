/**
 * What comes from one peer: checks the bytes that open the connection, then cuts the stream into
 * packets whose headers are sound. After the first thing that is wrong, nothing is read any more.
 */

import type { Codecs } from "../../gen/packets.ts";
import type { Dialect } from "../codec/packet.ts";
import { type Frame, Framer } from "./framing.ts";
import { MAX_FIRST_BODY_BYTES } from "./limits.ts";

/** The first byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;

export interface InboxOptions {
  readonly dialect: Dialect<Codecs>;
  /** Called once, when the bytes that open the connection have come. */
  opened(): void;
  /** Whether nothing was accepted from the peer yet: then it may send small packets only. */
  isStranger(): boolean;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #framer: Framer;
  #isOpen = false;
  #mismatch: string | null = null;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#framer = new Framer((code, bodyBytes) => this.#checkHeader(code, bodyBytes));
  }

  /** What the peer did wrong, such as `speaks TLS`; null while all is well. */
  get error(): string | null {
    return this.#mismatch ?? this.#framer.error;
  }

  /** Gives bytes that follow those given before, all of whose packets must have been taken. */
  push(chunk: Uint8Array): void {
    this.#framer.push(chunk);
    if (!this.#isOpen) this.#open();
  }

  /** The next whole packet; null when more bytes are needed, or after an error. */
  next(): Frame | null {
    return this.#isOpen && this.#mismatch === null ? this.#framer.next() : null;
  }

  #open(): void {
    const { handshake } = this.#options.dialect;
    const found = this.#framer.takeRaw(handshake.length);
    if (found === null) return;
    this.#isOpen = true;
    this.#options.opened();
    if (found.every((byte, at) => byte === handshake[at])) return;
    this.#mismatch = found[0] === TLS_HANDSHAKE
      ? "speaks TLS, and this node was started without (--ca, --cert, --key)"
      : `opened with ${[...found].join(" ")} instead of ${[...handshake].join(" ")}: ` +
        "another protocol or another version of it";
  }

  #checkHeader(code: number, bodyBytes: number): string | null {
    const { dialect, isStranger } = this.#options;
    const maxBodyBytes = isStranger() ? MAX_FIRST_BODY_BYTES : dialect.maxBodyBytes;
    if (dialect.typeOf(code) === undefined) {
      return `sent a packet of the unknown code 0x${code.toString(16).padStart(4, "0")}`;
    }
    if (bodyBytes <= maxBodyBytes) return null;
    return `announced a packet of ${bodyBytes} bytes, where at most ${maxBodyBytes} are allowed`;
  }
}
