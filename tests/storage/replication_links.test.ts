/** Connections between storages: who may open one, which of two stays, and how long. */

import assert from "node:assert/strict";
import {
  AcceptIdentification,
  AskFetchTransactions,
  CloseClient,
  type NodeInformation,
  Ping,
} from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import type { Timer } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Assignment } from "../../nodes/storage/assignment.ts";
import { IDLE_MS, Link } from "../../nodes/storage/links/link.ts";
import { Links } from "../../nodes/storage/links/links.ts";
import { Peers } from "../../nodes/storage/peers.ts";
import { PeerLink, StoragePeer } from "./storage_peer.ts";
import { IDENTIFIED, Inbox, isPending, node, S1, S2, S3, Stage, t } from "./support.ts";

const REQUEST = { partition: 0, length: 1, minTid: t(0), maxTid: t(9), tids: [] };

Deno.test("a storage that the master has told of is accepted, others are not", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  const { accept } = await peer.connect(stage.node.address);
  assert.deepEqual(accept, {
    ...{ nodeType: "STORAGE", nid: S1, partitions: 1, replicas: 0, yourNid: S2 },
  });
  using stranger = await StoragePeer.listen(stage.host, S3, { partitions: 1 });
  stage.tellNodes();
  await stage.settled();
  await assert.rejects(stranger.connect(stage.node.address), { code: "NOT_READY" });
});

Deno.test("a storage that the master has yet to tell of waits for that", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  using peer = await StoragePeer.listen(stage.host, S3, { partitions: 1 });
  const late = IDENTIFIED + 1000;
  const connected = peer.connect(stage.node.address, { idTimestamp: late });
  assert.ok(await isPending(connected, client));
  stage.tellNodes({ ...node("STORAGE", S3), idTimestamp: late });
  assert.equal((await connected).accept.yourNid, S3);
});

Deno.test("a storage of another cluster is anonymous, and is served", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, null, { partitions: 1 });
  for (let count = 0; count < 2; count++) {
    const { link, accept } = await peer.connect(stage.node.address);
    assert.deepEqual([accept.nid, accept.yourNid], [null, null]);
    await link.connection.ask(AskFetchTransactions, REQUEST);
  }
  await assert.rejects(peer.connect(stage.node.address, { cluster: "other" }), {
    ...{ code: "PROTOCOL_ERROR", message: "invalid cluster name" },
  });
});

Deno.test("there is one connection with each storage", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  const { link } = await peer.connect(stage.node.address);
  const refused = { code: "PROTOCOL_ERROR", message: "already connected" };
  await assert.rejects(peer.connect(stage.node.address), refused);
  await link.connection.ask(Ping, {});
  link.connection.close();
  await stage.settled();
  // Its end may be heard of after the new one's beginning.
  for (let tries = 0;; tries++) {
    try {
      await peer.connect(stage.node.address);
      break;
    } catch (error) {
      if (tries === 50) throw error;
    }
  }
});

Deno.test("connections end when operation does", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  const { link } = await peer.connect(stage.node.address);
  stage.master.close();
  await link.closed;
});

/** One side of connections between storages, without the rest of a storage. */
async function side(nid: Nid, closing: (() => void)[]) {
  const host = createNodeHost({ log: { log: () => {} } });
  const endpoint = new Endpoint({ host, network: host.network(null), fatal: assert.fail });
  const peers = new Peers();
  const dialers = new Inbox<{ accept(): void; refused: Promise<string> }>();
  const listener = await endpoint.listen({ host: "127.0.0.1", port: 0 }, (connection) => {
    assert.ok(peers.add(connection));
    connection.start((incoming) => {
      const refused = Promise.withResolvers<string>();
      dialers.put({
        refused: refused.promise,
        accept: () => {
          try {
            links.accept(connection, other);
            const identity = { nodeType: "STORAGE", nid, partitions: 1, replicas: 0 } as const;
            incoming.answer(AcceptIdentification, { ...identity, yourNid: other });
            refused.resolve("");
          } catch (error) {
            connection.close();
            refused.resolve(error instanceof Error ? error.message : "");
          }
        },
      });
      return true;
    });
  });
  const other = nid === S1 ? S2 : S1;
  const links: Links = new Links({
    ...{ host, endpoint, peers, assignment: new Assignment(nid, { partitions: 1, replicas: 0 }) },
    address: listener.address,
    idTimestamp: () => IDENTIFIED,
    receiver: (link) => new PeerLink(link.connection).receive,
  });
  closing.push(() => {
    links.stop();
    listener.close();
    peers.closeAll();
  });
  return { nid, links, dialers, address: listener.address };
}

