/** Dialing and listening, on a simulated clock. */

import assert from "node:assert/strict";
import { DIAL_INTERVAL_MS, Endpoint } from "../../nodes/cluster/endpoint.ts";
import * as p from "../../gen/packets.ts";
import type { Address } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { SimulatedWorld } from "../sim/world.ts";

function endpointOf(world: SimulatedWorld, name: string): Endpoint {
  const host = world.host(name);
  return new Endpoint({
    host,
    network: host.network(null),
    fatal: (error) => assert.fail(String(error)),
  });
}

/** A world with a listening node, which notes when peers came. */
async function listening(): Promise<{
  world: SimulatedWorld;
  address: Address;
  arrivals: number[];
  connections: Connection[];
}> {
  const world = new SimulatedWorld(1);
  const arrivals: number[] = [];
  const connections: Connection[] = [];
  const { ip } = world.host("server");
  const listener = await endpointOf(world, "server").listen({ host: ip, port: 0 }, (connection) => {
    arrivals.push(world.clock.nowMs);
    connections.push(connection);
    connection.start(() => false);
  });
  return { world, address: listener.address, arrivals, connections };
}

// How long a connection may take here, besides the time between two attempts.
const TRAVEL_MS = 200;

Deno.test("an address is dialed at once, then once a second at most", async () => {
  const { world, address, arrivals } = await listening();
  const endpoint = endpointOf(world, "client");
  for (let dial = 0; dial < 4; dial++) {
    const connection = await world.run(endpoint.dial(address, "M"));
    connection?.close();
  }
  assert.equal(arrivals.length, 4);
  assert.ok((arrivals[0] ?? 0) < TRAVEL_MS);
  for (let dial = 1; dial < 4; dial++) {
    const waitedMs = (arrivals[dial] ?? 0) - (arrivals[dial - 1] ?? 0);
    assert.ok(waitedMs > DIAL_INTERVAL_MS - TRAVEL_MS && waitedMs < DIAL_INTERVAL_MS + TRAVEL_MS);
  }
});

Deno.test("those who dial one address at the same time wait for each other", async () => {
  const { world, address, arrivals } = await listening();
  const endpoint = endpointOf(world, "client");
  await world.run(Promise.all([1, 2, 3].map(() => endpoint.dial(address, "M"))));
  const seconds = arrivals.map((timeMs) => Math.round(timeMs / DIAL_INTERVAL_MS));
  assert.deepEqual(seconds, [0, 1, 2]);
});

Deno.test("attempts that fail count, and other addresses do not", async () => {
  const { world, address, arrivals } = await listening();
  const endpoint = endpointOf(world, "client");
  const nobody = { host: address.host, port: 1 };
  await world.run(assert.rejects(endpoint.dial(nobody, "M"), { name: "NetworkError" }));
  assert.ok(world.clock.nowMs < TRAVEL_MS);
  await world.run(endpoint.dial(address, "M"));
  assert.ok(world.clock.nowMs < TRAVEL_MS);
  assert.equal(arrivals.length, 1);
  await world.run(assert.rejects(endpoint.dial(nobody, "M"), { name: "NetworkError" }));
  assert.ok(world.clock.nowMs >= DIAL_INTERVAL_MS);
});

Deno.test("the limit can be lifted for an address", async () => {
  const { world, address, arrivals } = await listening();
  const endpoint = endpointOf(world, "client");
  await world.run(endpoint.dial(address, "M"));
  endpoint.mayDialAgain(address);
  await world.run(endpoint.dial(address, "M"));
  assert.equal(arrivals.length, 2);
  assert.ok(world.clock.nowMs < 2 * TRAVEL_MS);
});

Deno.test("who does not want to wait any more is let go at once", async () => {
  const { world, address, arrivals } = await listening();
  const endpoint = endpointOf(world, "client");
  await world.run(endpoint.dial(address, "M"));
  const abort = new AbortController();
  const waiting = endpoint.dial(address, "M", abort.signal);
  await world.runFor(100);
  abort.abort(new Error("enough"));
  await world.run(assert.rejects(waiting, { message: "enough" }));
  assert.ok(world.clock.nowMs < DIAL_INTERVAL_MS);
  await assert.rejects(endpoint.dial(address, "M", abort.signal), { message: "enough" });
  await world.runFor(2 * DIAL_INTERVAL_MS);
  assert.equal(arrivals.length, 1);
});

Deno.test("a connection that comes about too late is closed", async () => {
  const { world, address, connections } = await listening();
  const endpoint = endpointOf(world, "client");
  const abort = new AbortController();
  const dialing = endpoint.dial(address, "M", abort.signal);
  abort.abort(new Error("enough"));
  await world.run(assert.rejects(dialing, { message: "enough" }));
  await world.run(() => connections.length === 1 && connections[0]?.closed === true);
});

Deno.test("both ends speak the protocol", async () => {
  const { world, address, connections } = await listening();
  const connection = await world.run(endpointOf(world, "client").dial(address, "M"));
  assert.ok(connection);
  assert.match(connection.label, /^M \(10\.0\.0\.1:\d+\)$/);
  connection.start(() => false);
  await world.run(connection.ask(p.Ping, {}));
  assert.equal(connections[0]?.received, true);
  assert.match(connections[0]?.label ?? "", /^\? \(10\.0\.0\.2:\d+\)$/);
});

Deno.test("peers that do not get through the TLS handshake are told of in the log", async () => {
  const { world, address } = await listening();
  const host = world.host("client");
  const secure = new Endpoint({
    host,
    network: host.network({ ca: "ca", cert: "cert", key: "key" }),
    fatal: () => {},
  });
  await world.run(assert.rejects(secure.dial(address, "M"), { name: "NetworkError" }));
  assert.match(
    world.eventLog.join("\n"),
    /server WARNING network: refused 10\.0\.0\.2:\d+: the TLS handshake failed/,
  );
});
