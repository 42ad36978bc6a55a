import assert from "node:assert/strict";
import type { NodeInformation } from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { NodeTable } from "../../nodes/cluster/node_table.ts";

const S1 = nodeId("STORAGE", 1);
const C1 = nodeId("CLIENT", 1);
const M1 = nodeId("MASTER", 1);

function storage(changes: Partial<NodeInformation> = {}): NodeInformation {
  return {
    type: "STORAGE",
    address: { host: "127.0.0.1", port: 1 },
    nid: S1,
    state: "RUNNING",
    idTimestamp: 1.5,
    ...changes,
  };
}

Deno.test("a node stays one object while it is known", () => {
  const table = new NodeTable();
  const node = table.update(storage());
  assert.equal(table.get(S1), node);
  assert.equal(table.isRunning(S1), true);
  const again = table.update(storage({ state: "DOWN", address: null, idTimestamp: 2 }));
  assert.equal(again, node);
  assert.deepEqual(node, { ...storage(), state: "DOWN", address: null, idTimestamp: 2 });
  assert.equal(table.isRunning(S1), false);
});

Deno.test("UNKNOWN removes a node, and tells those who hold it", () => {
  const table = new NodeTable();
  const node = table.update(storage());
  assert.equal(table.update(storage({ state: "UNKNOWN" })), node);
  assert.equal(node?.state, "UNKNOWN");
  assert.equal(table.get(S1), undefined);
  assert.equal(table.isRunning(S1), false);
  assert.equal(table.update(storage({ state: "UNKNOWN" })), null);
  assert.notEqual(table.update(storage()), node);
});

Deno.test("an id that another type of node has got is another node", () => {
  const table = new NodeTable();
  const before = table.update(storage());
  const after = table.update(storage({ type: "ADMIN" }));
  assert.notEqual(after, before);
  assert.equal(table.get(S1), after);
});

Deno.test("nodes are listed by type", () => {
  const table = new NodeTable();
  table.update(storage());
  table.update(storage({ type: "CLIENT", nid: C1, address: null }));
  assert.deepEqual(table.list().map(({ nid }) => nid), [S1, C1]);
  assert.deepEqual(table.list("CLIENT").map(({ nid }) => nid), [C1]);
  assert.deepEqual(table.list("ADMIN"), []);
});

Deno.test("a master without an id is known by its address, until it has one or is gone", () => {
  const table = new NodeTable();
  const master = storage({ type: "MASTER", nid: null, state: "DOWN", idTimestamp: null });
  assert.equal(table.update(master), null);
  assert.deepEqual(table.unidentifiedMasters(), [master]);
  assert.deepEqual(table.list(), []);
  table.update({ ...master, nid: M1, state: "RUNNING" });
  assert.deepEqual(table.unidentifiedMasters(), []);
  assert.equal(table.isRunning(M1), true);
  table.update({ ...master, address: { host: "::1", port: 2 } });
  assert.equal(table.unidentifiedMasters().length, 1);
  table.update({ ...master, address: { host: "::1", port: 2 }, state: "UNKNOWN" });
  assert.deepEqual(table.unidentifiedMasters(), []);
  // Nobody but masters is known by its address.
  table.update(storage({ nid: null }));
  assert.deepEqual(table.unidentifiedMasters(), []);
});

Deno.test("nodes that are not wanted any more are forgotten", () => {
  const table = new NodeTable();
  table.update(storage());
  const client = table.update(storage({ type: "CLIENT", nid: C1 }));
  assert.deepEqual(table.retain(({ type }) => type === "STORAGE"), [client]);
  assert.deepEqual(table.list().map(({ nid }) => nid), [S1]);
  table.clear();
  assert.deepEqual(table.list(), []);
});
