import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import { connect, type ConnectionOptions, createServer, type TlsOptions } from "node:tls";
import { ConfigurationError } from "../../nodes/errors.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Network, TlsIdentity } from "../../nodes/host/host.ts";
import { createNetwork } from "../../nodes/host/network.ts";
import { createTls } from "../../nodes/host/tls.ts";
import { Authority, readIdentityFiles } from "../support/authority.ts";
import { run } from "../support/process.ts";
import { connectPair, pattern, Reception, Witness } from "./support.ts";

const host = createClientHost();

interface Identities {
  readonly directory: string;
  readonly good: TlsIdentity;
  readonly revoked: TlsIdentity;
  readonly expired: TlsIdentity;
  readonly version1: TlsIdentity;
  /** Signed by another authority. */
  readonly foreign: TlsIdentity;
  /** Signed by another authority of the same name. */
  readonly impostor: TlsIdentity;
  /** The same, of X.509 version 1. */
  readonly impostor1: TlsIdentity;
  readonly list: string;
  readonly expiredList: string;
  readonly foreignList: string;
  readonly impostorList: string;
}

async function makeIdentities(): Promise<Identities> {
  const directory = await Deno.makeTempDir({ prefix: "neo_tls_" });
  const [authority, other, impostor] = await Promise.all([
    Authority.create(`${directory}/cluster`),
    Authority.create(`${directory}/other`, "other-ca"),
    Authority.create(`${directory}/impostor`),
  ]);
  const good = await authority.issue("node");
  const revoked = await authority.issue("revoked");
  await authority.revoke(revoked);
  return {
    directory,
    good: readIdentityFiles(good),
    revoked: readIdentityFiles(revoked),
    expired: readIdentityFiles(await authority.issue("expired", { days: -1 })),
    version1: readIdentityFiles(await authority.issue("version1", { version: 1 })),
    foreign: readIdentityFiles(await other.issue("foreign")),
    impostor: readIdentityFiles(await impostor.issue("impostor")),
    impostor1: readIdentityFiles(await impostor.issue("impostor1", { version: 1 })),
    list: await authority.revocationList(),
    expiredList: await authority.revocationList({ expired: true }),
    foreignList: await other.revocationList(),
    impostorList: await impostor.revocationList(),
  };
}

const ids = await makeIdentities();
globalThis.addEventListener("unload", () => Deno.removeSync(ids.directory, { recursive: true }));

/** The good identity, whose CA file also holds these lists. */
function withLists(...lists: string[]): TlsIdentity {
  return { ...ids.good, ca: [ids.good.ca, ...lists].join("\n") };
}

/** A client that does not care whether its own certificate is any good. */
function dialAnyway(reception: Reception, options: ConnectionOptions): Promise<void> {
  const { host, port } = reception.address;
  return new Promise((resolve) => {
    const peer = connect({
      ca: ids.good.ca,
      host,
      port,
      checkServerIdentity: () => undefined,
      ...options,
    });
    peer.on("secureConnect", () => peer.write("let me in"));
    // How the refusal is felt depends on the version of TLS.
    peer.on("error", () => {});
    peer.on("close", () => resolve());
    peer.resume();
  });
}

/** Connects to a server that does not care either; resolves with the outcome. */
async function answerAnyway(network: Network, options: TlsOptions): Promise<string> {
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (peer) => {
    peer.on("error", () => {});
    peer.resume();
  });
  server.on("tlsClientError", () => {});
  const port = await listening(server);
  try {
    (await network.connect({ host: "127.0.0.1", port })).destroy();
    return "connected";
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.replace(`cannot connect to 127.0.0.1:${port}: `, "");
  } finally {
    server.close();
  }
}

function listening(server: ReturnType<typeof createPlainServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      resolve(address.port);
    });
  });
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  Deno.test(`TLS: bytes go both ways under ${maxVersion}`, async () => {
    using reception = await Reception.open(host.network(ids.good));
    const { address } = reception;
    const { cert, key, ca } = ids.good;
    const peer = connect({
      ...{ ca, cert, key, maxVersion, host: address.host, port: address.port },
      checkServerIdentity: () => undefined,
    });
    const far = new Witness(await reception.accepted()).start();
    assert.equal(peer.getProtocol(), maxVersion);
    peer.write("hello");
    await far.until(() => far.received === 5);
    assert.equal(far.text(), "hello");
    peer.end();
    peer.resume();
    assert.equal(await far.closed(), null);
  });
}

Deno.test("TLS: the cipher of a real NEO is spoken", async () => {
  using reception = await Reception.open(host.network(ids.good));
  const node = `${ids.directory}/cluster/node`;
  const client = run([
    ...["openssl", "s_client", "-connect", `127.0.0.1:${reception.address.port}`, "-tls1_2"],
    ...["-cipher", "ECDHE-RSA-AES256-GCM-SHA384", "-cert", `${node}.crt`, "-key", `${node}.key`],
  ], { name: "openssl", timeoutMs: 10_000 });
  (await reception.accepted()).end();
  assert.match((await client).stdout, /Cipher is ECDHE-RSA-AES256-GCM-SHA384/);
});

Deno.test("TLS: two of our own talk, with back-pressure, both under a revocation list", async () => {
  const network = host.network(withLists(ids.list));
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  assert.deepEqual(near.socket.remote, reception.address);
  assert.deepEqual(far.socket.remote, near.socket.local);
  far.socket.pause();
  const sent = pattern(24_000_000);
  assert.equal(near.socket.write(sent), false);
  far.socket.resume();
  await near.until(() => near.drains === 1);
  near.socket.end();
  assert.equal(await far.closed(), null);
  assert.equal(await near.closed(), null);
  assert.equal(far.received, sent.length);
  assert.deepEqual(far.bytes().subarray(-1000), sent.subarray(-1000));
});

