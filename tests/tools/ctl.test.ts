/** The commands of `neo ctl` on an admin node that follows a scripted master. */

import assert from "node:assert/strict";
import { ErrorPacket, Ping } from "../../gen/packets.ts";
import type { AdminToMaster } from "../../gen/flows.ts";
import { startAdmin } from "../../nodes/admin/node.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { oid, tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import type { Address, NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { ack, Refusal } from "../../nodes/wire/refusal.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { ctl, CTL_HELP } from "../../tools/ctl/ctl.ts";
import { freePorts } from "../support/ports.ts";
import {
  S1,
  S2,
  type ScriptedCluster,
  ScriptedMaster,
  storage,
} from "../support/scripted_master.ts";

const host: NodeHost = createNodeHost({ log: { log: () => {} } });
const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };

/** What a command printed on each of its outputs, and its exit status. */
interface Result {
  readonly status: number;
  readonly out: string[];
  readonly error: string[];
}

async function runAt(admin: Address, command: string): Promise<Result> {
  const out: string[] = [];
  const error: string[] = [];
  const words = command.split(" ").filter((word) => word !== "");
  const status = await ctl(host, host.network(null), admin, words, {
    print: (line) => out.push(line),
    error: (line) => error.push(line),
  });
  return { status, out, error };
}

/** An admin that follows a scripted master, for the time of one test. */
class Cluster implements AsyncDisposable {
  private constructor(
    readonly master: ScriptedMaster,
    readonly admin: Awaited<ReturnType<typeof startAdmin>>,
  ) {}

  static async start(cluster: Partial<ScriptedCluster> = {}): Promise<Cluster> {
    const master = await ScriptedMaster.start(host, cluster);
    const admin = await startAdmin(host, {
      cluster: "test",
      masters: [master.address],
      bind: LOOPBACK,
      tls: null,
      dynamicMasterList: null,
      nid: null,
    });
    await master.followed();
    return new Cluster(master, admin);
  }

  run(command: string): Promise<Result> {
    return runAt(this.admin.address, command);
  }

  /** What a command prints when all goes well. */
  async prints(command: string): Promise<string> {
    const { status, out, error } = await this.run(command);
    assert.deepEqual({ status, error, lines: out.length }, { status: 0, error: [], lines: 1 });
    return out[0] ?? "";
  }

  async [Symbol.asyncDispose]() {
    await this.admin.stop();
    this.master[Symbol.dispose]();
  }
}

function printed(line: string): Result {
  return { status: 0, out: [line], error: [] };
}

function complained(line: string): Result {
  return { status: 1, out: [], error: [line] };
}

const SILENT: Result = { status: 0, out: [], error: [] };

Deno.test("print cluster, print primary", async () => {
  await using cluster = await Cluster.start({ state: "STOPPING_BACKUP" });
  assert.equal(await cluster.prints("print cluster"), "STOPPING_BACKUP");
  assert.equal(await cluster.prints("print primary"), "M1");
  assert.equal(await cluster.prints("print primary and more"), "M1");
});

Deno.test("print node", async () => {
  const client = nodeId("CLIENT", 1);
  await using cluster = await Cluster.start({
    nodes: [
      { ...storage(S1, 24_001), idTimestamp: 1795513849.81973 },
      { ...storage(nodeId("STORAGE", 12), 24_002), state: "PENDING", idTimestamp: 1795513895 },
      { ...storage(client, 1), type: "CLIENT", address: null, idTimestamp: 1795513929.999_999_9 },
      {
        type: "MASTER",
        address: { host: "::1", port: 24_240 },
        nid: null,
        state: "DOWN",
        idTimestamp: null,
      },
    ],
  });
  const port = cluster.admin.address.port;
  const primary = cluster.master.address.port;
  const expected = [
    `None | MASTER  | [::1]:24240     | DOWN    | None`,
    `A1   | ADMIN   | ${`127.0.0.1:${port}`.padEnd(15)} | RUNNING | 2019-03-11 17:56:40.250000`,
    `C1   | CLIENT  |                 | RUNNING | 2026-11-24 09:52:10`,
    `M1   | MASTER  | ${`127.0.0.1:${primary}`.padEnd(15)} | RUNNING | None`,
    `S1   | STORAGE | 127.0.0.1:24001 | RUNNING | 2026-11-24 09:50:49.819730`,
    `S12  | STORAGE | 127.0.0.1:24002 | PENDING | 2026-11-24 09:51:35`,
  ];
  assert.equal(await cluster.prints("print node"), expected.join("\n"));
  assert.equal(
    await cluster.prints("print node Storage"),
    [
      `S1  | STORAGE | 127.0.0.1:24001 | RUNNING | 2026-11-24 09:50:49.819730`,
      `S12 | STORAGE | 127.0.0.1:24002 | PENDING | 2026-11-24 09:51:35`,
    ].join("\n"),
  );
  cluster.master.notifyNodes([{ ...storage(client, 1), type: "CLIENT", state: "UNKNOWN" }]);
  await cluster.master.settled();
  assert.equal(await cluster.prints("print node client"), "Empty list!");
});

