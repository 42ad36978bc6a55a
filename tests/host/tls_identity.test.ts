/** TLS: identities of a node that it cannot use itself, and says so before it starts. */

import assert from "node:assert/strict";
import { ConfigurationError } from "../../nodes/errors.ts";
import type { TlsIdentity } from "../../nodes/host/host.ts";
import { run } from "../support/process.ts";
import { host, ids, withLists } from "./tls_support.ts";

const UNUSABLE: Readonly<Record<string, { identity: TlsIdentity; message: RegExp }>> = {
  "no CA": { identity: { ...ids.good, ca: "" }, message: /^the CA file has no certificate$/ },
  "a broken CA": {
    identity: { ...ids.good, ca: ids.good.ca.replace(/M/g, "A") },
    message: /^the CA file has a certificate that cannot be read$/,
  },
  "a broken list": {
    identity: withLists(ids.list.replace(/\n[^-\n]+\n/, "\nAAAA\n")),
    message: /^the CA file has a revocation list that cannot be read: /,
  },
  "no certificate": {
    identity: { ...ids.good, cert: ids.good.key },
    message: /^the certificate file has no certificate$/,
  },
  "no key": {
    identity: { ...ids.good, key: ids.good.cert },
    message: /^the key file has no private key that can be read$/,
  },
  "another's key": {
    identity: { ...ids.good, key: ids.foreign.key },
    message: /^the private key is not that of the certificate$/,
  },
  "another authority's certificate": {
    identity: { ...ids.foreign, ca: ids.good.ca },
    message: /^the certificate is not signed by a certificate of the CA file$/,
  },
  "an expired certificate": {
    identity: ids.expired,
    message: /^the certificate has expired on /,
  },
  "a certificate of X.509 version 1": {
    identity: ids.version1,
    message: /^the certificate is unusable: expected X\.509 version 3/,
  },
};

for (const [name, { identity, message }] of Object.entries(UNUSABLE)) {
  Deno.test(`TLS: an identity with ${name} is unusable`, () => {
    assert.throws(() => host.network(identity), (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });
}

Deno.test("TLS: an identity whose key needs a passphrase is unusable", async () => {
  const done = await run([
    ...["openssl", "pkey", "-in", `${ids.directory}/cluster/node.key`],
    ...["-aes256", "-passout", "pass:secret"],
  ], { name: "openssl", timeoutMs: 10_000 });
  assert.throws(() => host.network({ ...ids.good, key: done.stdout }), {
    name: "ConfigurationError",
    message: "the private key is protected by a passphrase: store it without one (openssl pkey)",
  });
});
