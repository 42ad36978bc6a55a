/** The simulator itself: it must be at least as hard on nodes as the real world, and repeatable. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { DatabaseError, NetworkError } from "../../nodes/errors.ts";
import type { Socket } from "../../nodes/host/host.ts";
import { concat } from "../support/codec.ts";
import { Clock } from "./clock.ts";
import { Random } from "./random.ts";
import { SimulatedWorld } from "./world.ts";

/** What a socket told its owner. */
class Record {
  readonly chunks: Uint8Array[] = [];
  drained = 0;
  closed = 0;

  constructor(readonly socket: Socket) {}

  start(): this {
    this.socket.start({
      data: (chunk) => this.chunks.push(chunk),
      drained: () => this.drained++,
      closed: () => this.closed++,
    });
    return this;
  }

  get bytes(): Uint8Array {
    return concat(...this.chunks);
  }
}

/** Two hosts with a connection between them. */
async function connected(world: SimulatedWorld): Promise<{ client: Record; server: Record }> {
  const [a, b] = [world.host("a"), world.host("b")];
  const accepted = Promise.withResolvers<Socket>();
  const listener = await b.network(null).listen({ host: b.ip, port: 0 }, {
    accepted: (socket) => accepted.resolve(socket),
    refused: () => assert.fail("refused"),
  });
  const client = await world.run(a.network(null).connect(listener.address));
  assert.ok(client);
  return { client: new Record(client), server: new Record(await accepted.promise) };
}

Deno.test("what happens at one time happens in the order of asking", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.boolean())), (entries) => {
      const clock = new Clock();
      const happened: [number, number][] = [];
      const expected: [number, number][] = [];
      entries.forEach(([timeMs, isCancelled], order) => {
        const timer = clock.at(timeMs, () => happened.push([clock.nowMs, order]));
        if (isCancelled) timer.cancel();
        else expected.push([timeMs, order]);
      });
      for (let next = clock.next(); next !== null; next = clock.next()) next();
      expected.sort(([a, i], [b, j]) => a - b || i - j);
      assert.deepEqual(happened, expected);
    }),
  );
});

Deno.test("chance is spread evenly, and neighbouring seeds differ", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const values = Array.from({ length: 2000 }, () => random.fraction());
    assert.ok(values.every((value) => value >= 0 && value < 1));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(Math.abs(mean - 0.5) < 0.05, `seed ${seed}: mean ${mean}`);
    assert.notEqual(values[0], new Random(seed + 1).fraction());
    assert.equal(values[0], new Random(seed).fraction());
  }
});

Deno.test("timers fire in virtual time, and what is ready now comes before them", async () => {
  const world = new SimulatedWorld(1);
  const host = world.host("a");
  const order: string[] = [];
  host.setTimer(0, () => order.push("timer"));
  host.defer(() => order.push("deferred"));
  host.setTimer(5, () => order.push("cancelled")).cancel();
  queueMicrotask(() => order.push("microtask"));
  const started = performance.now();
  await world.runFor(3_000_000);
  assert.deepEqual(order, ["microtask", "deferred", "timer"]);
  assert.equal(host.monotonic(), 3_000_000);
  assert.ok(performance.now() - started < 10_000);
});

Deno.test("a wait that can't end says so, with the last events", async () => {
  const world = new SimulatedWorld(1);
  world.host("a").log.log("INFO", "test", "the last thing");
  await assert.rejects(
    world.run(new Promise(() => {})),
    /nothing will ever happen[^]*the last thing/,
  );
});

