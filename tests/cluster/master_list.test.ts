import assert from "node:assert/strict";
import type { Address } from "../../nodes/host/host.ts";
import { MasterList, MAX_MASTERS } from "../../nodes/cluster/master_list.ts";

const address = (port: number): Address => ({ host: "127.0.0.1", port });

Deno.test("masters are tried round and round", () => {
  const list = new MasterList([address(1), address(2), address(3)]);
  assert.deepEqual(list.after(null), address(1));
  assert.deepEqual(list.after(address(1)), address(2));
  assert.deepEqual(list.after(address(3)), address(1));
  // One that is not known any more.
  assert.deepEqual(list.after(address(9)), address(1));
  assert.equal(new MasterList([]).after(null), undefined);
});

Deno.test("a master is known once", () => {
  const list = new MasterList([address(1), address(1)]);
  list.add({ ...address(1) });
  assert.deepEqual(list.addresses, [address(1)]);
});

Deno.test("changes of the list are told, and only those", () => {
  const list = new MasterList([address(1)]);
  const told: (readonly Address[])[] = [];
  list.onChange((masters) => told.push(masters));
  list.add(address(1));
  list.remove(address(2));
  assert.deepEqual(told, []);
  list.add(address(2));
  list.remove(address(1));
  assert.deepEqual(told, [[address(1), address(2)], [address(2)]]);
});

Deno.test("a peer can't fill a node's memory with masters", () => {
  const list = new MasterList([]);
  for (let port = 1; port <= MAX_MASTERS; port++) list.add(address(port));
  assert.equal(list.addresses.length, MAX_MASTERS);
  list.add(address(MAX_MASTERS + 1));
  assert.equal(list.addresses.length, MAX_MASTERS);
  assert.deepEqual(list.after(address(MAX_MASTERS)), address(1));
});
