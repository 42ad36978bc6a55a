/**
 * Peers that are identified and then send whatever their role allows, with any contents, and now
 * and then what it does not. They may cost themselves their connection, and nobody else anything.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as p from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import type { Address } from "../../nodes/host/host.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { ARBITRARY_PACKETS, arbitraryFlow, type ArbitraryPacket } from "../support/arbitrary.ts";
import { decode, encode } from "../support/codec.ts";
import { RawPeer } from "../wire/raw_peer.ts";
import { Bank } from "./bank.ts";
import { SimulatedCluster } from "./cluster.ts";

const PARTITIONS = 4;
const PACKETS = 12;

/** Values that could be right: they come further than arbitrary ones. */
const PLAUSIBLE = {
  u32: fc.oneof(fc.nat(PARTITIONS), fc.nat(2 ** 32 - 1)),
  index: fc.oneof(fc.nat(3), fc.maxSafeNat()),
  ptid: fc.integer({ min: 1, max: 10 }),
  nid: fc.constantFrom(1, 2, 3, -0x0fffffff, 0xe0000001 | 0, 0xe0000002 | 0, 0x10000000),
  // Not those of the bank: who stores under these does no harm.
  oid: fc.oneof(fc.bigInt({ min: 1000n, max: 1003n }), fc.constant(2n ** 63n - 1n)),
  tid: fc.oneof(
    fc.bigInt({ min: 0n, max: 3n }),
    fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    fc.constantFrom(0x0404a0b000000001n, 2n ** 63n - 1n),
  ),
  bytes: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(encodeText("simulated"))),
};

/** Orders of an operator: whoever may give them can stop a cluster, and lose what is in it. */
const ORDERS: readonly string[] = [
  "SetClusterState",
  "SetNodeState",
  "Truncate",
  "TweakPartitionTable",
  "AddPendingNodes",
];

/** A peer's packets: mostly what its flow allows. */
function packetsOf(flow: string): fc.Arbitrary<Uint8Array> {
  const bytesOf = ({ type, packet }: ArbitraryPacket) =>
    packet.map((value) => encode(type, 1, value));
  const allowed = arbitraryFlow(flow, PLAUSIBLE).filter(({ type }) => !ORDERS.includes(type.name));
  const others = ARBITRARY_PACKETS.filter(({ type }) => !ORDERS.includes(type.name));
  return fc.oneof(
    { weight: 15, arbitrary: fc.oneof(...allowed.map(bytesOf)) },
    { weight: 1, arbitrary: fc.oneof(...others.map(bytesOf)) },
  );
}

class Intruder {
  readonly #cluster: SimulatedCluster;
  readonly peers: RawPeer[] = [];

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  async connect(address: Address): Promise<RawPeer> {
    const { world } = this.#cluster;
    const socket = await world.run(world.host("intruder").network(null).connect(address));
    assert.ok(socket);
    const peer = new RawPeer(socket).shakeHands();
    this.peers.push(peer);
    return peer;
  }

  /** Identifies itself; waits for the answer, of whatever kind. */
  async identify(peer: RawPeer, request: Partial<p.RequestIdentification>): Promise<void> {
    peer.send(0, p.RequestIdentification, {
      nodeType: "CLIENT",
      nid: null,
      address: null,
      cluster: encodeText("simulated"),
      devpath: [],
      idTimestamp: null,
      ...request,
    });
    const isAnswered = () => peer.closed || peer.received.some(({ id }) => id === 0);
    await this.#cluster.world.run(isAnswered);
  }

  /** Becomes a client of the cluster. Returns its id and the time that tells it from others. */
  async becomeClient(): Promise<{ peer: RawPeer; nid: Nid; idTimestamp: number | null }> {
    const peer = await this.connect(this.#cluster.master);
    await this.identify(peer, {});
    const nid = peer.only(p.AcceptIdentification).yourNid;
    assert.ok(nid !== null);
    const list = () => peer.received.find(({ name }) => name === "NotifyNodeInformation");
    await this.#cluster.world.run(() => list() !== undefined);
    const { nodes } = decode(p.NotifyNodeInformation, list()?.bytes ?? assert.fail());
    return { peer, nid, idTimestamp: nodes.find((node) => node.nid === nid)?.idTimestamp ?? null };
  }
}

/** How to get to each place where packets are taken. */
const ROLES: Record<string, (intruder: Intruder, cluster: SimulatedCluster) => Promise<RawPeer>> = {
  clientToMaster: async (intruder) => (await intruder.becomeClient()).peer,
  storageToMaster: async (intruder, cluster) => {
    const peer = await intruder.connect(cluster.master);
    await intruder.identify(peer, {
      nodeType: "STORAGE",
      address: { host: "10.0.0.99", port: 1 },
    });
    return peer;
  },
  adminToMaster: async (intruder, cluster) => {
    const peer = await intruder.connect(cluster.master);
    await intruder.identify(peer, { nodeType: "ADMIN", address: { host: "10.0.0.99", port: 2 } });
    return peer;
  },
  secondaryToMaster: async (intruder, cluster) => {
    const peer = await intruder.connect(cluster.master);
    await intruder.identify(peer, { nodeType: "MASTER", address: { host: "10.0.0.99", port: 3 } });
    return peer;
  },
  clientToStorage: async (intruder, cluster) => {
    const { nid, idTimestamp } = await intruder.becomeClient();
    const peer = await intruder.connect(cluster.storage(1));
    await intruder.identify(peer, { nid, idTimestamp });
    assert.deepEqual(peer.names, ["AcceptIdentification#0"]);
    return peer;
  },
  storageToStorage: async (intruder, cluster) => {
    const peer = await intruder.connect(cluster.storage(1));
    await intruder.identify(peer, { nodeType: "STORAGE" });
    assert.deepEqual(peer.names, ["AcceptIdentification#0"]);
    return peer;
  },
  strangerToMaster: (intruder, cluster) => intruder.connect(cluster.master),
  strangerToStorage: (intruder, cluster) => intruder.connect(cluster.storage(1)),
  controlToAdmin: (intruder, cluster) => intruder.connect(cluster.admin),
};

for (const [flow, become] of Object.entries(ROLES)) {
  Deno.test(`a peer that sends anything as ${flow} harms nobody`, async () => {
    const cluster = await SimulatedCluster.start({
      seed: 1,
      storages: 2,
      partitions: PARTITIONS,
      replicas: 1,
    });
    const { world } = cluster;
    const client = await cluster.client("client1");
    const bank = await Bank.found(world, client, 3);
    await fc.assert(
      fc.asyncProperty(fc.array(packetsOf(flow), { maxLength: PACKETS }), async (packets) => {
        const from = world.eventLog.length;
        const intruder = new Intruder(cluster);
        let peer = await become(intruder, cluster);
        for (const packet of packets) {
          // Whoever was thrown out comes again.
          if (peer.closed) peer = await become(intruder, cluster);
          peer.raw(packet);
          await world.runFor(20);
        }
        const before = bank.transfers.length;
        await world.run(bank.work(client, 10));
        assert.ok(bank.transfers.length > before);
        await world.run(bank.checkNow(client));
        for (const { socket } of intruder.peers) socket.destroy();
        await world.runFor(2000);
        const harm = world.eventLog.slice(from)
          .filter((line) => /ERROR|CRITICAL|has ended|has failed/.test(line));
        assert.deepEqual(harm, []);
      }),
      { numRuns: 25, seed: 1, endOnFailure: true },
    );
    await client.close();
    await cluster.stop();
  });
}
