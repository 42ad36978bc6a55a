/** Backups whose cells move while the original goes on. */

import assert from "node:assert/strict";
import {
  AddPendingNodes,
  AskLastTransaction,
  AskRecovery,
  type CellChange,
  SetClusterState,
  TweakPartitionTable,
} from "../../../gen/packets.ts";
import type { Client } from "../../../nodes/client/client.ts";
import { nodeId } from "../../../nodes/cluster/node_ids.ts";
import { type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { MasterTable } from "../../../nodes/master/table/master_table.ts";
import { SimulatedCluster } from "../cluster.ts";
import { replace } from "../mutants/plant.ts";
import { fill, SINGLE } from "./scene.ts";

const S1 = nodeId("STORAGE", 1);
const S2 = nodeId("STORAGE", 2);
const MAX_MOVES = 50;

/** Commits one transaction after the other, until it is stopped. */
class Commits {
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(client: Client, oid: Oid) {
    this.#done = this.#run(client, oid);
  }

  async #run(client: Client, oid: Oid): Promise<void> {
    for (let value = 0; !this.#isOver; value++) {
      await client.transact((tx) => tx.store(oid, new Uint8Array([value])));
    }
  }

  stop(): Promise<void> {
    this.#isOver = true;
    return this.#done;
  }
}

/** A backup of one cell, and a storage more than it needs. */
async function startBackup(upstream: SimulatedCluster): Promise<SimulatedCluster> {
  const backup = await SimulatedCluster.start({ ...SINGLE, upstream });
  const { world } = backup;
  await world.run(backup.ask(SetClusterState, { state: "STARTING_BACKUP" }));
  await backup.untilState("BACKINGUP");
  await world.run(backup.launch(backup.addStorage()));
  await world.run(backup.comeTo(async () => {
    const added = await backup.ask(AddPendingNodes, { nids: [S2] });
    return new TextDecoder().decode(added?.message) === "Nodes added: S2";
  }));
  return backup;
}

async function backupTid(backup: SimulatedCluster): Promise<Tid> {
  return (await backup.ask(AskRecovery, {}))?.backupTid ?? ZERO_TID;
}

Deno.test("a backup gives up nothing when a cell takes the place of one that has more", async () => {
  const upstream = await SimulatedCluster.start(SINGLE);
  const { world } = upstream;
  const client = await upstream.client("client1");
  const [oid] = await world.run(fill(client, 1)) ?? [];
  assert.ok(oid !== undefined);
  const backup = await startBackup(upstream);
  const comings: string[] = [];
  const put = replace(MasterTable, "setUpToDate", ({ args, proceed }) => {
    const changes: CellChange[] = proceed(...args);
    comings.push(changes.map(({ state }) => state).join(" "));
    return changes;
  });
  const commits = new Commits(client, oid);
  let last = ZERO_TID;
  // How often the new cell has less than the one that it was replicated from depends on chance.
  for (let move = 0; move < MAX_MOVES && !comings.includes("UP_TO_DATE"); move++) {
    const excluded = move % 2 === 0 ? S1 : S2;
    await world.run(backup.ask(TweakPartitionTable, { nids: [excluded] }));
    await world.run(backup.comeTo(async () => {
      const tid = await backupTid(backup);
      assert.ok(tid >= last, `the backup has all up to ${last}, and then up to ${tid}`);
      last = tid;
      return (await backup.table())?.[0]?.cells.every(({ nid }) => nid !== excluded) === true;
    }));
  }
  put();
  assert.ok(comings.includes("UP_TO_DATE"), comings.join(", "));
  await world.run(commits.stop());
  const end = (await world.run(upstream.ask(AskLastTransaction, {})))?.tid;
  assert.ok(end);
  // Nothing is committed any more that would have to remind it.
  await world.run(backup.comeTo(async () => await backupTid(backup) === end));
  await world.run(backup.ask(SetClusterState, { state: "STOPPING_BACKUP" }));
  await backup.untilState("RUNNING");
  assert.equal((await world.run(backup.ask(AskLastTransaction, {})))?.tid, end);
  await client.close();
  await backup.stop();
  await upstream.stop();
});
