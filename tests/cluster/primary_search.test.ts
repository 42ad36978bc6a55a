/** The search for the primary master, among simulated masters that behave in all ways. */

import assert from "node:assert/strict";
import { strangerToMaster } from "../../gen/flows.ts";
import * as p from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import type { Reply } from "../../nodes/codec/packet.ts";
import { DIAL_INTERVAL_MS, Endpoint } from "../../nodes/cluster/endpoint.ts";
import { MasterList } from "../../nodes/cluster/master_list.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { findPrimary, type Primary } from "../../nodes/cluster/primary_search.ts";
import { NetworkError } from "../../nodes/errors.ts";
import type { Address } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { PeerError, Refusal } from "../../nodes/wire/refusal.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { SimulatedWorld } from "../sim/world.ts";

const M1 = nodeId("MASTER", 1);
const C1 = nodeId("CLIENT", 1);

/** How a master answers who comes to it. */
type Behaviour = (
  connection: Connection,
  request: p.RequestIdentification,
) => Reply<p.AcceptIdentification>;

const accept: p.AcceptIdentification = {
  nodeType: "MASTER",
  nid: M1,
  partitions: 4,
  replicas: 1,
  yourNid: C1,
};

const never: Behaviour = () => new Promise(() => {});

function refusing(code: "PROTOCOL_ERROR" | "NOT_READY", message: string): Behaviour {
  return () => {
    throw new Refusal(code, message);
  };
}

/** A secondary master, which names the primary by its place among all. */
function secondary(primary: number | null, masters: readonly Address[]): Behaviour {
  return (connection) => {
    connection.notify(p.NotPrimaryMaster, { primary, masters });
    connection.abort();
    return new Promise(() => {});
  };
}

class Masters {
  readonly world = new SimulatedWorld(1);
  /** Which master got a request for identification, and when. */
  readonly visits: { readonly name: string; readonly timeMs: number }[] = [];

  /** Starts a master; returns its address. */
  async start(name: string, behaviour: Behaviour): Promise<Address> {
    const host = this.world.host(name);
    const endpoint = new Endpoint({ host, network: host.network(null), fatal: () => {} });
    const listener = await endpoint.listen({ host: host.ip, port: 10 }, (connection) => {
      connection.start(strangerToMaster({
        requestIdentification: (request) => {
          this.visits.push({ name, timeMs: this.world.clock.nowMs });
          return behaviour(connection, request);
        },
      }));
    });
    return listener.address;
  }

  get names(): string {
    return this.visits.map(({ name }) => name).join(" ");
  }

  /** Lets a client search; `accepted` is told in order. */
  search(
    masters: MasterList,
    options: {
      readonly endsOnRefusal?: boolean;
      readonly signal?: AbortSignal;
      readonly accepted?: (
        connection: Connection,
        accept: p.AcceptIdentification,
        nid: Nid,
      ) => void;
    } = {},
  ): Promise<Primary> {
    const host = this.world.host("client");
    const endpoint = new Endpoint({ host, network: host.network(null), fatal: () => {} });
    return findPrimary({
      host,
      endpoint,
      masters,
      request: () => ({
        nodeType: "CLIENT",
        nid: null,
        address: null,
        cluster: encodeText("test"),
        devpath: [],
        idTimestamp: null,
      }),
      accepted: options.accepted ?? (() => {}),
      endsOnRefusal: options.endsOnRefusal ?? false,
    }, options.signal);
  }

  /** Lines of the client's log. */
  get log(): string[] {
    return this.world.eventLog.filter((line) => / client [A-Z]/.test(line))
      .map((line) => line.replace(/^\S+ client /, ""));
  }
}

