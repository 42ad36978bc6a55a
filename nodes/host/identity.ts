/**
 * A node's TLS identity: its certificate and key, and the CA file that says whom it believes,
 * which may hold several certificates and revocation lists. What cannot work is refused here, at
 * the start, where a user can still be told which of the three files is wrong.
 */

import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { ConfigurationError } from "../errors.ts";
import { findIssuers, readCertificate, validityProblem } from "./certificates.ts";
import { readRevocationList, type RevocationList, revocationProblem } from "./crl.ts";
import { DerError } from "./der.ts";
import type { TlsIdentity } from "./host.ts";

/**
 * Says why a peer is refused, or null when it may pass. `leaf` is its certificate, `others` are
 * those that it sent along, all in DER.
 */
export type PeerVerifier = (leaf: Uint8Array, others: readonly Uint8Array[]) => string | null;

export interface Identity {
  /** The certificates of the CA file alone, in PEM. */
  readonly caCertificates: readonly string[];
  readonly verify: PeerVerifier;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/** Reads an identity. Throws a ConfigurationError that says which part is unusable. */
export function readIdentity({ ca, cert, key }: TlsIdentity, now: () => number): Identity {
  const caCertificates = blocks(ca, "CERTIFICATE");
  if (caCertificates.length === 0) throw new ConfigurationError("the CA file has no certificate");
  const authorities = caCertificates.map((pem) => readX509(pem, "the CA file"));
  const lists = blocks(ca, "X509 CRL").map(readList);
  checkOwnCertificate({ cert, key, authorities, nowMs: now() });
  return { caCertificates, verify: createVerifier(authorities, lists, now) };
}

/** The PEM blocks of one kind in a text. */
function blocks(text: string, label: string): string[] {
  return [...text.matchAll(BLOCK)].filter((match) => match[1] === label).map(([block]) => block);
}

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]*-----/g, ""), "base64");
}

function readX509(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new ConfigurationError(`${file} has a certificate that cannot be read`, { cause });
  }
}

function readList(pem: string): RevocationList {
  try {
    return readRevocationList(derOf(pem));
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new ConfigurationError(
      `the CA file has a revocation list that cannot be read: ${cause.message}`,
      { cause },
    );
  }
}

interface OwnCertificate {
  readonly cert: string;
  readonly key: string;
  readonly authorities: readonly X509Certificate[];
  readonly nowMs: number;
}

function checkOwnCertificate({ cert, key, authorities, nowMs }: OwnCertificate): void {
  const [own, ...others] = blocks(cert, "CERTIFICATE")
    .map((pem) => readX509(pem, "the certificate file"));
  if (own === undefined) throw new ConfigurationError("the certificate file has no certificate");
  if (!own.checkPrivateKey(readKey(key))) {
    throw new ConfigurationError("the private key is not that of the certificate");
  }
  try {
    readCertificate(own.raw);
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new ConfigurationError(`the certificate is unusable: ${cause.message}`, { cause });
  }
  const problem = validityProblem(own, nowMs);
  if (problem !== null) throw new ConfigurationError(`the certificate ${problem}`);
  if (findIssuers(own, others, authorities) === null) {
    throw new ConfigurationError("the certificate is not signed by a certificate of the CA file");
  }
}

function readKey(key: string) {
  if (/ENCRYPTED/.test(key)) {
    throw new ConfigurationError(
      "the private key is protected by a passphrase: store it without one (openssl pkey)",
    );
  }
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new ConfigurationError("the key file has no private key that can be read", { cause });
  }
}

function createVerifier(
  authorities: readonly X509Certificate[],
  lists: readonly RevocationList[],
  now: () => number,
): PeerVerifier {
  return (leaf, others) => {
    try {
      const certificate = new X509Certificate(leaf);
      const names = readCertificate(leaf);
      const sent = others.map((der) => new X509Certificate(der));
      const issuers = findIssuers(certificate, sent, authorities);
      const issuer = issuers?.[0];
      if (!issuers || issuer === undefined) {
        return "its certificate is not signed by this node's CA";
      }
      const nowMs = now();
      const problem = validityProblem(certificate, nowMs);
      if (problem !== null) return `its certificate ${problem}`;
      for (const each of issuers) {
        const problem = validityProblem(each, nowMs);
        if (problem !== null) return `the certificate of its CA ${problem}`;
      }
      return revocationProblem(names, issuer, lists, nowMs);
    } catch (error) {
      return `its certificate is unusable: ${error instanceof Error ? error.message : error}`;
    }
  };
}
