/** A conflict of which a storage tells only when the transaction votes. */

import assert from "node:assert/strict";
import { ConflictError, connect, type Oid, type Tid } from "../../mod.ts";
import { voteConflictText } from "../../nodes/cluster/vote_conflict.ts";
import { ClientService } from "../../nodes/storage/clients/client_service.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { replace } from "../sim/mutants/plant.ts";
import { withCluster } from "../support/in_process.ts";
import { change, create, latest } from "./support.ts";
import { bytes } from "./texts.ts";

/** Has the next vote refused because of a conflict. */
function refuseVote(conflict: { readonly oid: Oid; readonly committed: Tid }): Disposable {
  let isRefused = false;
  const restore = replace(ClientService, "askStoreTransaction", ({ args, proceed }) => {
    if (isRefused) return proceed(...args);
    isRefused = true;
    const [{ ttid }] = args;
    throw new Refusal("PROTOCOL_ERROR", voteConflictText(ttid, conflict), false);
  });
  return { [Symbol.dispose]: restore };
}

Deno.test("a conflict that a storage finds at the vote is one like any other", async () => {
  await withCluster({ storages: 1, replicas: 0 }, async (cluster) => {
    await using client = await connect(cluster.url);
    const oid = await create(client, "one");
    const { serial: base } = await client.load(oid);
    const committed = await change(client, oid, "two");
    {
      using _ = refuseVote({ oid, committed });
      await using tx = await client.begin();
      await tx.store(oid, { data: bytes("three"), serial: committed });
      await assert.rejects(tx.vote(), (error) => {
        assert.ok(error instanceof ConflictError);
        assert.deepEqual([error.oid, error.base, error.committed], [oid, committed, committed]);
        return true;
      });
    }
    {
      using _ = refuseVote({ oid, committed: base });
      let attempts = 0;
      await client.transact((tx) => {
        attempts++;
        tx.store(oid, bytes("four"));
      });
      assert.equal(attempts, 2);
    }
    assert.equal(await latest(client, oid), "four");
  });
});
