/**
 * The one place where errors become Error packets and back. A handler that cannot serve a request
 * throws (or rejects with) a {@link Refusal}; the requester's `ask` rejects with a
 * {@link PeerError} of the same code and message.
 */

import { ErrorCode, type ErrorPacket } from "../../gen/packets.ts";
import { NeoError } from "../errors.ts";
import { decodeText, encodeText } from "./text.ts";

/** The name of a protocol error code, such as `NOT_READY`. */
export type ErrorName = keyof typeof ErrorCode;

/** How a node is refused whose id, or address, another one has. */
export const ALREADY_CONNECTED = "already connected";

/** A request that is answered by an Error packet. */
export class Refusal extends NeoError {
  /**
   * @param code what the peer is told
   * @param message the text it is told
   * @param fatal whether its connection is aborted once the answer is written
   */
  constructor(
    readonly code: ErrorName,
    message: string,
    readonly fatal = code === "PROTOCOL_ERROR" || code === "NOT_READY",
  ) {
    super(message);
  }

  /** The Error packet that tells the peer. */
  toPacket(): ErrorPacket {
    return { code: ErrorCode[this.code], message: encodeText(this.message) };
  }
}

/** A peer answered a request by an Error packet. */
export class PeerError extends NeoError {
  constructor(readonly code: ErrorName, message: string) {
    super(message);
  }
}

const NAMES = new Map<number, ErrorName>(
  Object.entries(ErrorCode).map(([name, code]) => [code, name as ErrorName]),
);

/** The name of a code that a peer sent; undefined when the protocol has no such code. */
export function errorName(code: number): ErrorName | undefined {
  return NAMES.get(code);
}

/** The error that an Error packet stands for. */
export function peerError({ code, message }: ErrorPacket): PeerError {
  const name = errorName(code);
  const text = decodeText(message);
  if (name !== undefined) return new PeerError(name, text);
  return new PeerError("PROTOCOL_ERROR", `unknown error code ${code}: ${text}`);
}

/** Success, as it is told for requests that have no answer of their own. */
export function ack(message: string): ErrorPacket {
  return { code: ErrorCode.ACK, message: encodeText(message) };
}
