/** Each call that waits is ended by a signal, and a deadline is an error of its own. */

import assert from "node:assert/strict";
import {
  type CallOptions,
  type Client,
  connect,
  DeadlineError,
  type Oid,
  UnknownOutcomeError,
} from "../../mod.ts";
import { withCluster } from "../support/in_process.ts";
import { create, openFaulty } from "./support.ts";
import { bytes } from "./texts.ts";

type Call = (options: CallOptions) => Promise<unknown>;

/** All calls of a client that wait, by name; none finds what it needs in the cache. */
function callsOf(client: Client, oid: Oid): Record<string, Call> {
  const { lastTid } = client;
  const view = client.at(lastTid);
  return {
    load: (options) => client.load(oid, options),
    loadBefore: (options) => client.loadBefore(oid, lastTid, options),
    loadSerial: (options) => client.loadSerial(oid, lastTid, options),
    newOid: (options) => client.newOid(options),
    sync: (options) => client.sync(options),
    transact: (options) => client.transact((tx) => tx.load(oid), options),
    create: (options) => client.transact((tx) => tx.create(bytes("x"), options)),
    begin: (options) => client.begin(options),
    undo: (options) => client.undo(lastTid, options),
    history: (options) => client.history(oid, options),
    undoLog: (options) => client.undoLog(options),
    transaction: (options) => client.transaction(lastTid, options),
    transactions: (options) => client.transactions(options).next(),
    records: (options) => client.records({ tid: lastTid, oids: [oid] }, options).next(),
    pack: (options) => client.pack(lastTid, options),
    outcome: (options) => client.outcome(lastTid, options),
    "at load": (options) => view.load(oid, options),
    "at loadBefore": (options) => view.loadBefore(oid, lastTid, options),
    "at loadSerial": (options) => view.loadSerial(oid, lastTid, options),
    "at history": (options) => view.history(oid, options),
    "at transaction": (options) => view.transaction(lastTid, options),
    "at transactions": (options) => view.transactions(options).next(),
    "at records": (options) => view.records({ tid: lastTid, oids: [oid] }, options).next(),
  };
}

Deno.test("each call ends by its signal, and at its deadline", async (t) => {
  await withCluster({ partitions: 2 }, async (cluster) => {
    await using other = await connect(cluster.url);
    const oid = await create(other, "one");
    const { client, faults } = await openFaulty(cluster, { cacheBytes: 0 });
    await using _ = client;
    faults.hold(cluster.master);
    faults.hold(cluster.storage(1));
    for (const [name, call] of Object.entries(callsOf(client, oid))) {
      await t.step(name, async () => {
        const gone = new AbortController();
        const reason = new Error("enough");
        const waiting = call({ signal: gone.signal });
        gone.abort(reason);
        await assert.rejects(waiting, (error) => error === reason);
        await assert.rejects(call({ signal: AbortSignal.abort(reason) }), (error) => {
          return error === reason;
        });
        const never = new AbortController();
        const either = AbortSignal.any([never.signal, AbortSignal.timeout(5)]);
        await assert.rejects(call({ signal: either }), DeadlineError);
      });
    }
    faults.release(cluster.master);
    faults.release(cluster.storage(1));
    await t.step("a two-phase transaction", () => twoPhases(client, oid, faults, cluster));
    await t.step("invalidations", async () => {
      const gone = new AbortController();
      const end = client.invalidations({ signal: gone.signal }).next();
      gone.abort();
      assert.equal((await end).done, true);
      const late = client.invalidations({ signal: gone.signal });
      assert.equal((await late.next()).done, true);
    });
  });
});

async function twoPhases(
  client: Client,
  oid: Oid,
  faults: Awaited<ReturnType<typeof openFaulty>>["faults"],
  cluster: { readonly master: Parameters<typeof faults.hold>[0] },
): Promise<void> {
  await client.sync();
  const { serial } = await client.load(oid);
  const signal = AbortSignal.abort(new Error("enough"));
  const isReason = (error: unknown) => error === signal.reason;
  await using tx = await client.begin();
  await assert.rejects(tx.store(oid, { data: bytes("two"), serial }, { signal }), isReason);
  await assert.rejects(tx.delete(oid, serial, { signal }), isReason);
  await assert.rejects(tx.checkCurrentSerial(oid, serial, { signal }), isReason);
  await assert.rejects(tx.undo(serial, { signal }), isReason);
  await tx.store(oid, { data: bytes("two"), serial });
  await tx.vote();
  await assert.rejects(tx.finish({ signal }), isReason);
  faults.hold(cluster.master);
  await assert.rejects(tx.finish({ signal: AbortSignal.timeout(5) }), (error) => {
    assert.ok(error instanceof UnknownOutcomeError);
    assert.ok(error.cause instanceof DeadlineError);
    return true;
  });
  faults.release(cluster.master);
  const tid = await client.outcome(tx.ttid);
  assert.ok(tid !== null);
  assert.equal((await client.transaction(tid)).tid, tid);
}
