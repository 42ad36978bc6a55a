/** What nodes tell people of what they know. */

import assert from "node:assert/strict";
import type { CellState } from "../../gen/packets.ts";
import { nodeLines, tableLines } from "../../nodes/cluster/state_text.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";

const S1 = nodeId("STORAGE", 1);
const S2 = nodeId("STORAGE", 2);
const S3 = nodeId("STORAGE", 3);

const NODES = [
  { nid: S2, type: "STORAGE", address: { host: "::1", port: 2 }, state: "DOWN" },
  { nid: nodeId("MASTER", 1), type: "MASTER", address: null, state: "RUNNING" },
  { nid: S1, type: "STORAGE", address: { host: "127.0.0.1", port: 1 }, state: "RUNNING" },
] as const;

Deno.test("nodes are told by their ids", () => {
  assert.deepEqual(nodeLines(NODES), [
    " * M1 | MASTER |  | RUNNING",
    " * S1 | STORAGE | 127.0.0.1:1 | RUNNING",
    " * S2 | STORAGE | [::1]:2 | DOWN",
  ]);
});

Deno.test("each node with cells has a line of them, also one that nobody knows", () => {
  const cell = (nid: typeof S1, state: CellState) => ({ nid, state });
  const rows = [
    { offset: 0, cells: [cell(S1, "UP_TO_DATE"), cell(S2, "OUT_OF_DATE")] },
    { offset: 1, cells: [cell(S2, "FEEDING")] },
    { offset: 2, cells: [cell(S3, "CORRUPTED"), cell(S1, "DISCARDED")] },
  ];
  assert.deepEqual(tableLines(rows, NODES), ["pt: S1 R U..", "pt: S2 D OF.", "pt: S3 ? ..C"]);
  assert.deepEqual(tableLines([], NODES), []);
});