Deno.test("bytes arrive whole and in order, whatever the pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { maxLength: 20 }),
      async (seed, pieces) => {
        const world = new SimulatedWorld(seed);
        const { client, server } = await connected(world);
        client.start();
        server.start();
        for (const piece of pieces) client.socket.write(piece);
        client.socket.end();
        await world.run(() => server.closed === 1 && client.closed === 1);
        assert.deepEqual(server.bytes, concat(...pieces));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a peer that does not read fills the window, then the sender's buffer", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  server.socket.pause();
  const block = new Uint8Array(1 << 20).fill(1);
  assert.equal(client.socket.write(block), true);
  assert.equal(client.socket.write(block), false);
  await world.runFor(60_000);
  assert.equal(server.bytes.length, 0);
  assert.ok(client.socket.bufferedBytes > 1 << 20);
  assert.equal(client.drained, 0);
  server.socket.resume();
  await world.run(() => client.drained === 1);
  assert.equal(client.socket.bufferedBytes, 0);
  await world.run(() => server.bytes.length === 2 << 20);
});

Deno.test("an end is noticed after all data, and not while paused", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  server.socket.pause();
  client.socket.write(new Uint8Array([1, 2, 3]));
  client.socket.end();
  client.socket.write(new Uint8Array([4]));
  await world.runFor(5_000);
  assert.equal(server.closed, 0);
  server.socket.resume();
  await world.run(() => server.closed === 1);
  assert.deepEqual(server.bytes, new Uint8Array([1, 2, 3]));
  await world.run(() => client.closed === 1);
});

Deno.test("a peer that does not read can't keep a connection that is being ended", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  server.socket.pause();
  client.socket.write(new Uint8Array(2 << 20));
  client.socket.end();
  await world.run(() => client.closed === 1);
  assert.ok(world.clock.nowMs >= 10_000);
});

Deno.test("destroying loses what is buffered, and the peer notices", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  client.socket.write(new Uint8Array(10 << 20));
  client.socket.destroy();
  await world.run(() => server.closed === 1 && client.closed === 1);
  assert.ok(server.bytes.length < 10 << 20);
});

Deno.test("nobody is told anything from inside a call of the socket", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  client.socket.write(new Uint8Array([1]));
  await world.run(() => server.chunks.length === 1);
  client.socket.destroy();
  assert.equal(client.closed, 0);
  server.socket.end();
  assert.equal(server.closed, 0);
  await world.run(() => client.closed === 1 && server.closed === 1);
});

Deno.test("addresses are refused as real ones are", async () => {
  const world = new SimulatedWorld(1);
  const [a, b] = [world.host("a"), world.host("b")];
  const address = { host: b.ip, port: 10 };
  const refused = (attempt: Promise<unknown>, reason: RegExp) =>
    world.run(assert.rejects(attempt, (error: Error) => {
      assert.ok(error instanceof NetworkError);
      assert.match(error.message, reason);
      return true;
    }));
  await refused(a.network(null).connect(address), /10\.0\.0\.2:10: connection refused/);
  const seen: string[] = [];
  const events = { accepted: () => {}, refused: (_: unknown, why: string) => seen.push(why) };
  const listener = await b.network(null).listen(address, events);
  await refused(b.network(null).listen(address, events), /already in use/);
  await refused(
    a.network({ ca: "ca", cert: "cert", key: "key" }).connect(address),
    /the TLS handshake failed/,
  );
  assert.equal(seen.length, 1);
  listener.close();
  await refused(a.network(null).connect(address), /connection refused/);
  await refused(a.resolve("example.org"), /unknown host name example.org/);
  assert.equal(await a.resolve("::1"), "::1");
});

Deno.test("after a crash nothing of the process happens any more, and peers notice", async () => {
  const world = new SimulatedWorld(1);
  const { client, server } = await connected(world);
  client.start();
  server.start();
  const b = world.host("b");
  b.setTimer(100, () => assert.fail("a dead process had a timer"));
  b.defer(() => assert.fail("a dead process was called back"));
  const dead = () => assert.fail("a dead process got an answer");
  b.network(null).connect({ host: "10.0.0.9", port: 1 }).then(dead, dead);
  b.onSignal(["SIGTERM"], () => assert.fail("a dead process got a signal"));
  world.crash("b");
  b.signal("SIGTERM");
  assert.equal(b.alive, false);
  await world.run(() => client.closed === 1);
  await world.runFor(1000);
  assert.equal(server.closed, 0);
  assert.notEqual(world.host("b"), b);
  assert.equal(world.host("b").ip, b.ip);
});

