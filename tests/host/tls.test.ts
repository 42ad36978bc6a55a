/** TLS between peers that trust each other: versions, ciphers, back-pressure, the end. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import { connect } from "node:tls";
import { run } from "../support/process.ts";
import { connectPair, pattern, Reception, Witness } from "./support.ts";
import { host, ids, listening, withLists } from "./tls_support.ts";

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
