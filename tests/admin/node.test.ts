/** The admin node on the real host, with a master that does what the test says. */

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
  RequestIdentification,
  SetClusterState,
  SetNodeState,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import { startAdmin } from "../../nodes/admin/node.ts";
import type { NodeOptions, RunningNode } from "../../nodes/cluster/node.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { oid, tid } from "../../nodes/codec/ids.ts";
import { ConnectionClosedError, NetworkError } from "../../nodes/errors.ts";
import type { Address, NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { ack, Refusal } from "../../nodes/wire/refusal.ts";
import { decodeText, encodeText } from "../../nodes/wire/text.ts";
import { closed, connectControl, refused } from "../support/control.ts";
import { freePorts } from "../support/ports.ts";
import { A1, IDENTIFIED, M1, S1, S2, ScriptedMaster, storage } from "../support/scripted_master.ts";

const host: NodeHost = createNodeHost({ log: { log: () => {} } });
const NOT_CONNECTED = refused("NOT_READY", "Not connected to a primary master.");

/** A free address, where nobody listens yet. */
function freeAddress(): Address {
  const [port = 0] = freePorts(1);
  return { host: "127.0.0.1", port };
}

/** An admin that ends with its test. */
class RunningAdmin implements AsyncDisposable {
  private constructor(readonly node: RunningNode) {}

  static async start(
    masters: readonly Address[],
    options: Partial<NodeOptions> = {},
  ): Promise<RunningAdmin> {
    return new RunningAdmin(
      await startAdmin(host, {
        cluster: "test",
        masters,
        bind: { host: "127.0.0.1", port: 0 },
        tls: null,
        dynamicMasterList: null,
        nid: null,
        ...options,
      }),
    );
  }

  connect() {
    return connectControl(host, this.node.address);
  }

  async [Symbol.asyncDispose]() {
    await this.node.stop();
  }
}

Deno.test("nothing is answered without a master", async () => {
  await using admin = await RunningAdmin.start([freeAddress()]);
  const asks = [
    (control: Connection) => control.ask(AskClusterState, {}),
    (control: Connection) => control.ask(AskPrimary, {}),
    (control: Connection) => control.ask(AskRecovery, {}),
  ];
  for (const ask of asks) {
    const control = await admin.connect();
    await assert.rejects(ask(control), NOT_CONNECTED);
    await closed(control);
  }
  const control = await admin.connect();
  control.notify(FlushLog, {});
  await closed(control);
});

Deno.test("it says who it is, and is identified under the id that it is given", async () => {
  using master = await ScriptedMaster.start(host);
  const asked = nodeId("ADMIN", 5);
  await using admin = await RunningAdmin.start([master.address], { nid: asked });
  await master.followed();
  assert.deepEqual(master.requests, [{
    nodeType: "ADMIN",
    nid: asked,
    address: admin.node.address,
    cluster: encodeText("test"),
    devpath: [],
    idTimestamp: null,
  }]);
});

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

Deno.test("a master that refuses and hangs up is found again", async () => {
  using master = await ScriptedMaster.start(host, {
    handlers: {
      setClusterState: () => {
        throw new Refusal("PROTOCOL_ERROR", "Can not switch to this state");
      },
    },
  });
  await using admin = await RunningAdmin.start([master.address], { nid: A1 });
  await master.followed();
  const control = await admin.connect();
  await assert.rejects(
    control.ask(SetClusterState, { state: "VERIFYING" }),
    refused("PROTOCOL_ERROR", "Can not switch to this state"),
  );
  await master.followed();
  assert.deepEqual(await control.ask(AskClusterState, {}), { state: "RUNNING" });
  // The id of the options is for the first time; later any will do.
  assert.deepEqual(master.requests.map(({ nid }) => nid), [A1, null]);
  control.close();
});

Deno.test("who waits for a master that dies is told, and a new cluster is served as it is", async () => {
  const address = freeAddress();
  const master = await ScriptedMaster.start(host, {
    handlers: { setClusterState: () => new Promise<never>(() => {}) },
  }, address);
  await using admin = await RunningAdmin.start([address]);
  await master.followed();
  const waiting = await admin.connect();
  const asked = new Promise<void>((resolve) => {
    master.onRequest = (name) => name === "SetClusterState" && resolve();
  });
  const answer = waiting.ask(SetClusterState, { state: "STOPPING_BACKUP" });
  await asked;
  master[Symbol.dispose]();
  await assert.rejects(answer, refused("PROTOCOL_ERROR", "connection to master lost"));
  await assert.rejects(waiting.ask(AskClusterState, {}), NOT_CONNECTED);
  using next = await ScriptedMaster.start(host, {
    partitions: 1,
    replicas: 3,
    ptid: null,
    rows: [],
    nodes: [],
    state: "RECOVERING",
  }, address);
  await next.followed();
  const control = await admin.connect();
  assert.deepEqual(await control.ask(AskPartitionList, { minOffset: 0, maxOffset: 0, nid: null }), {
    ptid: null,
    rows: [{ offset: 0, cells: [] }],
  });
  assert.deepEqual(await control.ask(AskNodeList, { nodeType: "STORAGE" }), { nodes: [] });
  control.close();
});

Deno.test("a secondary master leads to the primary, which is remembered in the file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/masters`;
    using master = await ScriptedMaster.start(host);
    using secondary = await ScriptedMaster.startSecondary(host, master.address);
    await using admin = await RunningAdmin.start([secondary.address], { dynamicMasterList: path });
    await master.followed();
    const control = await admin.connect();
    assert.deepEqual(await control.ask(AskPrimary, {}), { nid: M1 });
    assert.equal(secondary.requests.length, 1);
    assert.deepEqual(
      JSON.parse(await Deno.readTextFile(path)),
      [secondary.address, master.address].map(({ host, port }) => [host, port]),
    );
    control.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a neoctl that identifies itself, or sends what is not for admins, is dropped", async () => {
  using master = await ScriptedMaster.start(host);
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  await assert.rejects(
    control.ask(RequestIdentification, {
      nodeType: "CLIENT",
      nid: null,
      address: null,
      cluster: encodeText("test"),
      devpath: [],
      idTimestamp: IDENTIFIED,
    }),
    refused("PROTOCOL_ERROR", "unexpected packet: RequestIdentification"),
  );
  await closed(control);
});