Deno.test("the primary master accepts, before anything else of it is handled", async () => {
  const masters = new Masters();
  const order: string[] = [];
  const address = await masters.start("a", (connection, request) => {
    assert.equal(request.nodeType, "CLIENT");
    // Right behind the answer, in the same write.
    queueMicrotask(() => connection.notify(p.NotifyClusterInformation, { state: "RUNNING" }));
    return accept;
  });
  const primary = await masters.world.run(masters.search(new MasterList([address]), {
    accepted: (connection, found, nid) => {
      order.push("accepted");
      assert.deepEqual(found, accept);
      assert.equal(nid, C1);
      connection.setReceiver(({ type }) => order.push(type.name) > 0);
    },
  }));
  await masters.world.run(() => order.length === 2);
  assert.deepEqual(order, ["accepted", "NotifyClusterInformation"]);
  assert.deepEqual(primary?.address, address);
  assert.equal(primary?.nid, M1);
  assert.equal(primary?.connection.closed, false);
  assert.deepEqual(masters.log, []);
});

Deno.test("masters that are not there are tried in turn, a second apart", async () => {
  const masters = new Masters();
  const alive = await masters.start("a", () => accept);
  const dead = { host: alive.host, port: 1 };
  const list = new MasterList([dead, { ...dead, port: 2 }, alive]);
  await masters.world.run(masters.search(list));
  assert.ok(masters.world.clock.nowMs < DIAL_INTERVAL_MS);
  assert.deepEqual(masters.log, [
    "INFO primary: master 10.0.0.1:1: cannot connect to 10.0.0.1:1: connection refused",
    "INFO primary: master 10.0.0.1:2: cannot connect to 10.0.0.1:2: connection refused",
  ]);
});

Deno.test("a search goes on for ever, and warns once of each master that stays away", async () => {
  const masters = new Masters();
  const dead = { host: "10.0.0.9", port: 1 };
  const abort = new AbortController();
  const search = masters.search(new MasterList([dead, { ...dead, port: 2 }]), {
    signal: abort.signal,
  });
  await masters.world.runFor(60_000);
  abort.abort(new Error("enough"));
  await masters.world.run(assert.rejects(search, { message: "enough" }));
  assert.deepEqual(masters.log.map((line) => line.split(":")[0]), [
    ...["INFO primary", "INFO primary"],
    ...["WARNING primary", "WARNING primary"],
  ]);
});

Deno.test("a secondary master names the primary, which is tried next", async () => {
  const masters = new Masters();
  const behaviours: Record<string, Behaviour> = { a: never, b: never, c: never };
  const addresses: Address[] = [];
  for (const name of ["a", "b", "c"]) {
    addresses.push(await masters.start(name, (...visit) => (behaviours[name] ?? never)(...visit)));
  }
  const [a] = addresses;
  assert.ok(a);
  behaviours.a = secondary(2, addresses);
  behaviours.b = () => accept;
  behaviours.c = () => accept;
  const list = new MasterList([a]);
  const primary = await masters.world.run(masters.search(list));
  assert.equal(masters.names, "a c");
  assert.deepEqual(primary?.address, addresses[2]);
  // All that it named are known from then on.
  assert.deepEqual(list.addresses, addresses);
  assert.deepEqual(masters.log, ["INFO primary: master 10.0.0.1:10 is not the primary"]);
});

for (const hint of [null, 7]) {
  Deno.test(`a secondary master that names ${hint} as the primary is no help`, async () => {
    const masters = new Masters();
    const addresses: Address[] = [];
    addresses.push(await masters.start("a", (...visit) => secondary(hint, addresses)(...visit)));
    addresses.push(await masters.start("b", () => accept));
    const primary = await masters.world.run(
      masters.search(new MasterList([addresses[0] ?? assert.fail()])),
    );
    assert.equal(masters.names, "a b");
    assert.deepEqual(primary?.address, addresses[1]);
  });
}

Deno.test("two masters that name each other are not asked without a pause", async () => {
  const masters = new Masters();
  const addresses: Address[] = [];
  addresses.push(await masters.start("a", (...visit) => secondary(1, addresses)(...visit)));
  addresses.push(await masters.start("b", (...visit) => secondary(0, addresses)(...visit)));
  const abort = new AbortController();
  const search = masters.search(new MasterList(addresses), { signal: abort.signal });
  await masters.world.runFor(10_000);
  abort.abort(new Error("enough"));
  await masters.world.run(assert.rejects(search, { message: "enough" }));
  const visits = masters.visits.filter(({ name }) => name === "a");
  assert.ok(visits.length >= 8 && visits.length <= 11, `${visits.length} visits`);
});

