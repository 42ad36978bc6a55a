/** TLS: whose certificates are good, on either side, with and without revocation lists. */

import assert from "node:assert/strict";
import type { TlsIdentity } from "../../nodes/host/host.ts";
import { connectPair, Reception } from "./support.ts";
import { answerAnyway, dialAnyway, host, ids, withLists } from "./tls_support.ts";

const NOT_SIGNED = "its certificate is not signed by this node's CA";

/** Peers that nobody may talk to, as far as `withLists(ids.list)` knows. */
const STRANGERS: Readonly<Record<string, { identity: TlsIdentity; reason: RegExp }>> = {
  "a revoked certificate": {
    identity: ids.revoked,
    reason: /^its certificate \(serial number [0-9a-f]+\) is revoked$/,
  },
  "an expired certificate": { identity: ids.expired, reason: /^its certificate has expired/ },
  "another authority's": { identity: ids.foreign, reason: new RegExp(`^${NOT_SIGNED}$`) },
  "one of an authority of the same name": {
    identity: ids.impostor,
    reason: new RegExp(`^${NOT_SIGNED}$`),
  },
  "one of X.509 version 1": {
    identity: ids.version1,
    reason: /^its certificate is (unusable: expected X\.509 version 3|not signed by)/,
  },
  "one of version 1 that merely names the authority": {
    identity: ids.impostor1,
    reason: /^its certificate is (unusable: expected X\.509 version 3|not signed by)/,
  },
  "another's certificate of version 1, without its key": {
    identity: { ...ids.version1, key: ids.foreign.key },
    reason: /^its certificate is (unusable: expected X\.509 version 3|not signed by)/,
  },
};

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const [name, { identity: { cert, key }, reason }] of Object.entries(STRANGERS)) {
    Deno.test(`TLS: a server refuses ${name} under ${maxVersion}`, async () => {
      using reception = await Reception.open(host.network(withLists(ids.list)));
      const [found] = await Promise.all([
        reception.refused(),
        dialAnyway(reception, { cert, key, maxVersion }),
      ]);
      assert.match(found, reason);
      assert.equal(reception.unasked, 0);
    });

    Deno.test(`TLS: a client refuses ${name} under ${maxVersion}`, async () => {
      const network = host.network(withLists(ids.list));
      assert.match(await answerAnyway(network, { cert, key, maxVersion }), reason);
    });
  }

  Deno.test(`TLS: a server refuses a peer without a certificate under ${maxVersion}`, async () => {
    using reception = await Reception.open(host.network(ids.good));
    const [found] = await Promise.all([reception.refused(), dialAnyway(reception, { maxVersion })]);
    assert.equal(found, "the peer presented no certificate");
    assert.equal(reception.unasked, 0);
  });
}

Deno.test("TLS: a peer that refuses this node is told of", async () => {
  using reception = await Reception.open(host.network(ids.good));
  const { cert, key, ca } = ids.foreign;
  const [found] = await Promise.all([
    reception.refused(),
    dialAnyway(reception, { cert, key, ca }),
  ]);
  assert.match(found, /^the peer refused this node's certificate/);
});

Deno.test("TLS: revoked certificates pass where no list is kept", async () => {
  const network = host.network(ids.good);
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(host.network(ids.revoked), reception);
  near.socket.end();
  await Promise.all([near.closed(), far.closed()]);
});

const LISTS: Readonly<Record<string, { lists: string[]; reason: RegExp | null }>> = {
  "a list that has expired": {
    lists: [ids.expiredList],
    reason: /^the revocation list of its certificate's issuer has expired on 2020-02-01T00:00:00/,
  },
  "another authority's list": {
    lists: [ids.foreignList],
    reason: /^the CA file has no revocation list of its certificate's issuer$/,
  },
  "a list that only bears the authority's name": {
    lists: [ids.impostorList],
    reason: /^the revocation list of its certificate's issuer is not signed by this issuer$/,
  },
  "the list beside an expired and a foreign one": {
    lists: [ids.expiredList, ids.foreignList, ids.list],
    reason: null,
  },
};

for (const [name, { lists, reason }] of Object.entries(LISTS)) {
  Deno.test(`TLS: ${reason === null ? "passing" : "refused"} with ${name}`, async () => {
    using reception = await Reception.open(host.network(withLists(...lists)));
    const { cert, key } = ids.good;
    const closed = dialAnyway(reception, { cert, key });
    if (reason === null) (await reception.accepted()).destroy();
    else assert.match(await reception.refused(), reason);
    await closed;
    const outcome = await answerAnyway(host.network(withLists(...lists)), { cert, key });
    if (reason === null) assert.equal(outcome, "connected");
    else assert.match(outcome, reason);
  });
}
