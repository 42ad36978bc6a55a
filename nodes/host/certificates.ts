/**
 * This node's own check of a peer's certificate, after and in addition to the runtime's. Deno's
 * TLS client takes a certificate that its library cannot read (of X.509 version 1, or oddly
 * encoded) for signed when merely the issuer's *name* is that of the CA, and then does not ask for
 * a proof that the peer has the key. So the signatures are verified here too, and a certificate
 * that is not strict DER of version 3 is refused.
 */

import { X509Certificate } from "node:crypto";
import { encodeHex } from "./hex.ts";
import { contextTag, DerError, DerReader, equalBytes, readBoolean, TAG } from "./der.ts";

/** How many certificates may stand between a peer's and the CA's. */
const MAX_INTERMEDIATES = 7;

/** What revocation lists need to know of a certificate. */
export interface CertificateNames {
  /** The serial number in hex. */
  readonly serial: string;
  /** The issuer's name in DER. */
  readonly issuer: Uint8Array;
}

/** Reads a certificate strictly. Throws a DerError for anything but version 3. */
export function readCertificate(der: Uint8Array): CertificateNames {
  const file = new DerReader(der);
  const certificate = file.enter(TAG.sequence);
  file.end();
  const body = certificate.enter(TAG.sequence);
  const algorithm = certificate.expect(TAG.sequence);
  certificate.expect(TAG.bitString);
  certificate.end();

  const version = body.optional(contextTag(0));
  if (version === null || new DerReader(version.content).expect(TAG.integer).content[0] !== 2) {
    throw new DerError("expected X.509 version 3; sign it with extensions (openssl x509 -extfile)");
  }
  const serial = encodeHex(body.expect(TAG.integer).content);
  // Only this copy is signed.
  if (!equalBytes(body.expect(TAG.sequence).whole, algorithm.whole)) {
    throw new DerError("two kinds of signature");
  }
  const issuer = body.expect(TAG.sequence).whole;
  body.expect(TAG.sequence);
  body.expect(TAG.sequence);
  body.expect(TAG.sequence);
  checkExtensions(body);
  body.end();
  return { serial, issuer };
}

function checkExtensions(body: DerReader): void {
  if (body.peek() === null) return;
  const field = body.enter(contextTag(3));
  const extensions = field.enter(TAG.sequence);
  field.end();
  while (extensions.peek() !== null) {
    const extension = extensions.enter(TAG.sequence);
    extension.expect(TAG.oid);
    const critical = extension.optional(TAG.boolean);
    if (critical !== null) readBoolean(critical);
    extension.expect(TAG.octetString);
    extension.end();
  }
}

/** Says why a certificate is not valid at a time, or null. */
export function validityProblem(certificate: X509Certificate, nowMs: number): string | null {
  if (nowMs < Date.parse(certificate.validFrom)) {
    return `is not valid before ${certificate.validFrom}`;
  }
  if (nowMs > Date.parse(certificate.validTo)) return `has expired on ${certificate.validTo}`;
  return null;
}

/** Whether `issuer` is allowed to sign certificates and has signed this one. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // A kind of key that the runtime does not know cannot have been verified.
    return false;
  }
}

/**
 * Follows signatures from a certificate up to one of `authorities`, by way of `others`, which the
 * peer sent along. Returns the whole chain from its issuer on, or null when there is none.
 */
export function findIssuers(
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate[] | null {
  const chain: X509Certificate[] = [];
  let current = certificate;
  while (chain.length <= MAX_INTERMEDIATES) {
    const subject = current;
    const authority = authorities.find((candidate) => isIssuedBy(subject, candidate));
    if (authority !== undefined) return [...chain, authority];
    const next = others.find((other) => !chain.includes(other) && isIssuedBy(subject, other));
    if (next === undefined) return null;
    chain.push(next);
    current = next;
  }
  return null;
}