Deno.test("it ends with the cluster, once pending orders have got their answer", async () => {
  using master = await ScriptedMaster.start(host, {
    handlers: { setClusterState: () => new Promise<never>(() => {}) },
  });
  await using admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const control = await admin.connect();
  const asked = new Promise<void>((resolve) => {
    master.onRequest = (name) => name === "SetClusterState" && resolve();
  });
  const answer = control.ask(SetClusterState, { state: "STOPPING" });
  await asked;
  master.notifyState("STOPPING");
  await master.settled();
  assert.deepEqual(await control.ask(AskClusterState, {}), { state: "STOPPING" });
  master.dropConnections();
  await assert.rejects(answer, refused("PROTOCOL_ERROR", "connection to master lost"));
  await admin.node.ended;
  await closed(control);
  await assert.rejects(admin.connect(), NetworkError);
});

Deno.test("it stops when it is told to, with or without a master", async () => {
  using master = await ScriptedMaster.start(host);
  const admin = await RunningAdmin.start([master.address]);
  await master.followed();
  const connection = await master.admin();
  const control = await admin.connect();
  await control.ask(AskClusterState, {});
  await admin.node.stop();
  await Promise.all([closed(connection), closed(control)]);
  await assert.rejects(control.ask(AskClusterState, {}), ConnectionClosedError);
  const lonely = await RunningAdmin.start([freeAddress()]);
  await lonely.node.stop();
  await lonely.node.ended;
});

Deno.test("an address that is taken can't be listened on", async () => {
  using master = await ScriptedMaster.start(host);
  await assert.rejects(RunningAdmin.start([], { bind: master.address }), NetworkError);
});
