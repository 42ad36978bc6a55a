/** The check of what databases hold at rest notices what nobody would otherwise look at. */

import assert from "node:assert/strict";
import { SimulatedCluster } from "./cluster.ts";
import { optionsOf } from "./runs/options.ts";
import { assertAtRest } from "./runs/rest.ts";
import { DATABASE } from "./stopped.ts";

const OPTIONS = optionsOf(1, {
  faults: "none",
  masters: 1,
  storages: 2,
  partitions: 1,
  replicas: 1,
});

for (
  const [what, change, message] of [
    // The digest and the length are as they were.
    ["data that were altered", "UPDATE data SET value = x'0304'", /differ on partition 0/],
    ["a revision that is missing", "DELETE FROM obj", /lacks 1 rows|it has 1 of its own/],
    ["another user", "UPDATE trans SET user = x'61'", /differ on partition 0/],
    ["orphaned data", "INSERT INTO data VALUES (99, x'05', 0, x'06')", /orphans of storage2/],
  ] as const
) {
  Deno.test(`what one replica alone has at rest is noticed: ${what}`, async () => {
    const cluster = await SimulatedCluster.start(OPTIONS);
    const client = await cluster.client("client1");
    await cluster.world.run(client.transact((tx) => tx.create(new Uint8Array([1, 2]))));
    await client.close();
    await cluster.stop();
    const { database } = cluster.world.host("storage2").openDatabase(DATABASE);
    database.exec(change);
    database.close();
    for (const name of cluster.names) await cluster.world.run(cluster.launch(name));
    await cluster.untilState("RUNNING");
    await cluster.untilComplete();
    await assert.rejects(assertAtRest(cluster, OPTIONS), { message });
  });
}
