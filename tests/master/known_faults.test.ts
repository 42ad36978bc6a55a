/**
 * What ends a master of NEO 1.11, or makes one useless: ours refuses it, or takes no notice, and
 * goes on with all who were there.
 */
import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { nid } from "../../nodes/codec/ids.ts";
import { tidFromTime } from "../../nodes/cluster/tid_time.ts";
import { NeoError } from "../../nodes/errors.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import {
  addressOf,
  emptyRows,
  type Peer,
  type RunningCluster,
  runningCluster,
  tidOf,
} from "./support.ts";

/** The cluster, and who else is there. */
interface Scene extends RunningCluster {
  readonly storage: Peer;
  readonly client: Peer;
}

/** Does it; may reject with what the master answers. */
type Fault = (scene: Scene) => unknown;

const EARLY = tidFromTime(Date.UTC(2012, 0, 1));
const LATER = tidFromTime(Date.UTC(2012, 0, 2));

const FAULTS: Readonly<Record<string, Fault>> = {
  "an answer that nobody asked for, before anything else": async ({ cluster }) => {
    const stranger = await cluster.connect();
    stranger.notify(p.AnswerLastTransaction, { tid: tidOf(1) });
    await stranger.closed();
  },
  "an error of a code that does not exist": ({ storage }) =>
    storage.notify(p.ErrorPacket, { code: 12, message: encodeText("?") }),
  "that a node is not ready, which nobody asked": ({ client }) =>
    client.notify(p.ErrorPacket, { code: 1, message: encodeText("later") }),
  "no new oids": ({ client }) => client.ask(p.AskNewOIDs, { count: 0 }),
  "two transactions that bring their tids": async ({ client }) => {
    await client.ask(p.AskBeginTransaction, { tid: EARLY });
    await client.ask(p.AskBeginTransaction, { tid: LATER });
    for (const ttid of [LATER, EARLY]) {
      const finish = { ttid, oids: [], checkedOids: [] };
      await client.ask(p.AskFinishTransaction, finish).catch(() => {});
    }
  },
  "a transaction that brings a tid of the past": async ({ client }) => {
    const { ttid } = await client.ask(p.AskBeginTransaction, { tid: null });
    await client.ask(p.AskFinishTransaction, { ttid, oids: [], checkedOids: [] });
    await client.ask(p.AskBeginTransaction, { tid: EARLY });
  },
  "an order to check a partition that does not exist": ({ admin }) =>
    admin.ask(p.CheckReplicas, {
      ...{ sources: new Map([[4, null]]), minTid: tidOf(0), maxTid: null },
    }),
  "an order to check with a storage that does not exist": ({ admin }) =>
    admin.ask(p.CheckReplicas, {
      ...{ sources: new Map([[0, nid(77)]]), minTid: tidOf(0), maxTid: null },
    }),
  "an order to a node of no type": ({ admin }) =>
    admin.ask(p.SetNodeState, { nid: nid(-1), state: "DOWN" }),
  "an order to become the backup of nobody": ({ admin }) =>
    admin.ask(p.SetClusterState, { state: "STARTING_BACKUP" }),
  "an order to be a backup no more": ({ admin }) =>
    admin.ask(p.SetClusterState, { state: "STOPPING_BACKUP" }),
  "an order to leave no storage": ({ admin, storages }) =>
    admin.ask(p.TweakPartitionTable, { nids: storages.map((storage) => storage.nid) }),
  "a storage that is ready twice": ({ storage }) => storage.notify(p.NotifyReady, {}),
  "a cell that is replicated, and was complete": ({ storage }) =>
    storage.notify(p.NotifyReplicationDone, { offset: 0, tid: tidOf(1) }),
  "a storage that can't pack": async ({ storages, client }) => {
    for (const storage of storages) await storage.drain();
    const packed = client.ask(p.AskPack, { tid: tidOf(9) });
    for (const storage of storages) {
      const { refuse } = await storage.takeRequest(p.AskPack);
      refuse({ code: p.ErrorCode.BACKEND_NOT_IMPLEMENTED, message: encodeText("no pack") });
    }
    assert.deepEqual(await packed, { status: true });
  },
  "the loss of a storage that came during a pack": async ({ cluster, storages, client, admin }) => {
    for (const storage of storages) await storage.drain();
    const packed = client.ask(p.AskPack, { tid: tidOf(9) });
    const asked = await Promise.all(storages.map((each) => each.takeRequest(p.AskPack)));
    const third = await cluster.storage(3, { nid: null, rows: emptyRows(4) });
    await admin.ask(p.AddPendingNodes, { nids: [third.nid] });
    third.notify(p.NotifyReady, {});
    await third.drain();
    third.close();
    for (const { answer } of asked) answer({ status: true });
    assert.deepEqual(await packed, { status: true });
  },
  "a secondary master that says who is the primary": async ({ cluster }) => {
    const other = await cluster.node("MASTER", { address: addressOf(9) });
    other.notify(p.NotPrimaryMaster, { primary: 0, masters: [addressOf(9)] });
    await other.closed();
  },
};

for (const [name, fault] of Object.entries(FAULTS)) {
  Deno.test(`a master gets to see: ${name}`, async () => {
    await using running = await runningCluster(2);
    const { cluster, storages: [storage, second] } = running;
    assert.ok(storage && second);
    for (const each of [storage, second]) {
      each.answer(p.AskLockInformation, ({ ttid }) => ({ ttid }));
    }
    const client = await cluster.client();
    const scene: Scene = { ...running, storage, client };
    await (async () => await fault(scene))()
      .catch((error) => assert.ok(error instanceof NeoError, String(error)));
    for (const peer of [running.admin, client, storage, second]) {
      await peer.ask(p.Ping, {});
    }
    assert.deepEqual(await running.admin.ask(p.AskClusterState, {}), { state: "RUNNING" });
    await cluster.client();
    const defects = cluster.log.lines.filter((line) => line.includes("while handling"));
    assert.deepEqual(defects, []);
  });
}
