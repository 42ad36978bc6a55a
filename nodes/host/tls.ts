/**
 * Mutual TLS 1.2 and newer: each side shows a certificate that the other's CA signed, and host
 * names do not matter. A peer has to pass two checks. The first is the runtime's. The second is
 * ours (certificates.ts), because the first is not enough everywhere: Deno knows no revocation
 * lists, and its client believes X.509 v1 certificates by their issuer's name alone.
 *
 * Invariant: no byte of a peer that failed either check reaches anybody.
 */

import type { Socket as NodeSocket } from "node:net";
import {
  type CommonConnectionOptions,
  connect,
  createServer,
  type SecureContextOptions,
  type TLSSocket,
} from "node:tls";
import type { TlsIdentity } from "./host.ts";
import { type PeerVerifier, readIdentity } from "./identity.ts";
import { handshakeReasonOf } from "./network_errors.ts";
import { setTimer } from "./timers.ts";

/** How long a peer may take to get through the handshake. */
const HANDSHAKE_TIMEOUT_MS = 30_000;

/** How many certificates of a peer's chain are looked at. */
const MAX_CHAIN = 8;

/** How a handshake ended: a stream of a peer that passed, or the reason why it did not. */
export type Secured =
  | { readonly reason: null; readonly stream: TLSSocket }
  | { readonly reason: string; readonly cause?: unknown };

/** Turns TCP connections into connections of authenticated peers. Neither method ever rejects. */
export interface Tls {
  connect(carrier: NodeSocket): Promise<Secured>;
  accept(carrier: NodeSocket): Promise<Secured>;
}

/**
 * Reads a node's identity. Throws a ConfigurationError when it is unusable. `now` gives Unix time
 * in milliseconds, against which certificates and revocation lists are checked.
 */
export function createTls(
  pem: TlsIdentity,
  now: () => number,
  handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS,
): Tls {
  const identity = readIdentity(pem, now);
  const options: SecureContextOptions & CommonConnectionOptions = {
    ca: [...identity.caCertificates],
    cert: pem.cert,
    key: pem.key,
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
  };
  return {
    connect: (carrier) =>
      settle(carrier, handshakeTimeoutMs, (done) => {
        const stream = connect({
          ...options,
          socket: carrier,
          checkServerIdentity: () => undefined,
        });
        stream.once("secureConnect", () => done(examine(stream, identity.verify)));
        stream.once("error", (error) => done(refusal(error)));
        stream.once("close", () => done(refusal("ECONNRESET")));
      }),
    // One TLS server for each connection: only so is it known whom its errors are about.
    accept: (carrier) =>
      settle(carrier, handshakeTimeoutMs, (done) => {
        const server = createServer({ ...options, requestCert: true });
        server.once("secureConnection", (stream) => done(examine(stream, identity.verify)));
        server.once("tlsClientError", (error, stream: TLSSocket) => {
          done(refusal(stream.authorizationError ?? error));
        });
        server.emit("connection", carrier);
      }),
  };
}

/** Runs a handshake; whatever does not pass in time is cut off. */
function settle(
  carrier: NodeSocket,
  timeoutMs: number,
  handshake: (done: (secured: Secured) => void) => void,
): Promise<Secured> {
  return new Promise((resolve) => {
    const done = (secured: Secured) => {
      timer.cancel();
      if (secured.reason !== null) carrier.destroy();
      resolve(secured);
    };
    const timer = setTimer(timeoutMs, () => {
      done({ reason: `no TLS handshake within ${timeoutMs / 1000} s` });
    });
    handshake(done);
  });
}

function refusal(error: unknown): Secured {
  return { reason: handshakeReasonOf(error), cause: error };
}

function examine(stream: TLSSocket, verify: PeerVerifier): Secured {
  if (!stream.authorized) return refusal(stream.authorizationError);
  const [leaf, ...others] = presentedCertificates(stream);
  if (leaf === undefined) return { reason: "the peer presented no certificate" };
  const reason = verify(leaf, others);
  return reason === null ? { reason, stream } : { reason };
}

/** The certificates that the peer sent, its own first, in DER. */
function presentedCertificates(stream: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: { raw?: Uint8Array; issuerCertificate?: unknown } | undefined = stream
    .getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(certificate.raw);
    const issuer: unknown = certificate.issuerCertificate;
    // The last one of a chain is its own issuer.
    if (issuer === certificate || typeof issuer !== "object" || issuer === null) break;
    certificate = issuer;
  }
  return chain;
}
