/**
 * A certificate authority for tests, run by the `openssl` command: it signs certificates that NEO
 * 1.11 accepts (it verifies strictly: an authority must be allowed to sign, and a node's
 * certificate needs its identifiers, constraints and key usage), and also those that everybody must
 * refuse.
 */
import type { TlsIdentity } from "../../nodes/host/host.ts";
import { run } from "./process.ts";

/** The files of a node under TLS. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** How long the certificate is valid; one that has expired when it is less than 0. */
  readonly days?: number;
  /** X.509 version 1 has no extensions. */
  readonly version?: 1 | 3;
}

const OPENSSL_MS = 30_000;

const EXTENSIONS = `subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=CA:false
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
keyUsage=digitalSignature,keyEncipherment
`;

const CONFIGURATION = `[ca]
default_ca=authority
[authority]
database=index.txt
certificate=ca.crt
private_key=ca.key
default_md=sha256
default_crl_days=30
[partial]
issuingDistributionPoint=critical,@users
[users]
onlyuser=TRUE
`;

/** Reads the files of an identity. */
export function readIdentityFiles({ ca, cert, key }: TlsFiles): TlsIdentity {
  return {
    ca: Deno.readTextFileSync(ca),
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
  };
}

export class Authority {
  private constructor(readonly directory: string) {}

  /** Makes an authority that keeps all its files in `directory`. */
  static async create(directory: string, name = "test-ca"): Promise<Authority> {
    await Deno.mkdir(directory, { recursive: true });
    const authority = new Authority(directory);
    await Deno.writeTextFile(`${directory}/extensions`, EXTENSIONS);
    await Deno.writeTextFile(`${directory}/ca.cnf`, CONFIGURATION);
    await Deno.writeTextFile(`${directory}/index.txt`, "");
    await authority.#openssl(
      `req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=${name} ` +
        "-addext keyUsage=critical,keyCertSign,cRLSign",
    );
    return authority;
  }

  /** The path of the authority's own certificate. */
  get ca(): string {
    return `${this.directory}/ca.crt`;
  }

  /** Makes a key and a certificate for it. */
  async issue(name: string, { days = 30, version = 3 }: IssueOptions = {}): Promise<TlsFiles> {
    await this.#openssl(
      `req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`,
    );
    await this.#openssl(
      `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days ${days} ` +
        `${version === 3 ? "-extfile extensions " : ""}-out ${name}.crt`,
    );
    return {
      ca: this.ca,
      cert: `${this.directory}/${name}.crt`,
      key: `${this.directory}/${name}.key`,
    };
  }

  /** Takes a certificate back; only lists that are made later know. */
  async revoke({ cert }: TlsFiles): Promise<void> {
    await this.#openssl(`ca -config ca.cnf -revoke ${cert}`);
  }

  /** Makes a revocation list, in PEM; one that has expired or that is only a part if asked. */
  async revocationList({ expired = false, partial = false } = {}): Promise<string> {
    const times = expired ? " -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z" : "";
    await this.#openssl(
      `ca -config ca.cnf -gencrl -out list.pem${times}${partial ? " -crlexts partial" : ""}`,
    );
    return await Deno.readTextFile(`${this.directory}/list.pem`);
  }

  async #openssl(words: string): Promise<void> {
    const done = await run(["openssl", ...words.split(" ")], {
      name: "openssl",
      cwd: this.directory,
      timeoutMs: OPENSSL_MS,
    });
    if (done.code !== 0) throw new Error(`openssl ${words} failed: ${done.stderr}`);
  }
}
