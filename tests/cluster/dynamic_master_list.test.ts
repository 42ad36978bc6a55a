import assert from "node:assert/strict";
import { openDynamicMasterList } from "../../nodes/cluster/dynamic_master_list.ts";
import { MasterList } from "../../nodes/cluster/master_list.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { SimulatedWorld } from "../sim/world.ts";

const PATH = "/masters.json";
const address = (port: number) => ({ host: "127.0.0.1", port });

Deno.test("a file that does not exist is created, and follows the list", () => {
  const host = new SimulatedWorld(1).host("a");
  const masters = new MasterList([address(1)]);
  openDynamicMasterList(host, PATH, masters);
  assert.equal(host.readTextFile(PATH), "[]");
  masters.add({ host: "::1", port: 2 });
  assert.equal(host.readTextFile(PATH), `[["127.0.0.1",1],["::1",2]]`);
  masters.remove(address(1));
  assert.equal(host.readTextFile(PATH), `[["::1",2]]`);
});

Deno.test("masters of the file are added to those that are known", () => {
  const host = new SimulatedWorld(1).host("a");
  host.writeTextFile(PATH, `[["::1", 2], ["127.0.0.1", 1]]`);
  const masters = new MasterList([address(1)]);
  openDynamicMasterList(host, PATH, masters);
  assert.deepEqual(masters.addresses, [address(1), { host: "::1", port: 2 }]);
});

Deno.test("a file that is no such list is refused, and not written over", () => {
  for (
    const text of [
      "",
      "{}",
      "[1]",
      "[[]]",
      `[["a"]]`,
      `[["a","1"]]`,
      `[["",1]]`,
      `[["a",65536]]`,
      `[["a",1,2]]`,
    ]
  ) {
    const host = new SimulatedWorld(1).host("a");
    host.writeTextFile(PATH, text);
    assert.throws(
      () => openDynamicMasterList(host, PATH, new MasterList([])),
      (error: Error) => error instanceof ConfigurationError && error.message.includes(PATH),
      text,
    );
    assert.equal(host.readTextFile(PATH), text);
  }
});

Deno.test("a list that can't be saved is only logged", () => {
  const world = new SimulatedWorld(1);
  const host = world.host("a");
  const masters = new MasterList([]);
  openDynamicMasterList(host, PATH, masters);
  host.writeTextFile = () => {
    throw new ConfigurationError("the disk is full");
  };
  masters.add(address(1));
  assert.deepEqual(masters.addresses, [address(1)]);
  assert.match(world.eventLog.join(), /ERROR masters: .*the disk is full$/);
});
