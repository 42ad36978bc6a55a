/** Masters that come, go and come back, and what storages say of where they are. */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { addressOf, answerAsStorage, emptyRows, TestCluster } from "./support.ts";

const FOLLOWS = /is the primary master/;

Deno.test("masters that are heard of are kept in a file, and found by it the next time", async () => {
  const directory = await Deno.makeTempDir();
  const [listOfFirst, listOfSecond] = ["first", "second"].map((name) => `${directory}/${name}`);
  assert.ok(listOfFirst !== undefined && listOfSecond !== undefined);
  const kept = async (path: string) => {
    const list: unknown[] = JSON.parse(await Deno.readTextFile(path));
    return list.map(String).sort();
  };
  try {
    await using first = await TestCluster.start({ dynamicMasterList: listOfFirst });
    const { address } = first.master;
    {
      await using second = await TestCluster.start({
        masters: [address],
        dynamicMasterList: listOfSecond,
      });
      await second.log.says(FOLLOWS);
      const both = [address, second.master.address].map(({ host, port }) => `${host},${port}`);
      assert.deepEqual(await kept(listOfFirst), both.sort());
      assert.deepEqual(await kept(listOfSecond), both);
    }
    await using again = await TestCluster.start({ dynamicMasterList: listOfSecond });
    await again.log.says(FOLLOWS);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a master that comes back follows the one that took over", async () => {
  const first = await TestCluster.start();
  const { address } = first.master;
  await using second = await TestCluster.start({ masters: [address] });
  await second.log.says(FOLLOWS);
  await first[Symbol.asyncDispose]();
  await second.log.says(/plays the primary role as M2/);
  await using back = await TestCluster.start({ bind: address, masters: [second.master.address] });
  await back.log.says(FOLLOWS);
  const admin = await second.connect();
  const { nodes } = await admin.identify("ADMIN");
  const running = nodes.filter(({ type, state }) => type === "MASTER" && state === "RUNNING");
  assert.deepEqual(
    running.map((node) => node.address?.port).sort(),
    [address.port, second.master.address.port].sort(),
  );
});

Deno.test("copies are put on different machines, by what storages say of themselves", async () => {
  await using cluster = await TestCluster.start({ autostart: 4, partitions: 4, replicas: 1 });
  const admin = await cluster.admin();
  const machines = new Map<p.NodeInformation["nid"], string>();
  for (const [at, machine] of ["one", "one", "two", "two"].entries()) {
    const peer = await cluster.connect();
    answerAsStorage(peer, { rows: emptyRows(4) });
    const devpath = [machine, `disk ${at}`].map(encodeText);
    await peer.identify("STORAGE", { address: addressOf(at + 1), devpath });
    machines.set(peer.nid, machine);
  }
  let { rows } = await admin.skipTo(p.SendPartitionTable);
  // What a blank storage says comes first.
  while (rows[0]?.cells.length === 0) ({ rows } = await admin.skipTo(p.SendPartitionTable));
  assert.equal(rows.length, 4);
  for (const { cells } of rows) {
    assert.deepEqual(cells.map(({ nid }) => machines.get(nid)).sort(), ["one", "two"]);
  }
});