Deno.test("a master that is not ready is asked again", async () => {
  const masters = new Masters();
  let visits = 0;
  const address = await masters.start("a", (...visit) => {
    return ++visits < 3 ? refusing("NOT_READY", "Retry Later")(...visit) : accept;
  });
  await masters.world.run(masters.search(new MasterList([address]), { endsOnRefusal: true }));
  assert.equal(masters.names, "a a a");
  const [first, , third] = masters.visits;
  assert.ok(third && first && third.timeMs - first.timeMs > 1.5 * DIAL_INTERVAL_MS);
  assert.deepEqual(masters.log, [
    "INFO primary: master 10.0.0.1:10: Retry Later",
    "WARNING primary: master 10.0.0.1:10: Retry Later",
  ]);
});

Deno.test("a refusal ends a client's search, and not a server's", async () => {
  const masters = new Masters();
  let visits = 0;
  const address = await masters.start("a", (...visit) => {
    return ++visits < 3 ? refusing("PROTOCOL_ERROR", "invalid cluster name")(...visit) : accept;
  });
  const list = new MasterList([address]);
  await masters.world.run(
    assert.rejects(masters.search(list, { endsOnRefusal: true }), (error: Error) => {
      assert.ok(error instanceof PeerError);
      assert.equal(error.message, "invalid cluster name");
      return true;
    }),
  );
  assert.equal(visits, 1);
  await masters.world.run(masters.search(list));
  assert.equal(visits, 3);
});

const WRONG: [string, Partial<p.AcceptIdentification>, RegExp][] = [
  ["is no master", { nodeType: "STORAGE" }, /expected a master that gives an id, found a STORAGE/],
  ["gives no id", { yourNid: null }, /expected a master that gives an id/],
];

for (const [name, wrong, reason] of WRONG) {
  Deno.test(`a node that ${name} is left alone, and the next one is tried`, async () => {
    const masters = new Masters();
    const bad = await masters.start("a", () => ({ ...accept, ...wrong }));
    const good = await masters.start("b", () => accept);
    const accepted: Connection[] = [];
    const primary = await masters.world.run(masters.search(new MasterList([bad, good]), {
      accepted: (connection) => accepted.push(connection),
    }));
    assert.equal(masters.names, "a b");
    assert.deepEqual(accepted, [primary?.connection]);
    assert.match(masters.log.join("\n"), reason);
  });
}

Deno.test("a master that closes the connection is not the one", async () => {
  const masters = new Masters();
  const bad = await masters.start("a", (connection) => {
    connection.close();
    return new Promise(() => {});
  });
  const good = await masters.start("b", () => accept);
  await masters.world.run(masters.search(new MasterList([bad, good])));
  assert.deepEqual(masters.log, [
    "INFO primary: master 10.0.0.1:10 closed the connection before it said anything " +
    "(TLS on one side only?)",
  ]);
});

Deno.test("a search that is given up closes its connection", async () => {
  const masters = new Masters();
  let visitor: Connection | null = null;
  const address = await masters.start("a", (connection) => {
    visitor = connection;
    return new Promise(() => {});
  });
  const abort = new AbortController();
  const search = masters.search(new MasterList([address]), { signal: abort.signal });
  await masters.world.run(() => visitor !== null);
  abort.abort(new Error("enough"));
  await masters.world.run(assert.rejects(search, { message: "enough" }));
  await masters.world.run(() => visitor?.closed === true);
  await masters.world.runFor(10 * DIAL_INTERVAL_MS);
  assert.equal(masters.visits.length, 1);
});

Deno.test("without any master there is nothing to search", async () => {
  const masters = new Masters();
  await masters.world.run(
    assert.rejects(masters.search(new MasterList([])), (error) => error instanceof NetworkError),
  );
});
