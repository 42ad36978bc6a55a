/**
 * Transactions of many objects: others get their turn while they vote and are unlocked, and yet
 * nobody ever finds a part of one.
 */

import assert from "node:assert/strict";
import { AskLockInformation, NotifyUnlockInformation } from "../../gen/packets.ts";
import { type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import type { Turns } from "../../nodes/storage/background.ts";
import { Reads } from "../../nodes/storage/clients/reads.ts";
import { metadata, unlocked } from "./big_transactions.ts";
import { answer, Ledger, type LedgerOptions } from "./ledger.ts";
import { C1, C2, o, Stage, t } from "./support.ts";

const PARTITIONS = 3;
/** Enough for some parts. */
const OBJECTS = 1000;

/** Turns of which each part takes one, so that a test can do something after it. */
class Parts implements Turns {
  readonly isDue = true;
  #count = 0;
  /** Called at each turn, with how many there were before. */
  between: (count: number) => unknown = () => {};

  async pause(): Promise<void> {
    await this.between(this.#count++);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

async function open(parts: Parts, options: Pick<LedgerOptions, "fatal"> = {}): Promise<Ledger> {
  return await Ledger.open({
    ...options,
    ...{ partitions: PARTITIONS, later: false, task: () => parts },
  });
}

/** Stores objects. */
async function store(ledger: Ledger, ttid: Tid, count = OBJECTS, serial = ZERO_TID) {
  for (let at = 0; at < count; at++) {
    await ledger.store(ttid, { oid: o(at), serial, data: `${at} of ${ttid}` });
  }
}

/** Stores and votes for objects. */
async function vote(ledger: Ledger, ttid: Tid, serial = ZERO_TID): Promise<void> {
  await store(ledger, ttid, OBJECTS, serial);
  const transaction = ledger.transactions.get(ttid);
  assert.ok(transaction !== undefined);
  await ledger.transactions.vote(transaction, metadata(OBJECTS));
}

const COUNTS = "SELECT (SELECT COUNT(*) FROM obj) AS obj, (SELECT COUNT(*) FROM trans) AS trans, " +
  "(SELECT COUNT(*) FROM tobj) AS tobj, (SELECT COUNT(*) FROM ttrans) AS ttrans, " +
  "(SELECT COUNT(*) FROM data) AS data";

const PENDING = { obj: 0n, trans: 0n, tobj: 1000n, ttrans: 1n, data: 1000n };
const COMMITTED = { obj: 1000n, trans: 1n, tobj: 0n, ttrans: 0n, data: 1000n };

Deno.test("while a big transaction is unlocked, the disk has all of it or nothing", async () => {
  const parts = new Parts();
  await using ledger = await open(parts);
  await vote(ledger, t(100));
  await ledger.transactions.lock({ ttid: t(100), tid: t(101) });
  const reads = new Reads(ledger.context);
  const { backend } = ledger.context;
  let others: Promise<unknown>[] = [];
  let turns = 0;
  const order: string[] = [];
  parts.between = async () => {
    if (ledger.transactions.get(t(100)) === undefined) return;
    turns++;
    const image = await ledger.database.crashImage();
    assert.deepEqual(await image.rows(COUNTS), [PENDING]);
    if (turns > 1) return;
    // Who comes now goes on, but for what has to wait.
    await ledger.store(t(200), { oid: o(5000), data: "another" });
    const connection = { closed: false, label: "client" };
    const load = reads.object({ oid: o(1), at: null, before: null }, { nid: C1, connection });
    const list = reads.tids(
      { first: 0, last: 10, partition: Number(100n % BigInt(PARTITIONS)) },
      t(1000),
      { nid: C1, connection },
    );
    others = [
      answer(load).then(({ serial }) => order.push(`load ${serial}`)),
      answer(list).then(({ tids }) => order.push(`list ${tids.length}`)),
      Promise.resolve(backend.commit()).then(() => order.push("commit")),
    ];
  };
  await unlocked(ledger, t(100));
  await Promise.all(others);
  assert.ok(turns > 2, `${turns} turns`);
  assert.deepEqual(order.sort(), ["commit", "list 1", "load 101"]);
  assert.deepEqual(await ledger.database.rows(COUNTS), [{ ...COMMITTED, data: 1001n }]);
  assert.equal(await ledger.lastTid(o(7)), t(101));
});

Deno.test("big transactions are unlocked one by one, and a commit waits for one at most", async () => {
  const parts = new Parts();
  await using ledger = await open(parts);
  const { transactions, context: { backend } } = ledger;
  await vote(ledger, t(100));
  await transactions.lock({ ttid: t(100), tid: t(101) });
  for (let at = 0; at < OBJECTS; at++) {
    await ledger.store(t(200), { oid: o(OBJECTS + at), data: "other" });
  }
  await transactions.voteKnown(t(200));
  await transactions.lock({ ttid: t(200), tid: t(201) });
  const counts: unknown[] = [];
  let commit: Promise<unknown> | null = null;
  parts.between = () => {
    commit ??= backend.commit().then(async () => {
      counts.push(...await ledger.database.rows("SELECT COUNT(*) AS obj FROM obj"));
    });
  };
  const first = unlocked(ledger, t(100));
  const second = unlocked(ledger, t(200));
  await Promise.all([first, second]);
  await commit;
  await backend.commit();
  assert.deepEqual(await ledger.database.rows("SELECT COUNT(*) AS obj FROM obj"), [{ obj: 2000n }]);
  assert.deepEqual(counts, [{ obj: 1000n }]);
});

Deno.test("a big transaction that ends while it votes leaves nothing", async () => {
  for (const end of ["abort", "stop"] as const) {
    const parts = new Parts();
    await using ledger = await open(parts);
    parts.between = (count) => {
      if (count !== 1) return;
      if (end === "abort") ledger.transactions.abort(t(100));
      else ledger.transactions.stop();
    };
    await assert.rejects(vote(ledger, t(100)), /ended while it voted/);
    await ledger.context.backend.commit();
    const nothing = { obj: 0n, trans: 0n, tobj: 0n, ttrans: 0n, data: 0n };
    assert.deepEqual(await ledger.database.rows(COUNTS), [nothing]);
  }
});

Deno.test("an unlock that operation does not outlast is finished at once", async () => {
  const parts = new Parts();
  await using ledger = await open(parts);
  const { transactions, context: { backend } } = ledger;
  await vote(ledger, t(100));
  await transactions.lock({ ttid: t(100), tid: t(101) });
  const stopped = new Promise<void>((resolve) => {
    parts.between = (count) => {
      if (count < 5) return;
      parts.between = () => {};
      transactions.stop();
      resolve();
    };
  });
  transactions.unlock(t(100));
  await stopped;
  await backend.commit();
  assert.deepEqual(await ledger.database.rows(COUNTS), [COMMITTED]);
});

Deno.test("a lock waits for the vote, and objects can be stored again at once", async () => {
  const parts = new Parts();
  await using ledger = await open(parts);
  const { transactions } = ledger;
  await store(ledger, t(100));
  const transaction = transactions.get(t(100));
  assert.ok(transaction !== undefined);
  const voted = transactions.vote(transaction, metadata(OBJECTS));
  await transactions.lock({ ttid: t(100), tid: t(101) });
  await voted;
  const again = ledger.store(t(200), { oid: o(3), serial: t(101), data: "again" });
  await unlocked(ledger, t(100));
  assert.equal(await again, null);
  assert.throws(() => transactions.unlock(t(100)), /unknown ttid/);
});

Deno.test("a vote that fails in the middle can't be locked", async () => {
  await using ledger = await open(new Parts());
  const { transactions, context: { backend: { pending } } } = ledger;
  const write = pending.vote.bind(pending);
  let parts = 0;
  pending.vote = (vote) => {
    if (++parts === 2) throw new DatabaseError("can't be read");
    write(vote);
  };
  await assert.rejects(vote(ledger, t(100)), /can't be read/);
  await assert.rejects(
    Promise.resolve(transactions.lock({ ttid: t(100), tid: t(101) })),
    /can't be read/,
  );
});

Deno.test("an unlock that fails in the middle ends the node, which could commit no more", async () => {
  const { promise: ended, resolve: fatal } = Promise.withResolvers<unknown>();
  await using ledger = await open(new Parts(), { fatal });
  const { transactions, context: { backend: { pending } } } = ledger;
  await vote(ledger, t(100));
  await transactions.lock({ ttid: t(100), tid: t(101) });
  const error = new DatabaseError("can't be read");
  pending.unlockInParts = () => ({ some: () => Promise.reject(error), finish: () => {} });
  transactions.unlock(t(100));
  assert.equal(await ended, error);
});

Deno.test("a cell that is discarded meanwhile gets nothing any more", async () => {
  for (const phase of ["vote", "unlock"] as const) {
    const parts = new Parts();
    await using ledger = await open(parts);
    const { transactions, context: { assignment, backend } } = ledger;
    let isDone = false;
    const discard = () => {
      if (isDone) return;
      isDone = true;
      // That of the transaction's metadata.
      const offset = assignment.partition(t(100));
      assignment.update(2, [{ offset, nid: assignment.nid, state: "DISCARDED" }]);
      transactions.discard(new Set([offset]));
    };
    if (phase === "vote") parts.between = discard;
    await vote(ledger, t(100));
    await transactions.lock({ ttid: t(100), tid: t(101) });
    parts.between = discard;
    await unlocked(ledger, t(100));
    await backend.commit();
    const [counts] = await ledger.database.rows(COUNTS);
    const { trans, tobj, ttrans } = counts ?? {};
    assert.deepEqual({ trans, tobj, ttrans }, { trans: 0n, tobj: 0n, ttrans: 0n });
    // What the other cells store is there; what was moved before is deleted at the next start.
    assert.ok(Number(counts?.obj) >= Math.floor(OBJECTS * 2 / 3) - 1, `${counts?.obj} objects`);
    assert.equal(counts?.obj, counts?.data);
  }
});

Deno.test("a storage that is stopped in the middle of an unlock has it on disk", async () => {
  const count = 20_000;
  await using stage = await Stage.operating({ partitions: PARTITIONS });
  const client = await stage.client();
  const stores = Array.from({ length: count }, (_, at) => ({ oid: o(at), data: `${at}` }));
  await Promise.all(stores.map((store) => client.store(t(100), store)));
  await client.vote(t(100), stores.map(({ oid }) => oid));
  await stage.finish(t(100));
  await stage.stop();
  const [counts] = await stage.onDisk(COUNTS);
  assert.deepEqual(counts, { obj: 20_000n, trans: 1n, tobj: 0n, ttrans: 0n, data: 20_000n });
});

Deno.test("other clients are served while a big transaction is unlocked", async () => {
  const count = 20_000;
  await using stage = await Stage.operating({ partitions: PARTITIONS });
  const [client, other] = [await stage.client(), await stage.client(C2)];
  await stage.commit(other, t(50), [{ oid: o(count), data: "small" }]);
  const stores = Array.from({ length: count }, (_, at) => ({ oid: o(at), data: "x" }));
  await Promise.all(stores.map((store) => client.store(t(100), store)));
  await client.vote(t(100), stores.map(({ oid }) => oid));
  await stage.master.ask(AskLockInformation, { ttid: t(100), tid: t(100) });
  stage.master.notify(NotifyUnlockInformation, { ttid: t(100) });
  let isOver = false;
  const unlocked = client.load(o(1)).then(() => isOver = true);
  let loads = 0;
  for (; !isOver; loads++) assert.equal((await other.load(o(count))).data, "small");
  await unlocked;
  assert.ok(loads > 5, `${loads} loads`);
});
