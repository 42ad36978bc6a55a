/**
 * Clients of both kinds in one cluster: each reads what the other commits, is told of it, conflicts
 * with it, and can undo it; on NEO's own nodes as well as on clusters of both kinds of nodes.
 */
import assert from "node:assert/strict";
import { type Client, ConflictError, connect, tid as asTid, ZERO_OID } from "../../mod.ts";
import { Cluster, type ClusterOptions } from "../support/cluster.ts";
import { PeerClient, PeerError } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

type Nodes = Pick<ClusterOptions, "master" | "storages" | "admin">;

/** Our client commits the root object as it is: a change to all that only look at serials. */
async function touchRoot(client: Client): Promise<string> {
  let committed = 0n;
  await client.sync();
  await client.transact(async (tx) => tx.store(ZERO_OID, (await tx.load(ZERO_OID)).data), {
    committed: (tid) => committed = tid,
  });
  return hex(committed);
}

function hex(tid: bigint): string {
  return tid.toString(16).padStart(16, "0");
}

async function tellEachOther(neo: PeerClient, client: Client): Promise<void> {
  const told = client.invalidations();
  const theirs = await neo.ask("set", { key: "tree", value: "oak" });
  const { value: invalidation } = await told.next();
  assert.equal(hex(invalidation.tid), theirs);
  assert.deepEqual([...invalidation.oids], [ZERO_OID]);
  assert.equal(hex((await client.load(ZERO_OID)).serial), theirs);
  await told.return?.();
  const own = await touchRoot(client);
  assert.deepEqual((await neo.ask("told") as unknown[]).at(-1), [own, [0]]);
  assert.equal(await neo.ask("get", { key: "tree" }), "oak");
}

async function conflict(neo: PeerClient, client: Client): Promise<void> {
  await neo.ask("begin");
  await neo.ask("put", { key: "tree", value: "ash" });
  await touchRoot(client);
  await assert.rejects(
    neo.ask("commit"),
    (error: unknown) => error instanceof PeerError && error.exception === "ConflictError",
  );
  await client.sync();
  await using tx = await client.begin();
  const { data, serial } = await client.load(ZERO_OID);
  await neo.ask("set", { key: "tree", value: "elm" });
  const late = tx.store(ZERO_OID, { data, serial }).then(() => tx.vote());
  await assert.rejects(late, ConflictError);
}

async function undo(neo: PeerClient, client: Client): Promise<void> {
  const tid = await neo.ask("set", { key: "tree", value: "fir" });
  await client.undo(asTid(BigInt(`0x${tid}`)), { description: "not a fir" });
  assert.equal(await neo.ask("get", { key: "tree" }), "elm");
  const theirs = await neo.ask("history", { oid: 0, size: 20 }) as [string, number, string][];
  const own = await client.history(ZERO_OID, { last: 20 });
  assert.deepEqual(theirs.map(([serial]) => serial), own.map((entry) => hex(entry.tid)));
  assert.equal(theirs[0]?.[2], "not a fir");
}

function together(nodes: Nodes) {
  return () =>
    inDirectory(async (directory) => {
      const sizes = { partitions: 4, replicas: nodes.storages.length - 1 };
      await using cluster = await Cluster.start({ directory, ctl: real, ...sizes, ...nodes });
      await using neo = await PeerClient.open(cluster);
      await using client = await connect(`neo://${cluster.name}@${cluster.masters}`);
      await tellEachOther(neo, client);
      await conflict(neo, client);
      await undo(neo, client);
    });
}

peerGroup("clients of both kinds", {
  "on NEO's nodes": together({ master: real, storages: [real, real], admin: real }),
  "on our nodes": together({ master: ours, storages: [ours, ours] }),
  "on our master and NEO's storage": together({ master: ours, storages: [real] }),
  "on NEO's master and our storage": together({ master: real, storages: [ours] }),
});
