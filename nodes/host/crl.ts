/**
 * Revocation lists. As with NEO, a CA file that holds lists wants every peer's certificate to be
 * checked: a certificate whose issuer has no list there, or only one that is out of date, is
 * refused, since nobody can tell whether it was revoked.
 */

import { type KeyObject, verify, type X509Certificate } from "node:crypto";
import { encodeHex } from "./hex.ts";
import type { CertificateNames } from "./certificates.ts";
import {
  contextTag,
  DerError,
  DerReader,
  equalBytes,
  oidText,
  readBoolean,
  readTime,
  TAG,
} from "./der.ts";

/** Which digest each kind of signature signs; null where the signature has its own. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map([
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.3.101.112", null],
]);

/** One revocation list as it stands in the CA file. */
export interface RevocationList {
  /** The issuer's name in DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  /** Infinity when the list names no time. */
  readonly nextUpdateMs: number;
  /** The serial numbers in hex. */
  readonly revoked: ReadonlySet<string>;
  /** Whether it has a critical extension, none of which is understood here: a part of a list. */
  readonly partial: boolean;
  /** Whether the key has signed this list. */
  isSignedWith(key: KeyObject): boolean;
}

/** Reads a list in DER. Throws a DerError. */
export function readRevocationList(der: Uint8Array): RevocationList {
  const file = new DerReader(der);
  const list = file.enter(TAG.sequence);
  file.end();
  const body = list.expect(TAG.sequence);
  const algorithm = list.expect(TAG.sequence);
  const signature = list.expect(TAG.bitString).content;
  list.end();

  const kind = oidText(new DerReader(algorithm.content).expect(TAG.oid).content);
  const fields = new DerReader(body.content);
  fields.optional(TAG.integer);
  // Only this copy is signed.
  if (!equalBytes(fields.expect(TAG.sequence).whole, algorithm.whole)) {
    throw new DerError("two kinds of signature");
  }
  const issuer = fields.expect(TAG.sequence).whole;
  const thisUpdateMs = readTime(fields.next());
  const nextUpdateMs = isTime(fields.peek()) ? readTime(fields.next()) : Infinity;
  const revoked = readRevoked(fields);
  const partial = hasCriticalExtension(fields);
  fields.end();
  return {
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    revoked,
    partial,
    isSignedWith: (key) => isSigned(key, { algorithm: kind, body: body.whole, signature }),
  };
}

function isTime(tag: number | null): boolean {
  return tag === TAG.utcTime || tag === TAG.generalizedTime;
}

function readRevoked(fields: DerReader): Set<string> {
  const revoked = new Set<string>();
  if (fields.peek() !== TAG.sequence) return revoked;
  const entries = fields.enter(TAG.sequence);
  while (entries.peek() !== null) {
    revoked.add(encodeHex(entries.enter(TAG.sequence).expect(TAG.integer).content));
  }
  return revoked;
}

function hasCriticalExtension(fields: DerReader): boolean {
  if (fields.peek() === null) return false;
  const extensions = fields.enter(contextTag(0)).enter(TAG.sequence);
  let found = false;
  while (extensions.peek() !== null) {
    const extension = extensions.enter(TAG.sequence);
    extension.expect(TAG.oid);
    const critical = extension.optional(TAG.boolean);
    if (critical !== null && readBoolean(critical)) found = true;
  }
  return found;
}

interface Signed {
  readonly algorithm: string;
  readonly body: Uint8Array;
  /** A bit string: its first byte counts unused bits. */
  readonly signature: Uint8Array;
}

function isSigned(key: KeyObject, { algorithm, body, signature }: Signed): boolean {
  const digest = DIGESTS.get(algorithm);
  if (digest === undefined || signature[0] !== 0) return false;
  try {
    return verify(digest, body, key, signature.subarray(1));
  } catch {
    // The kind of key does not fit the kind of signature.
    return false;
  }
}

/** Says why a certificate is refused by the lists, or null. `issuer` has signed it. */
export function revocationProblem(
  certificate: CertificateNames,
  issuer: X509Certificate,
  lists: readonly RevocationList[],
  nowMs: number,
): string | null {
  if (lists.length === 0) return null;
  const isCurrent = (list: RevocationList) =>
    list.thisUpdateMs <= nowMs && nowMs <= list.nextUpdateMs;
  const [list] = lists
    .filter((list) => equalBytes(list.issuer, certificate.issuer))
    .sort((a, b) => Number(isCurrent(b)) - Number(isCurrent(a)) || b.thisUpdateMs - a.thisUpdateMs);
  if (list === undefined) return "the CA file has no revocation list of its certificate's issuer";
  const whose = "the revocation list of its certificate's issuer";
  if (!list.isSignedWith(issuer.publicKey)) return `${whose} is not signed by this issuer`;
  if (list.partial) return `${whose} is of a kind that is not supported (partial or indirect)`;
  if (nowMs < list.thisUpdateMs) return `${whose} is not valid before ${date(list.thisUpdateMs)}`;
  if (nowMs > list.nextUpdateMs) return `${whose} has expired on ${date(list.nextUpdateMs)}`;
  if (!list.revoked.has(certificate.serial)) return null;
  return `its certificate (serial number ${certificate.serial}) is revoked`;
}

function date(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
