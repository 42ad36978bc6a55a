/** A client whose partition table is older than the storages': it finds everything all the same. */

import assert from "node:assert/strict";
import { AddPendingNodes, AskPartitionTable, TweakPartitionTable } from "../../gen/packets.ts";
import { connect, type Oid } from "../../mod.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { type InProcessCluster, withCluster } from "../support/in_process.ts";
import { create, latest, openFaulty } from "./support.ts";
import { text } from "./texts.ts";

const S1 = nodeId("STORAGE", 1);
const S2 = nodeId("STORAGE", 2);
const OBJECTS = 8;
/** The pause between two looks at what tells nobody of its changes. */
const LOOK_MS = 10;

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

/** Everything moves from the first storage to a second one. */
async function moveAll(cluster: InProcessCluster): Promise<void> {
  await cluster.ask(TweakPartitionTable, { nids: [S1] });
  await until(async () => {
    const { rows } = await cluster.ask(AskPartitionTable, {});
    return rows.every(({ cells }) => cells.every(({ nid }) => nid === S2));
  });
}

Deno.test("what has moved is loaded as soon as the client hears where it is", async () => {
  await withCluster({ storages: 1, partitions: 4 }, async (cluster) => {
    const { client, faults } = await openFaulty(cluster, { cacheBytes: 0 });
    await using _ = client;
    await using other = await connect(cluster.url);
    const oids: Oid[] = [];
    for (let number = 0; number < OBJECTS; number++) oids.push(await create(other, `${number}`));
    await client.sync();
    await cluster.startStorage(2);
    await until(async () => {
      const { message } = await cluster.ask(AddPendingNodes, { nids: [S2] });
      return decodeText(message) === "Nodes added: S2";
    });
    faults.hold(cluster.master);
    await moveAll(cluster);
    let loaded = 0;
    const loads = Promise.all(oids.map(async (oid) => {
      const { data } = await client.load(oid);
      loaded++;
      return text(data);
    }));
    for (const [number, oid] of oids.entries()) assert.equal(await latest(other, oid), `${number}`);
    assert.equal(loaded, 0, "nothing is where this client takes it to be");
    faults.release(cluster.master);
    assert.deepEqual(await loads, oids.map((_, number) => `${number}`));
  });
});
