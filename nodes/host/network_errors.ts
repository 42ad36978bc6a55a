/** Turns the errors of sockets and TLS into the words in which people are told of them. */

import { addressText } from "./address_text.ts";
import { NetworkError } from "../errors.ts";
import type { Address } from "./host.ts";

const NOT_SIGNED = "its certificate is not signed by this node's CA";
const IN_USE = "the address is already in use";
const UNUSABLE = "the address can't be used on this machine";
const NO_TLS = "the peer does not speak TLS";

/** What went wrong, by the code of Node's error. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: IN_USE,
  EADDRNOTAVAIL: UNUSABLE,
  ECONNREFUSED: "connection refused",
  // Deno's word for EADDRNOTAVAIL.
  EINVAL: UNUSABLE,
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  ENOTFOUND: "unknown host name",
  ETIMEDOUT: "no answer",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: NOT_SIGNED,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the peer presented no certificate",
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  SELF_SIGNED_CERT_IN_CHAIN: NOT_SIGNED,
  UNABLE_TO_GET_ISSUER_CERT: NOT_SIGNED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOT_SIGNED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOT_SIGNED,
};

/** By the reason why an address can't be listened on. */
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  [IN_USE]: ": end the program that listens there, or choose another address",
  [UNUSABLE]: ": choose one that it has",
};

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return typeof error === "string" ? error : "";
}

/** Says why a connection or an address failed. */
export function reasonOf(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

/** Says why a TLS handshake failed; `error` may be Node's bare code. */
export function handshakeReasonOf(error: unknown): string {
  const code = codeOf(error);
  if (REASONS[code] !== undefined) return REASONS[code];
  const detail = error instanceof Error ? error.message : code;
  if (/_ALERT_|fatal alert/.test(`${code} ${detail}`)) {
    return `the peer refused this node's certificate or its kind of TLS (${detail})`;
  }
  if (code === "ECONNRESET" || code === "EPIPE") {
    return "the peer closed the connection during the TLS handshake: " +
      "it does not speak TLS, or refused this node's certificate";
  }
  return `the TLS handshake failed: ${detail}`;
}

/** Whether an error says no more than that the peer is gone. */
export function isOrdinaryEnd(error: Error): boolean {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE";
}

export function cannotConnect(address: Address, reason: string, cause?: unknown): NetworkError {
  return new NetworkError(`cannot connect to ${addressText(address)}: ${reason}`, { cause });
}

export function cannotListen(address: Address, cause: unknown): NetworkError {
  const reason = reasonOf(cause);
  return new NetworkError(
    `cannot listen on ${addressText(address)}: ${reason}${WHAT_TO_DO[reason] ?? ""}`,
    { cause },
  );
}