/** A relay to `port` that keeps what comes back; resolves with its own port. */
async function relay(port: number, seen: Uint8Array[]): Promise<[number, { close(): void }]> {
  const server = createPlainServer((near) => {
    const far = connectPlain(port, "127.0.0.1");
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk: Uint8Array) => {
      seen.push(Uint8Array.from(chunk));
      near.write(chunk);
    });
    far.on("end", () => near.end());
    near.on("end", () => far.end());
    near.on("error", () => {});
    far.on("error", () => {});
  });
  return [await listening(server), server];
}

/** The types of the TLS records that `bytes` are. */
function recordTypes(bytes: Uint8Array): number[] {
  const types: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 5 + view.getUint16(at + 3)) {
    types.push(view.getUint8(at));
  }
  return types;
}

Deno.test("TLS: a connection ends without a farewell, which NEO 1.11 cannot bear", async () => {
  using reception = await Reception.open(host.network(ids.good));
  const seen: Uint8Array[] = [];
  const [port, server] = await relay(reception.address.port, seen);
  const { cert, key, ca } = ids.good;
  const peer = connect({
    ...{ ca, cert, key, host: "127.0.0.1", port, maxVersion: "TLSv1.2" },
    checkServerIdentity: () => undefined,
  });
  let received = 0;
  const ended = new Promise<void>((resolve) => peer.on("close", () => resolve()));
  peer.on("data", (chunk) => received += chunk.length);
  peer.on("error", () => {});
  const far = new Witness(await reception.accepted()).start();
  far.socket.write(pattern(3_000_000));
  far.socket.end();
  await ended;
  await far.closed();
  server.close();
  assert.equal(received, 3_000_000);
  const types = recordTypes(Buffer.concat(seen));
  const [handshake, applicationData, alert] = [22, 23, 21];
  assert.equal(types[0], handshake);
  assert.equal(types.at(-1), applicationData);
  assert.ok(!types.includes(alert));
});

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

Deno.test("TLS: a peer in the clear is refused", async () => {
  using reception = await Reception.open(host.network(ids.good));
  const plain = host.network(null);
  const peer = new Witness(await plain.connect(reception.address)).start();
  peer.socket.write(Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0));
  assert.equal(await reception.refused(), "the peer does not speak TLS");
  assert.equal(await peer.closed(), null);
});

Deno.test("TLS: a peer that hangs up in the handshake is refused", async () => {
  using reception = await Reception.open(host.network(ids.good));
  const { address } = reception;
  const peer = connectPlain(address.port, address.host, () => peer.end());
  peer.resume();
  assert.match(await reception.refused(), /^the peer closed the connection during the TLS handsh/);
});

Deno.test("TLS: a server in the clear is not for us", async () => {
  const network = host.network(ids.good);
  const server = createPlainServer((peer) => {
    peer.on("error", () => {});
    peer.end(Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 0));
  });
  const port = await listening(server);
  await assert.rejects(network.connect({ host: "127.0.0.1", port }), /: the peer .*TLS/);
  server.close();
});

Deno.test("TLS: half a handshake ties up nothing but itself, and not for ever", async () => {
  const log = { log: () => {} };
  const network = createNetwork(createTls(ids.good, host.now, 300), log);
  using reception = await Reception.open(network);
  const { address } = reception;
  const beginnings = [Uint8Array.of(), Uint8Array.of(0x16, 3, 1, 2, 0, 1)];
  const ends = beginnings.map((bytes) =>
    new Promise<void>((resolve) => {
      const peer = connectPlain(address.port, address.host, () => peer.write(bytes));
      peer.on("error", () => {});
      peer.on("close", () => resolve());
      peer.resume();
    })
  );
  const { near, far } = await connectPair(network, reception);
  near.socket.write(Uint8Array.of(1));
  await far.until(() => far.received === 1);
  for (const _ of beginnings) {
    assert.equal(await reception.refused(), "no TLS handshake within 0.3 s");
  }
  await Promise.all(ends);
  near.socket.end();
  await Promise.all([near.closed(), far.closed()]);
});

Deno.test("TLS: a server that does not answer is given up", async () => {
  const network = createNetwork(createTls(ids.good, host.now, 100), { log: () => {} });
  const server = createPlainServer((peer) => {
    peer.on("error", () => {});
    peer.resume();
  });
  const port = await listening(server);
  await assert.rejects(network.connect({ host: "127.0.0.1", port }), {
    message: `cannot connect to 127.0.0.1:${port}: no TLS handshake within 0.1 s`,
  });
  server.close();
});

Deno.test("TLS: closing the listener drops peers that are in the handshake", async () => {
  const reception = await Reception.open(host.network(ids.good));
  const { address } = reception;
  const closed = new Promise<void>((resolve) => {
    const peer = connectPlain(address.port, address.host);
    peer.on("error", () => {});
    peer.on("close", () => resolve());
    peer.resume();
  });
  // Who is accepted later was connected later: the first peer is in its handshake by now.
  const { near, far } = await connectPair(host.network(ids.good), reception);
  reception.close();
  await closed;
  assert.equal(reception.unasked, 0);
  near.socket.end();
  await Promise.all([near.closed(), far.closed()]);
});

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
