/** What `neo ctl` makes of the words of a command: requests, or one line of complaint. */

import assert from "node:assert/strict";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { ack } from "../../nodes/wire/refusal.ts";
import {
  complained,
  ControlledCluster,
  printed,
  type Result,
  runAt,
  SILENT,
} from "../support/controlled_cluster.ts";
import { freeAddress } from "../support/running_admin.ts";
import { S1, S2 } from "../support/scripted_master.ts";

Deno.test("orders reach the master, and its message is printed", async () => {
  await using cluster = await ControlledCluster.start({
    handlers: { repair: () => ack("as you like") },
  });
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
  await using cluster = await ControlledCluster.start();
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
  await using cluster = await ControlledCluster.start();
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
  const nobody = freeAddress();
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