Deno.test("print pt", async () => {
  await using cluster = await Cluster.start({
    partitions: 3,
    rows: [
      { offset: 0, cells: [{ nid: S2, state: "UP_TO_DATE" }, { nid: S1, state: "OUT_OF_DATE" }] },
      { offset: 1, cells: [{ nid: S1, state: "FEEDING" }, { nid: S2, state: "CORRUPTED" }] },
    ],
  });
  const rows = [
    "000 | S2 - UP_TO_DATE | S1 - OUT_OF_DATE |",
    "001 | S1 - FEEDING | S2 - CORRUPTED |",
    "002 |",
  ];
  assert.equal(await cluster.prints("print pt"), rows.join("\n"));
  assert.equal(await cluster.prints("print pt 1"), rows.slice(1).join("\n"));
  assert.equal(await cluster.prints("print pt 1 2"), rows[1]);
  assert.equal(
    await cluster.prints("print pt 0 0 S1"),
    "000 | S1 - OUT_OF_DATE |\n001 | S1 - FEEDING |\n002 |",
  );
  assert.equal(await cluster.prints("print pt 9"), "");
  assert.deepEqual(
    await cluster.run("print pt 0 4"),
    complained("error: invalid partition table offset"),
  );
});

Deno.test("print ids, before and after there are some, and in backup mode", async () => {
  const handlers: Partial<AdminToMaster> = {
    askRecovery: () => ({ ptid: null, backupTid: null, truncateTid: null }),
  };
  await using cluster = await Cluster.start({ handlers });
  assert.equal(
    await cluster.prints("print ids"),
    "last_oid = 0x0\nlast_tid = 0x0 (1900-01-01 00:00:00.000000)\nlast_ptid = None",
  );
  await using used = await Cluster.start({
    handlers: {
      askRecovery: () => ({ ptid: 19, backupTid: null, truncateTid: null }),
      askLastIDs: () => ({ lastOid: oid(100n), lastTid: tid(0x40d3a702adb8c89n) }),
    },
  });
  assert.equal(
    await used.prints("print ids"),
    "last_oid = 0x64\nlast_tid = 0x40d3a702adb8c89 (2026-11-24 09:52:10.044753)\nlast_ptid = 19",
  );
  await using backup = await Cluster.start({
    handlers: {
      askRecovery: () => ({ ptid: 8, backupTid: tid(0x40d3a797e713d55n), truncateTid: null }),
      askLastTransaction: () => ({ tid: tid(0x40d3a702adb8c89n) }),
    },
  });
  assert.equal(
    await backup.prints("print ids"),
    "backup_tid = 0x40d3a797e713d55 (2026-11-24 10:01:29.634924)\n" +
      "last_tid = 0x40d3a702adb8c89 (2026-11-24 09:52:10.044753)\nlast_ptid = 8",
  );
});

