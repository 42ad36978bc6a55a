/** Faults that runs have found, each in the smallest scene that shows it. */

import assert from "node:assert/strict";
import { StorageLostError } from "../../nodes/client/errors.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { ClientService } from "../../nodes/storage/clients/client_service.ts";
import { SimulatedCluster } from "./cluster.ts";
import { replace } from "./mutants/plant.ts";

Deno.test("a write that no storage has locked is not committed", async () => {
  // So it is when the partition moves, and a slow store finds it gone from where it still was for
  // the client, while the new storage has dropped the same store since it was in conflict.
  const cluster = await SimulatedCluster.start({
    seed: 1,
    storages: 1,
    partitions: 1,
    replicas: 0,
  });
  const client = await cluster.client("client1");
  const put = replace(ClientService, "askStoreObject", () => ({ conflict: ZERO_TID }));
  try {
    await cluster.world.run((async () => {
      await using tx = await client.begin();
      await tx.store(await client.newOid(), { data: new Uint8Array([1]) });
      await assert.rejects(tx.vote(), (error) => {
        assert.ok(error instanceof StorageLostError);
        assert.match(error.message, /expected a storage that has locked it, found none/);
        return true;
      });
    })());
  } finally {
    put();
  }
  await client.close();
  await cluster.stop();
});
