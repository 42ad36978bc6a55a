/**
 * A certificate authority and a node's certificate that NEO 1.11 accepts: it verifies strictly,
 * so the authority must be allowed to sign certificates, and the node's certificate needs its
 * identifiers, constraints and key usage.
 */
import { run } from "./process.ts";

/** The three files of a node under TLS. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const OPENSSL_MS = 30_000;

const NODE_EXTENSIONS = `subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=CA:false
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
keyUsage=digitalSignature,keyEncipherment
`;

/** Makes the files in `directory` with the `openssl` command. */
export async function makeCertificates(directory: string): Promise<TlsFiles> {
  const openssl = async (words: string) => {
    const done = await run(["openssl", ...words.split(" ")], {
      name: "openssl",
      cwd: directory,
      timeoutMs: OPENSSL_MS,
    });
    if (done.code !== 0) throw new Error(`openssl ${words} failed: ${done.stderr}`);
  };
  await Deno.writeTextFile(`${directory}/extensions`, NODE_EXTENSIONS);
  await openssl(
    "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=test-ca " +
      "-addext keyUsage=critical,keyCertSign,cRLSign",
  );
  await openssl(
    "req -newkey rsa:2048 -nodes -keyout node.key -out node.csr -subj /CN=node",
  );
  await openssl(
    "x509 -req -in node.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 " +
      "-extfile extensions -out node.crt",
  );
  return {
    ca: `${directory}/ca.crt`,
    cert: `${directory}/node.crt`,
    key: `${directory}/node.key`,
  };
}
