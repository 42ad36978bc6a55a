/** TLS: handshakes that never come to an end, or with a peer that speaks something else. */

import assert from "node:assert/strict";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import { createNetwork } from "../../nodes/host/network.ts";
import { createTls } from "../../nodes/host/tls.ts";
import { connectPair, Reception, Witness } from "./support.ts";
import { host, ids, listening } from "./tls_support.ts";

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