Deno.test("of two connections that cross, the one opened by the greater id survives", async () => {
  for (const greaterIsFirst of [false, true]) {
    const closing: (() => void)[] = [];
    const [one, two] = [await side(S1, closing), await side(S2, closing)];
    const target = (of: typeof one) => ({ nid: of.nid, address: of.address, cluster: "test" });
    const fromOne = one.links.connect(target(two));
    const fromTwo = two.links.connect(target(one));
    const [atTwo, atOne] = [await two.dialers.next(), await one.dialers.next()];
    if (greaterIsFirst) atOne.accept();
    atTwo.accept();
    if (!greaterIsFirst) atOne.accept();
    assert.equal(await atTwo.refused, "already connected");
    assert.equal(await atOne.refused, "");
    const [left, right] = [await fromOne, await fromTwo];
    assert.equal(left.connection.closed, false);
    assert.equal(right.connection.closed, false);
    await left.connection.ask(Ping, {});
    await right.connection.ask(Ping, {});
    assert.equal(await one.links.connect(target(two)), left);
    for (const close of closing) close();
  }
});

/** Timers that fire when the test says so. */
class Timers {
  readonly pending = new Map<() => void, number>();

  readonly setTimer = (delayMs: number, callback: () => void): Timer => {
    this.pending.set(callback, delayMs);
    return { cancel: () => void this.pending.delete(callback) };
  };

  fire(): void {
    for (const callback of [...this.pending.keys()]) {
      this.pending.delete(callback);
      callback();
    }
  }
}

async function withLink(
  dialed: boolean,
  test: (link: Link, timers: Timers, far: PeerLink) => Promise<void> | void,
): Promise<void> {
  const host = createNodeHost({ log: { log: () => {} } });
  using peer = await StoragePeer.listen(host, S2, { partitions: 1 });
  const endpoint = new Endpoint({ host, network: host.network(null), fatal: assert.fail });
  const timers = new Timers();
  const address: NodeInformation["address"] = peer.address;
  const connection = await endpoint.dial(address, "S");
  connection.start(() => true);
  const far = await peer.identifiedBy(connection);
  const link = new Link(connection, {
    host: { ...host, setTimer: timers.setTimer },
    nid: S2,
    dialed,
  });
  await test(link, timers, far);
  connection.close();
}

Deno.test("a link that is not used is closed after a while", async () => {
  await withLink(true, (link, timers) => {
    assert.deepEqual([...timers.pending.values()], [IDLE_MS]);
    link.use();
    link.use();
    link.release();
    assert.equal(timers.pending.size, 0, "it is in use");
    link.release();
    assert.deepEqual([...timers.pending.values()], [IDLE_MS]);
    assert.equal(link.connection.closed, false);
    timers.fire();
    assert.equal(link.connection.closed, true);
  });
});

Deno.test("a link that only the peer uses stays, and the peer is told", async () => {
  await withLink(true, async (link, timers, far) => {
    link.served();
    timers.fire();
    assert.equal(link.connection.closed, false);
    await far.left.next();
    link.use();
    link.peerLeft();
    assert.equal(link.connection.closed, false, "it is in use again");
    link.release();
    timers.fire();
    assert.equal(link.connection.closed, true);
  });
});

Deno.test("a link that the peer opened ends when the peer leaves", async () => {
  await withLink(false, (link, timers) => {
    assert.equal(timers.pending.size, 0);
    link.peerLeft();
    assert.equal(link.connection.closed, true);
  });
});

Deno.test("a peer that leaves is not waited for", async () => {
  await using stage = await Stage.operating();
  using peer = await StoragePeer.listen(stage.host, S2, { partitions: 1 });
  const { link } = await peer.connect(stage.node.address);
  await link.connection.ask(AskFetchTransactions, REQUEST);
  link.connection.notify(CloseClient, {});
  await link.closed;
});