Deno.test("signals come to who subscribed to them", async () => {
  const world = new SimulatedWorld(1);
  const host = world.host("a");
  const seen: string[] = [];
  const subscription = host.onSignal(["SIGINT", "SIGTERM"], (name) => seen.push(name));
  host.signal("SIGTERM");
  host.signal("SIGHUP");
  await world.runFor(1);
  subscription.cancel();
  host.signal("SIGINT");
  await world.runFor(1);
  assert.deepEqual(seen, ["SIGTERM"]);
});

/** The numbers in the table of a database that was opened again. */
function numbers(world: SimulatedWorld): number[] {
  const { database } = world.host("a").openDatabase("/db");
  database.exec("CREATE TABLE IF NOT EXISTS t (n INTEGER)");
  const found = database.prepare("SELECT n FROM t ORDER BY n").all().map(({ n }) => Number(n));
  database.close();
  return found;
}

Deno.test("a crash never loses what was durable, nor keeps what was not committed", async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const world = new SimulatedWorld(seed);
    assert.deepEqual(numbers(world), []);
    const { database } = world.host("a").openDatabase("/db");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    insert.run(1);
    await world.run(database.durable());
    void database.durable();
    await world.runFor(world.random.between(0, 8));
    for (const n of [2, 3]) {
      database.exec("BEGIN");
      insert.run(n);
      database.exec("COMMIT");
    }
    void database.durable();
    await world.runFor(world.random.between(0, 8));
    database.exec("BEGIN");
    insert.run(4);
    world.crash("a");
    outcomes.add(numbers(world).join());
  }
  assert.deepEqual([...outcomes].sort(), ["1", "1,2", "1,2,3"]);
});

Deno.test("all who wait for the disk share a flush, which sees only what was committed", async () => {
  const world = new SimulatedWorld(3);
  numbers(world);
  const { database } = world.host("a").openDatabase("/db");
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  let flushed = 0;
  const waits = [1, 2, 3].map((n) => {
    database.exec("BEGIN");
    insert.run(n);
    database.exec("COMMIT");
    return database.durable().then(() => flushed++);
  });
  await world.run(() => flushed > 0);
  assert.ok(world.clock.nowMs < 20);
  await world.run(Promise.all(waits));
  database.close();
  await assert.rejects(database.durable(), DatabaseError);
  assert.deepEqual(numbers(world), [1, 2, 3]);
});

Deno.test("a database is locked while it is open, and files survive", () => {
  const world = new SimulatedWorld(1);
  const host = world.host("a");
  const { database, device } = host.openDatabase("/db");
  assert.equal(device, "disk-of-a");
  assert.throws(() => host.openDatabase("/db"), {
    name: "DatabaseError",
    message: "database is locked",
  });
  assert.throws(() => database.exec("nonsense"), DatabaseError);
  database.close();
  host.openDatabase("/db").database.close();
  assert.equal(host.readTextFile("/list"), null);
  host.writeTextFile("/list", "[]");
  world.crash("a");
  assert.equal(world.host("a").readTextFile("/list"), "[]");
});

Deno.test("the same seed gives the same log, another seed another one", async () => {
  const play = async (seed: number) => {
    const world = new SimulatedWorld(seed);
    const { client, server } = await connected(world);
    client.start();
    server.start();
    world.host("a").setTimer(1, () => {
      client.socket.write(new Uint8Array([0, 0, 0, 5, 0, 0, 0, 7, 0, 2, 0, 0, 0, 0]));
    });
    server.socket.write(new Uint8Array([0, 0, 0, 5]));
    await world.run(() => server.bytes.length === 14);
    world.host("b").log.log("INFO", "test", `got ${server.chunks.map(({ length }) => length)}`);
    return world.eventLog.join("\n");
  };
  const log = await play(7);
  assert.match(log, /10\.0\.0\.1:\d+ > 10\.0\.0\.2:\d+ Ping#7 /);
  assert.equal(await play(7), log);
  assert.notEqual(await play(8), log);
});
