/** What an admin node tells of the cluster: what its master told, or what it asks the master. */

import assert from "node:assert/strict";
import {
  AskClusterState,
  AskLastIDs,
  AskLastTransaction,
  AskNodeList,
  AskPartitionList,
  AskPrimary,
  AskRecovery,
  type ErrorPacket,
  FlushLog,
  SetNodeState,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { oid, tid } from "../../nodes/codec/ids.ts";
import { ack, Refusal } from "../../nodes/wire/refusal.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { refused } from "../support/control.ts";
import { host, RunningAdmin } from "../support/running_admin.ts";
import { A1, M1, S1, S2, ScriptedMaster, storage } from "../support/scripted_master.ts";

Deno.test("the node list is what the master told, and what it told since", async () => {
  using master = await ScriptedMaster.start(host, {
    nodes: [
      storage(S1, 24_001),
      { ...storage(null, 24_009), type: "MASTER", state: "DOWN", idTimestamp: null },
    ],
  });
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  const self = { ...storage(A1, admin.node.address.port), type: "ADMIN" as const };
  const primary = {
    ...storage(M1, master.address.port),
    type: "MASTER" as const,
    idTimestamp: null,
  };
  const other = {
    ...storage(null, 24_009),
    type: "MASTER" as const,
    state: "DOWN" as const,
    idTimestamp: null,
  };
  assert.deepEqual(await control.ask(AskNodeList, { nodeType: null }), {
    nodes: [other, self, primary, storage(S1, 24_001)],
  });
  assert.deepEqual(await control.ask(AskNodeList, { nodeType: "MASTER" }), {
    nodes: [other, primary],
  });
  const down = { ...storage(S1, 24_001), state: "DOWN" as const };
  master.notifyNodes([down, storage(S2, 24_002)]);
  await master.settled();
  assert.deepEqual(await control.ask(AskNodeList, { nodeType: "STORAGE" }), {
    nodes: [down, storage(S2, 24_002)],
  });
  master.notifyNodes([{ ...down, state: "UNKNOWN" }]);
  await master.settled();
  assert.deepEqual(await control.ask(AskNodeList, { nodeType: "STORAGE" }), {
    nodes: [storage(S2, 24_002)],
  });
  assert.deepEqual(await control.ask(AskPrimary, {}), { nid: M1 });
  control.close();
});

Deno.test("the partition table follows its changes, and is listed in parts", async () => {
  using master = await ScriptedMaster.start(host);
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  master.notifyChanges(8, [
    { offset: 0, nid: S2, state: "OUT_OF_DATE" },
    { offset: 1, nid: S1, state: "DISCARDED" },
  ]);
  await master.settled();
  const first = {
    offset: 0,
    cells: [{ nid: S1, state: "UP_TO_DATE" }, { nid: S2, state: "OUT_OF_DATE" }],
  };
  const second = { offset: 1, cells: [{ nid: S2, state: "UP_TO_DATE" }] };
  const list = (minOffset: number, maxOffset: number, nid: typeof S1 | null = null) =>
    control.ask(AskPartitionList, { minOffset, maxOffset, nid });
  assert.deepEqual(await list(0, 0), { ptid: 8, rows: [first, second] });
  assert.deepEqual(await list(1, 2), { ptid: 8, rows: [second] });
  assert.deepEqual(await list(0, 0, S1), {
    ptid: 8,
    rows: [{ offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }] }, { offset: 1, cells: [] }],
  });
  assert.deepEqual(await list(2, 1), { ptid: 8, rows: [] });
  assert.deepEqual(await list(9, 0), { ptid: 8, rows: [] });
  const invalid = refused("PROTOCOL_ERROR", "invalid partition table offset");
  await assert.rejects(list(0, 3), invalid);
  await assert.rejects(list(2, 0xffff_ffff), invalid);
  // The refusal did not cost the connection.
  assert.deepEqual(await list(1, 2), { ptid: 8, rows: [second] });
  control.close();
});

Deno.test("the cluster's state is what the master said last", async () => {
  using master = await ScriptedMaster.start(host, { state: "RECOVERING" });
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  assert.deepEqual(await control.ask(AskClusterState, {}), { state: "RECOVERING" });
  master.notifyState("VERIFYING");
  await master.settled();
  assert.deepEqual(await control.ask(AskClusterState, {}), { state: "VERIFYING" });
  control.close();
});

Deno.test("what it does not know it asks the master, and passes on as it is", async () => {
  const answers: ErrorPacket[] = [ack("Nodes added: é"), ack("")];
  using master = await ScriptedMaster.start(host, {
    handlers: {
      askLastIDs: () => ({ lastOid: oid(5n), lastTid: tid(6n) }),
      askLastTransaction: () => ({ tid: tid(7n) }),
      askRecovery: () => ({ ptid: 8, backupTid: tid(9n), truncateTid: null }),
      tweakPartitionTable: () => answers.shift() ?? ack("?"),
      setNodeState: () => {
        throw new Refusal("PROTOCOL_ERROR", "unknown node", false);
      },
    },
  });
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  assert.deepEqual(await control.ask(AskLastIDs, {}), { lastOid: 5n, lastTid: 6n });
  assert.deepEqual(await control.ask(AskLastTransaction, {}), { tid: 7n });
  assert.deepEqual(await control.ask(AskRecovery, {}), {
    ptid: 8,
    backupTid: 9n,
    truncateTid: null,
  });
  const order = { nids: [S1, nodeId("STORAGE", 9)] };
  const done = await control.ask(TweakPartitionTable, order);
  assert.equal(decodeText(done.message), "Nodes added: é");
  assert.equal(decodeText((await control.ask(TweakPartitionTable, order)).message), "");
  await assert.rejects(
    control.ask(SetNodeState, { nid: S2, state: "DOWN" }),
    refused("PROTOCOL_ERROR", "unknown node"),
  );
  control.notify(FlushLog, {});
  await control.ask(AskRecovery, {});
  assert.deepEqual(master.received.slice(2).map(({ name }) => name), [
    "AskLastIDs",
    "AskLastTransaction",
    "AskRecovery",
    "TweakPartitionTable",
    "TweakPartitionTable",
    "SetNodeState",
    "FlushLog",
    "AskRecovery",
  ]);
  assert.deepEqual(master.received[5]?.packet, order);
  control.close();
});
