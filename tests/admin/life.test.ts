/** How an admin node finds masters, loses them, and ends. */

import assert from "node:assert/strict";
import {
  AskClusterState,
  AskNodeList,
  AskPartitionList,
  AskPrimary,
  AskRecovery,
  FlushLog,
  RequestIdentification,
  SetClusterState,
} from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { ConnectionClosedError, NetworkError } from "../../nodes/errors.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { closed, refused } from "../support/control.ts";
import { freeAddress, host, RunningAdmin } from "../support/running_admin.ts";
import { A1, IDENTIFIED, M1, ScriptedMaster } from "../support/scripted_master.ts";

const NOT_CONNECTED = refused("NOT_READY", "Not connected to a primary master.");

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