Deno.test("orders reach the master, and its message is printed", async () => {
  await using cluster = await Cluster.start({ handlers: { repair: () => ack("as you like") } });
  const { received } = cluster.master;
  const order = async (command: string, result: Result, name: string, packet: unknown) => {
    received.length = 0;
    assert.deepEqual(await cluster.run(command), result, command);
    // Flushing is not answered: it may be on its way still.
    await cluster.master.settled();
    assert.deepEqual(received, [{ name, packet }], command);
  };
  const changed = printed("Cluster state changed");
  await order("start", changed, "SetClusterState", { state: "VERIFYING" });
  await order("set cluster stopping", changed, "SetClusterState", { state: "STOPPING" });
  await order("set cluster BACKINGUP", changed, "SetClusterState", { state: "BACKINGUP" });
  await order("add S2 S1", printed("No node added"), "AddPendingNodes", { nids: [S2, S1] });
  await order("add all", printed("No node added"), "AddPendingNodes", { nids: [S1, S2] });
  await order("add", printed("No node added"), "AddPendingNodes", { nids: [] });
  await order("tweak", printed(""), "TweakPartitionTable", { nids: [] });
  await order("tweak S2", printed(""), "TweakPartitionTable", { nids: [S2] });
  const state = printed("state changed");
  await order("kill S2", state, "SetNodeState", { nid: S2, state: "DOWN" });
  await order("kill M2", state, "SetNodeState", { nid: nodeId("MASTER", 2), state: "DOWN" });
  await order("drop S1", state, "SetNodeState", { nid: S1, state: "UNKNOWN" });
  await order("truncate 17", SILENT, "Truncate", { tid: 17n });
  await order("prune_orphan 1 S2", printed("as you like"), "Repair", { nids: [S2], dryRun: true });
  await order("prune_orphan 0 all", printed("as you like"), "Repair", {
    nids: [S1, S2],
    dryRun: false,
  });
  await order("flush_log", SILENT, "FlushLog", {});
});

Deno.test("check takes pairs of partition and reference, then tids", async () => {
  await using cluster = await Cluster.start();
  const { received } = cluster.master;
  const checked = async (command: string, ...expected: unknown[]) => {
    received.length = 0;
    assert.deepEqual(await cluster.run(command), SILENT, command);
    const [sources, minTid, maxTid] = expected;
    const packet = { sources: new Map(sources as []), minTid, maxTid };
    assert.deepEqual(received, [{ name: "CheckReplicas", packet }], command);
  };
  await checked("check", [], ZERO_TID, null);
  await checked("check :", [[0, null], [1, null]], ZERO_TID, null);
  await checked("check :S1 1:S2", [[0, S1], [1, S2]], ZERO_TID, null);
  await checked("check 7: 0x10", [[7, null]], 16n, null);
  await checked("check 0:S2 010 0b11", [[0, S2]], 8n, 3n);
});

Deno.test("tids are numbers in any notation, or times", async () => {
  await using cluster = await Cluster.start();
  const { received } = cluster.master;
  const values: [string, bigint][] = [
    ["257684787499560686", 257684787499560686n],
    ["0x3937af2eeeeeeee", 257684787499560686n],
    ["0X3937AF2EEEEEEEE", 257684787499560686n],
    ["1325421296.", 257684787499560686n],
    ["1325421296.123456", 0x3937af2ef75c7bbn],
    [".5", 0x23c2b0002222222n],
    ["1790000059.9999999", 0x40bcdd655555555n],
    ["0o17", 15n],
    ["017", 15n],
    ["0b101", 5n],
    ["0", 0n],
    ["0x7fffffffffffffff", 0x7fff_ffff_ffff_ffffn],
  ];
  for (const [text, value] of values) {
    received.length = 0;
    assert.deepEqual(await cluster.run(`truncate ${text}`), SILENT, text);
    assert.deepEqual(received, [{ name: "Truncate", packet: { tid: value } }], text);
  }
  for (const text of ["x", "-1", "0x", "08", "1.x", ".", "1e9", "0x8000000000000000", "1e300."]) {
    const { status, error } = await cluster.run(`truncate ${text}`);
    assert.equal(status, 1, text);
    assert.match(error.join("\n"), /^error: expected a tid such as .*, found "[^\n]*"$/, text);
  }
});

