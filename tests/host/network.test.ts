import assert from "node:assert/strict";
import { connect, type Socket as NodeSocket } from "node:net";
import { ConfigurationError, NetworkError } from "../../nodes/errors.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import { StreamSocket } from "../../nodes/host/socket.ts";
import { connectPair, pattern, Reception, Witness } from "./support.ts";

const network = createClientHost().network(null);

/** A peer that is not ours, to do what ours never does. */
function dial(reception: Reception): Promise<NodeSocket> {
  const { host, port } = reception.address;
  return new Promise((resolve, reject) => {
    const peer = connect({ host, port });
    peer.once("error", reject);
    peer.once("connect", () => resolve(peer));
  });
}

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`network: bytes go both ways over ${host}`, async () => {
    using reception = await Reception.open(network, host);
    assert.equal(reception.address.host, host);
    assert.ok(reception.address.port > 0);
    const { near, far } = await connectPair(network, reception);
    assert.deepEqual(near.socket.remote, reception.address);
    assert.deepEqual(far.socket.local, reception.address);
    assert.deepEqual(far.socket.remote, near.socket.local);

    const sent = pattern(300_000);
    near.socket.write(sent.subarray(0, 10));
    near.socket.write(sent.subarray(10));
    far.socket.write(sent);
    await near.until(() => near.received === sent.length);
    await far.until(() => far.received === sent.length);
    assert.deepEqual(near.bytes(), sent);
    assert.deepEqual(far.bytes(), sent);
    near.socket.end();
    assert.equal(await near.closed(), null);
    assert.equal(await far.closed(), null);
  });
}

Deno.test("network: a chunk is a plain array that is never written to again", async () => {
  using reception = await Reception.open(network);
  const [peer, socket] = await Promise.all([
    network.connect(reception.address),
    reception.accepted(),
  ]);
  const chunks: Uint8Array[] = [];
  const far = new Witness(peer).start();
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.start({
    data: (chunk) => {
      chunks.push(chunk);
      // One byte at a time, so that each comes in a chunk of its own.
      if (chunks.length < 5) peer.write(Uint8Array.of(chunks.length));
      else peer.end();
    },
    drained: () => {},
    closed: () => resolve(),
  });
  peer.write(Uint8Array.of(0));
  await promise;
  await far.closed();
  assert.deepEqual(chunks.map((chunk) => [...chunk]), [[0], [1], [2], [3], [4]]);
  for (const chunk of chunks) assert.equal(Object.getPrototypeOf(chunk), Uint8Array.prototype);
});

Deno.test("network: what arrived before the start is delivered first", async () => {
  using reception = await Reception.open(network);
  const [peer, socket] = await Promise.all([
    network.connect(reception.address),
    reception.accepted(),
  ]);
  const near = new Witness(peer).start();
  near.socket.write(new TextEncoder().encode("early"));
  near.socket.end();
  const far = new Witness(socket).start();
  assert.equal(await far.closed(), null);
  assert.equal(far.text(), "early");
  assert.equal(await near.closed(), null);
});

Deno.test("network: a peer that does not read is felt, and drained when it reads again", async () => {
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  far.socket.pause();
  const chunk = pattern(100_000);
  let sent = 0;
  let before = 0;
  for (;;) {
    before = near.socket.bufferedBytes;
    sent += chunk.length;
    if (!near.socket.write(chunk)) break;
  }
  assert.ok(before <= 1 << 20, `asked to wait too late, with ${before} bytes`);
  assert.ok(near.socket.bufferedBytes > 1 << 20);
  // Far more than the system takes for a reader that sleeps.
  for (; sent < 32e6; sent += chunk.length) near.socket.write(chunk);
  assert.equal(near.drains, 0);
  far.socket.resume();
  await near.until(() => near.drains > 0);
  assert.equal(near.socket.bufferedBytes, 0);
  await far.until(() => far.received === sent);
  assert.equal(near.drains, 1);
  assert.deepEqual(far.bytes().subarray(sent - chunk.length), chunk);
  near.socket.destroy();
  await far.closed();
  await near.closed();
});

Deno.test("network: pausing stops the data until it is resumed", async () => {
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  far.socket.pause();
  near.socket.write(Uint8Array.of(1));
  // A second connection is a clock: what it carries was sent later than the byte.
  const other = await connectPair(network, reception);
  other.near.socket.write(Uint8Array.of(2));
  await other.far.until(() => other.far.received === 1);
  assert.equal(far.received, 0);
  far.socket.resume();
  await far.until(() => far.received === 1);
  for (const { socket } of [near, other.near]) socket.destroy();
  await Promise.all([near, far, other.near, other.far].map((each) => each.closed()));
});

Deno.test("network: the end comes after all that was written", async () => {
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  const sent = pattern(8_000_000);
  near.socket.write(sent);
  near.socket.end();
  near.socket.end();
  assert.equal(near.socket.write(Uint8Array.of(1)), true);
  assert.equal(await far.closed(), null);
  assert.equal(await near.closed(), null);
  assert.equal(far.received, sent.length);
  assert.deepEqual(far.bytes(), sent);
});

