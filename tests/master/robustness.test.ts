/**
 * Every packet of the protocol, from every kind of node, to a master in operation and to one that
 * recovers. The master may refuse and disconnect, but it must neither end nor meet an error that
 * its handlers did not foresee.
 */
import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { decodeHex } from "../../nodes/host/hex.ts";
import { MalformedPacketError, NeoError } from "../../nodes/errors.ts";
import { decode, typeNamed } from "../support/codec.ts";
import { allVectors } from "../support/vectors.ts";
import { addressOf, type Peer, runningCluster, S2, TestCluster } from "./support.ts";

type Role = p.NodeType | "STRANGER";
const ROLES: readonly Role[] = ["STRANGER", "ADMIN", "CLIENT", "STORAGE", "MASTER"];

interface Sample {
  readonly name: string;
  readonly packet: unknown;
}

/** The packets that can be written: others are no concern of the master's. */
function samples(): Sample[] {
  return allVectors.flatMap(({ name, hex }) => {
    const bytes = decodeHex(hex);
    assert.ok(bytes);
    try {
      return [{ name, packet: decode(typeNamed(name), bytes) }];
    } catch (error) {
      assert.ok(error instanceof MalformedPacketError);
      return [];
    }
  });
}

/** A cluster in the state, which may be the one that there was. */
async function clusterIn(
  state: p.ClusterState,
  before: TestCluster | null,
): Promise<TestCluster> {
  if (before !== null) {
    const admin = await before.admin().catch(() => null);
    if (admin !== null && (await admin.ask(p.AskClusterState, {})).state === state) {
      admin.close();
      return before;
    }
    await before[Symbol.asyncDispose]();
  }
  if (state === "RUNNING") return (await runningCluster(2)).cluster;
  const cluster = await TestCluster.start();
  await cluster.storage(1);
  return cluster;
}

/** Joins as a node of a role, if the master lets it in. */
async function join(cluster: TestCluster, role: Role): Promise<Peer> {
  const peer = await cluster.connect();
  const claim = role === "STORAGE"
    ? { nid: S2, address: addressOf(2) }
    : role === "MASTER"
    ? { address: addressOf(3) }
    : {};
  try {
    if (role !== "STRANGER") await peer.identify(role, claim);
    if (role === "STORAGE") peer.notify(p.NotifyReady, {});
  } catch (error) {
    assert.ok(error instanceof NeoError, String(error));
  }
  return peer;
}

for (const state of ["RUNNING", "RECOVERING"] as const) {
  for (const role of ROLES) {
    Deno.test(`a master that is ${state} survives all that a ${role} may send`, async () => {
      let cluster: TestCluster | null = null;
      const all = samples();
      assert.ok(all.length > p.PACKET_TYPES.length);
      for (const { name, packet } of all) {
        cluster = await clusterIn(state, cluster);
        const peer = await join(cluster, role);
        peer.notify(typeNamed(name), packet);
        await peer.ask(p.Ping, {}).catch(() => {});
        peer.close();
        const defect = cluster.log.lines.find((line) => line.includes("while handling"));
        assert.equal(defect, undefined, `${name}: ${defect}`);
      }
      await cluster?.[Symbol.asyncDispose]();
    });
  }
}
