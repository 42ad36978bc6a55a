/** Cells that are not complete: writes without locks, and what the master is told and asked. */

import assert from "node:assert/strict";
import { NotifyTransactionFinished } from "../../gen/packets.ts";
import { ZERO_TID } from "../../nodes/codec/ids.ts";
import { C1, C2, o, Stage, t } from "./support.ts";

Deno.test("a storage with outdated cells asks what is pending once it is ready", async () => {
  await using stage = await Stage.identified({ partitions: 2 });
  stage.sendTable([
    ...stage.rows("UP_TO_DATE").slice(0, 1),
    ...stage.rows("OUT_OF_DATE").slice(1),
  ]);
  await stage.verify();
  await stage.operate();
  assert.deepEqual(await stage.notices.next(), { is: "unfinished", offsets: [1] });
});

Deno.test("a cell that becomes outdated is asked for by itself", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  stage.change({ offset: 1, state: "DISCARDED" });
  stage.change({ offset: 1, state: "OUT_OF_DATE" });
  assert.deepEqual(await stage.notices.next(), { is: "unfinished", offsets: [1] });
  assert.deepEqual(await stage.onDisk("SELECT tid FROM pt WHERE partition = 1"), [{ tid: 0n }]);
  stage.master.notify(NotifyTransactionFinished, { ttid: t(1), maxTid: t(2) });
  await stage.settled();
});

Deno.test("writes to an outdated cell take no locks, and are not checked", async () => {
  await using stage = await Stage.operating({ partitions: 2 });
  const [first, second] = [await stage.client(C1), await stage.client(C2)];
  stage.change({ offset: 1, state: "DISCARDED" });
  stage.change({ offset: 1, state: "OUT_OF_DATE" });
  await stage.settled();
  assert.equal(await first.store(t(200), { oid: o(1), data: "first" }), ZERO_TID);
  assert.equal(await second.store(t(100), { oid: o(1), data: "second" }), ZERO_TID);
  await second.vote(t(100), [o(1)]);
  await stage.finish(t(100));
  await first.vote(t(200), [o(1)]);
  await stage.finish(t(200));
  await assert.rejects(first.load(o(1)), { code: "NON_READABLE_CELL" });
  await stage.stop();
  assert.deepEqual(await stage.onDisk("SELECT tid FROM obj ORDER BY tid"), [
    { tid: 100n },
    { tid: 200n },
  ]);
});
