/** From replicated to readable: when a cell may be called up-to-date. */

import assert from "node:assert/strict";
import { readVoteConflict } from "../../nodes/cluster/vote_conflict.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { Ledger } from "./ledger.ts";
import { o, t } from "./support.ts";

for (const later of [false, true]) {
  const how = later ? " (a database that answers later)" : "";

  Deno.test(`a replicated cell without pending writes is told of at once${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 2, later });
    ledger.transactions.outdated([1]);
    ledger.transactions.replicated(1, t(50));
    assert.deepEqual(ledger.news, [{ is: "replicated", offset: 1, tid: t(50) }]);
  });

  Deno.test(`a write that was accepted is locked when its cell is complete${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 2, later });
    ledger.transactions.outdated([1]);
    assert.equal(await ledger.store(t(100), { oid: o(1), data: "one" }), ZERO_TID);
    ledger.transactions.replicated(1, t(50));
    assert.deepEqual(ledger.news, [{ is: "replicated", offset: 1, tid: t(50) }]);
    let waited = true;
    const second = ledger.store(t(200), { oid: o(1), data: "two" }).then((conflict) => {
      assert(!waited, "the first one has the lock");
      return conflict;
    });
    await ledger.transactions.voteKnown(t(100));
    waited = false;
    await ledger.transactions.lock({ ttid: t(100), tid: t(150) });
    ledger.transactions.unlock(t(100));
    assert.equal(await second, t(150));
  });

  Deno.test(`a cell with two pending writes of one object has to wait${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    ledger.transactions.outdated([0]);
    assert.equal(await ledger.store(t(100), { oid: o(1), data: "one" }), ZERO_TID);
    assert.equal(await ledger.store(t(200), { oid: o(1), data: "two" }), ZERO_TID);
    ledger.transactions.replicated(0, t(50));
    assert.deepEqual(ledger.news, []);
    // The youngest has the lock, and newcomers wait for it; the others go on without.
    assert.equal(await ledger.store(t(100), { oid: o(1), data: "one again" }), ZERO_TID);
    const third = ledger.store(t(300), { oid: o(1), data: "three" });
    await ledger.commit(t(100), t(110));
    assert.deepEqual(ledger.news, [{ is: "replicated", offset: 0, tid: t(50) }]);
    // What the second one stored is in conflict now. Other cells tell its client.
    assert.equal(await third, t(110));
    assert.equal(await ledger.store(t(200), { oid: o(1), serial: t(110), data: "both" }), null);
    await ledger.commit(t(200), t(210));
    assert.equal(await ledger.lastTid(o(1)), t(210));
  });

  Deno.test(`an object may be stored again on an older base, with a lock or without${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    await ledger.store(t(100), { oid: o(1), data: "one" });
    await ledger.commit(t(100), t(110));
    assert.equal(await ledger.store(t(200), { oid: o(1), serial: t(110), data: "two" }), null);
    assert.equal(await ledger.store(t(200), { oid: o(1), serial: t(50), data: "three" }), null);
    ledger.transactions.abort(t(200));
    ledger.transactions.outdated([0]);
    const again = { oid: o(1), serial: t(110), data: "two" };
    assert.equal(await ledger.store(t(300), again), ZERO_TID);
    assert.equal(await ledger.store(t(300), { ...again, serial: t(50) }), ZERO_TID);
    ledger.transactions.replicated(0, t(110));
    await ledger.commit(t(300), t(310));
    assert.equal(await ledger.lastTid(o(1)), t(310));
  });

  Deno.test(`no vote for a write that was lost, of which nobody told its client${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    ledger.transactions.outdated([0]);
    assert.equal(await ledger.store(t(100), { oid: o(1), data: "one" }), ZERO_TID);
    assert.equal(await ledger.store(t(200), { oid: o(1), data: "two" }), ZERO_TID);
    ledger.transactions.replicated(0, t(50));
    await ledger.commit(t(100), t(110));
    assert.equal(await ledger.store(t(200), { oid: o(2), data: "two" }), null);
    // The other cell may be gone before it could tell: its partition has moved here.
    await assert.rejects(ledger.commit(t(200), t(210)), {
      code: "PROTOCOL_ERROR",
      message: "TXN 00000000000000c8 is in conflict about 0000000000000001, " +
        "committed at 000000000000006e",
      fatal: false,
    });
    ledger.transactions.abort(t(200));
    assert.equal(await ledger.lastTid(o(2)), null);
  });

  Deno.test(`a replica that has not seen the first base of a write finds a conflict${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    await ledger.store(t(100), { oid: o(1), data: "one" });
    await ledger.commit(t(100), t(110));
    ledger.transactions.outdated([0]);
    // Stored before at another cell, on the last revision; here, only once more on an older one.
    assert.equal(await ledger.store(t(300), { oid: o(1), serial: t(50), data: "x" }), ZERO_TID);
    ledger.transactions.replicated(0, t(110));
    assert.equal(await ledger.store(t(300), { oid: o(2), data: "another" }), null);
    const refused = await ledger.commit(t(300), t(310)).catch((error) => error);
    assert.ok(refused instanceof Refusal && !refused.fatal);
    assert.deepEqual(readVoteConflict(refused.message), { oid: o(1), committed: t(110) });
  });

  Deno.test(`after a deadlock, accepted writes hold nothing up any more${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 2, later });
    ledger.transactions.outdated([1]);
    await ledger.store(t(100), { oid: o(1), data: "one" });
    await ledger.store(t(200), { oid: o(1), data: "two" });
    await ledger.store(t(200), { oid: o(2), data: "two" });
    ledger.transactions.replicated(1, t(50));
    assert.deepEqual(ledger.news, []);
    const deadlocked = ledger.store(t(100), { oid: o(2), data: "one" });
    assert.deepEqual(ledger.news, [
      { is: "deadlock", ttid: t(100), lockingTid: t(100) },
      { is: "replicated", offset: 1, tid: t(50) },
    ]);
    ledger.transactions.abort(t(100));
    assert.equal(await deadlocked, ZERO_TID);
  });

  Deno.test(`a readable cell uses locks again${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    ledger.transactions.outdated([0]);
    ledger.transactions.replicated(0, t(50));
    ledger.transactions.catchingUp.forget(0);
    assert.equal(await ledger.store(t(100), { oid: o(1), data: "one" }), null);
    await ledger.commit(t(100), t(110));
    assert.equal(await ledger.store(t(200), { oid: o(1), data: "two" }), t(110));
  });

  Deno.test(`two that ask for a free lock at once do not both get it${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    const first = ledger.store(t(100), { oid: o(1), data: "one" });
    let settled = false;
    const second = ledger.store(t(200), { oid: o(1), data: "two" });
    void second.then(() => settled = true);
    assert.equal(await first, null);
    await ledger.transactions.voteKnown(t(100));
    assert(!settled);
    await ledger.transactions.lock({ ttid: t(100), tid: t(150) });
    ledger.transactions.unlock(t(100));
    assert.equal(await second, t(150));
  });

  Deno.test(`what is committed while a lock is asked for is a conflict${how}`, async () => {
    await using ledger = await Ledger.open({ partitions: 1, later });
    await ledger.store(t(100), { oid: o(1), data: "one" });
    await ledger.transactions.voteKnown(t(100));
    await ledger.transactions.lock({ ttid: t(100), tid: t(150) });
    ledger.transactions.unlock(t(100));
    const asked = ledger.store(t(200), { oid: o(1), serial: t(150), data: "two" });
    const other = ledger.store(t(300), { oid: o(1), serial: t(150), data: "three" });
    ledger.transactions.abort(t(200));
    assert.equal(await asked, later ? ZERO_TID : null);
    assert.equal(await other, null);
  });
}