Deno.test("network: data still arrives after the own end", async () => {
  using reception = await Reception.open(network);
  const peer = await dial(reception);
  const far = new Witness(await reception.accepted()).start();
  peer.write("first");
  await far.until(() => far.received === 5);
  peer.write(" last");
  far.socket.end();
  await far.closed();
  assert.equal(far.text(), "first last");
});

Deno.test("network: destroying loses what is buffered, and is told once on both sides", async () => {
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  far.socket.pause();
  near.socket.write(new Uint8Array(32e6));
  near.socket.destroy();
  assert.deepEqual(near.causes, [], "told from inside the call");
  near.socket.destroy();
  assert.equal(near.socket.write(Uint8Array.of(1)), true);
  near.socket.end();
  assert.equal(await near.closed(), null);
  far.socket.resume();
  assert.equal(await far.closed(), null);
  assert.ok(far.received < 32e6);
  assert.equal(near.causes.length, 1);
  assert.equal(far.causes.length, 1);
});

Deno.test("network: a reset is an ordinary end", async () => {
  using reception = await Reception.open(network);
  const peer = await dial(reception);
  const far = new Witness(await reception.accepted()).start();
  peer.resetAndDestroy();
  assert.equal(await far.closed(), null);
  assert.equal(far.causes.length, 1);
});

Deno.test("network: a peer's end is the end, even with something left to send", async () => {
  using reception = await Reception.open(network);
  const peer = await dial(reception);
  const far = new Witness(await reception.accepted()).start();
  peer.pause();
  far.socket.write(new Uint8Array(32e6));
  peer.end();
  assert.equal(await far.closed(), null);
  peer.destroy();
});

Deno.test("network: a socket that ended before its start says so at once", async () => {
  using reception = await Reception.open(network);
  const socket = await network.connect(reception.address);
  const far = new Witness(await reception.accepted()).start();
  socket.destroy();
  await far.closed();
  const near = new Witness(socket).start();
  assert.deepEqual(near.causes, []);
  assert.equal(await near.closed(), null);
});

Deno.test("network: a socket is started once", async () => {
  using reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  assert.throws(() => near.start(), /only once/);
  near.socket.destroy();
  await Promise.all([near.closed(), far.closed()]);
});

Deno.test("network: a peer that never reads can't keep a connection that is ended", async () => {
  using reception = await Reception.open(network);
  const carrier = await dial(reception);
  const far = await reception.accepted();
  const near = new Witness(new StreamSocket(carrier, carrier, 20)).start();
  near.socket.write(new Uint8Array(32e6));
  near.socket.end();
  assert.equal(await near.closed(), null);
  far.destroy();
});

Deno.test("network: an IPv4 peer of a listener on all addresses is shown as IPv4", async () => {
  using reception = await Reception.open(network, "::");
  const near = await network.connect({ host: "127.0.0.1", port: reception.address.port });
  const far = new Witness(await reception.accepted()).start();
  assert.deepEqual(far.socket.remote, near.local);
  near.destroy();
  await far.closed();
});

Deno.test("network: connections outlive their listener", async () => {
  const reception = await Reception.open(network);
  const { near, far } = await connectPair(network, reception);
  reception.close();
  await assert.rejects(network.connect(reception.address), /connection refused/);
  near.socket.write(Uint8Array.of(1));
  await far.until(() => far.received === 1);
  near.socket.end();
  await Promise.all([near.closed(), far.closed()]);
});

Deno.test("network: what can't be reached or bound is said in one line", async () => {
  const reception = await Reception.open(network);
  const { address } = reception;
  await assert.rejects(network.listen(address, { accepted() {}, refused() {} }), {
    name: "NetworkError",
    message: `cannot listen on 127.0.0.1:${address.port}: the address is already in use: ` +
      "end the program that listens there, or choose another address",
  });
  reception.close();
  await assert.rejects(network.connect(address), (error: unknown) => {
    assert.ok(error instanceof NetworkError);
    assert.equal(
      error.message,
      `cannot connect to 127.0.0.1:${address.port}: connection refused`,
    );
    assert.ok(error.cause instanceof Error);
    return true;
  });
  await assert.rejects(
    network.listen({ host: "192.0.2.1", port: 0 }, { accepted() {}, refused() {} }),
    {
      message:
        "cannot listen on 192.0.2.1:0: the address can't be used on this machine: choose one that it has",
    },
  );
});

Deno.test("network: names are resolved, addresses stay as they are", async () => {
  const host = createClientHost();
  assert.equal(await host.resolve("10.1.2.3"), "10.1.2.3");
  assert.equal(await host.resolve("fe80::1"), "fe80::1");
  assert.match(await host.resolve("localhost"), /^(127\.0\.0\.1|::1)$/);
  await assert.rejects(host.resolve("no-such-name.invalid"), (error: unknown) => {
    assert.ok(error instanceof NetworkError && !(error instanceof ConfigurationError));
    assert.match(error.message, /^cannot find the address of no-such-name\.invalid: /);
    return true;
  });
});