Deno.test("mistakes cost one line, and nobody is asked", async () => {
  // Nobody listens there: a command that asked something would say so.
  const [port = 0] = freePorts(1);
  const nobody: Address = { ...LOOPBACK, port };
  const mistakes: [string, string][] = [
    ["walk dog", "invalid command: walk dog"],
    ["print dog 1", "invalid command: print dog 1"],
    ["toString", "invalid command: toString"],
    ["print", "error: expected one of cluster, primary, node, pt, ids after print"],
    ["set", "error: expected one of cluster after set"],
    ["set cluster", "error: expected state after set cluster, found nothing"],
    ["print cluster now", "error: expected nothing after print cluster, found now"],
    ["start S1", "error: expected nothing after start, found S1"],
    ["kill S1 S2", "error: expected node after kill, found S1 S2"],
    ["drop S-1", 'error: expected a node such as S1 or M2, found "S-1"'],
    ["kill s1", 'error: expected a node such as S1 or M2, found "s1"'],
    ["tweak all", 'error: expected a node such as S1 or M2, found "all"'],
    ["add S1 all", 'error: expected a node such as S1 or M2, found "all"'],
    ["print pt -1", 'error: expected the number of a partition, found "-1"'],
    ["print pt 0 4294967296", 'error: expected the number of a partition, found "4294967296"'],
    ["print node dog", 'error: expected one of master, storage, client, admin, found "dog"'],
    ["prune_orphan 2 S1", 'error: expected 0 or 1, found "2"'],
    ["check 1: :", "error: expected the pair for all partitions before the others"],
    ["check 1:S1:S2", "error: expected [partition]:[reference], found 1:S1:S2"],
    ["check 1: 1 2 3", "error: expected two tids at most"],
  ];
  for (const [command, line] of mistakes) {
    assert.deepEqual(await runAt(nobody, command), complained(line), command);
  }
});

Deno.test("what the master refuses is an error of one line", async () => {
  await using cluster = await Cluster.start({
    handlers: {
      setClusterState: () => {
        throw new Refusal("PROTOCOL_ERROR", "Can not switch to this state", false);
      },
    },
  });
  assert.deepEqual(await cluster.run("start"), complained("error: Can not switch to this state"));
});

Deno.test("a cluster that can't be reached is told on standard output", async () => {
  const [port = 0, noMaster = 0] = freePorts(2);
  const nobody: Address = { ...LOOPBACK, port };
  assert.deepEqual(await runAt(nobody, "print cluster"), printed("ERROR: not connected"));
  assert.deepEqual(await runAt(nobody, "flush_log"), printed("ERROR: not connected"));
  const admin = await startAdmin(host, {
    cluster: "test",
    masters: [{ ...LOOPBACK, port: noMaster }],
    bind: LOOPBACK,
    tls: null,
    dynamicMasterList: null,
    nid: null,
  });
  const notReady = printed("ERROR: Not connected to a primary master.");
  assert.deepEqual(await runAt(admin.address, "print cluster"), notReady);
  assert.deepEqual(await runAt(admin.address, "check :"), notReady);
  assert.deepEqual(await runAt(admin.address, "flush_log"), SILENT);
  await admin.stop();
});

/** Runs a command on an admin that does `serve` with the first packet of its connection. */
async function runAtScript(
  command: string,
  serve: (connection: Connection) => void,
): Promise<Result> {
  const endpoint = new Endpoint({
    host,
    network: host.network(null),
    fatal: (error) => {
      throw error;
    },
  });
  const listener = await endpoint.listen(LOOPBACK, (connection) => {
    connection.start(() => {
      serve(connection);
      return true;
    });
  });
  try {
    return await runAt(listener.address, command);
  } finally {
    listener.close();
  }
}

Deno.test("an admin that hangs up, or that refuses under an id of its own", async () => {
  assert.deepEqual(
    await runAtScript("print cluster", (connection) => connection.abort()),
    printed("ERROR: Connection closed"),
  );
  const invalid = { code: 5, message: encodeText("invalid partition table offset") };
  assert.deepEqual(
    await runAtScript("print pt 0 9", (connection) => {
      // The ping has the id 0, so the error has 1, which is no request's.
      void connection.ask(Ping, {});
      connection.notify(ErrorPacket, invalid);
    }),
    complained("error: invalid partition table offset"),
  );
});

Deno.test("without a command, all commands are told", async () => {
  assert.deepEqual(await runAt(LOOPBACK, ""), printed(CTL_HELP));
  const commands = ["print", "ids", "pt", "node", "cluster", "primary", "set", "check", "start"];
  for (const name of [...commands, "add", "tweak", "drop", "kill", "prune_orphan", "truncate"]) {
    assert.match(CTL_HELP, new RegExp(`^ *${name}$`, "m"));
  }
  assert.match(CTL_HELP, /^flush_log$/m);
  assert.ok(CTL_HELP.startsWith("Available commands:\n"));
  assert.ok(CTL_HELP.split("\n").every((line) => line.length <= 200));
});
