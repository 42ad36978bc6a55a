/** A storage of a backup cluster: the backup tid, and clients that only read. */

import assert from "node:assert/strict";
import {
  AbortTransaction,
  AskCheckCurrentSerial,
  AskFinalTID,
  AskObject,
  AskRebaseObject,
  AskRebaseTransaction,
  AskRecovery,
  AskTIDs,
  AskTIDsFrom,
  AskTransactionInformation,
  StartOperation,
  StopOperation,
} from "../../gen/packets.ts";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { C2, o, Stage, t } from "./support.ts";

const READ_ONLY = {
  code: "READ_ONLY_ACCESS",
  message: "read-only access because cluster is in backuping mode",
};

Deno.test("the backup tid is the last tid at first, and kept from then on", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "old" }]);
  const backupTid = async () => {
    stage.master.notify(StopOperation, {});
    return (await stage.master.ask(AskRecovery, {})).backupTid;
  };
  assert.equal(await backupTid(), null);
  await stage.operate({ backup: true });
  assert.deepEqual(await stage.onDisk("SELECT value FROM config WHERE name = 'backup_tid'"), [
    { value: "0000000000000064" },
  ]);
  assert.equal(await backupTid(), t(100));
  await stage.operate({ backup: true });
  assert.equal(await backupTid(), t(100));
  await stage.operate();
  assert.equal(await backupTid(), null);
});

Deno.test("an empty backup has the tid zero", async () => {
  await using stage = await Stage.identified();
  stage.sendTable();
  await stage.operate({ backup: true });
  stage.master.notify(StopOperation, {});
  assert.equal((await stage.master.ask(AskRecovery, {})).backupTid, t(0));
});

Deno.test("clients of a backup only read what is complete", async () => {
  await using stage = await Stage.operating();
  const writer = await stage.client(C2);
  await stage.commit(writer, t(200), [{ oid: o(1), data: "one" }]);
  writer.connection.close();
  stage.master.notify(StartOperation, { backup: true });
  const reader = await stage.client();
  const { connection } = reader;
  // For a moment it is not known how much they may see.
  let loaded = null;
  while (loaded === null) loaded = await reader.load(o(1)).catch(() => null);
  assert.equal(loaded.serial, t(200));
  await assert.rejects(reader.store(t(300), { oid: o(1), data: "x" }), READ_ONLY);
  await assert.rejects(reader.vote(t(300), []), READ_ONLY);
  await assert.rejects(reader.voteOnly(t(300)), READ_ONLY);
  await assert.rejects(connection.ask(AskFinalTID, { ttid: t(1) }), READ_ONLY);
  await assert.rejects(
    connection.ask(AskCheckCurrentSerial, { ttid: t(300), oid: o(1), serial: t(1) }),
    READ_ONLY,
  );
  await assert.rejects(
    connection.ask(AskRebaseTransaction, { ttid: t(300), lockingTid: t(301) }),
    READ_ONLY,
  );
  await assert.rejects(connection.ask(AskRebaseObject, { ttid: t(300), oid: o(1) }), READ_ONLY);
  connection.notify(AbortTransaction, { ttid: t(300), nids: [] });
  await reader.settled();
});

Deno.test("what is beyond the backup tid is not seen", async () => {
  await using stage = await Stage.identified();
  stage.sendTable();
  await stage.verify();
  await stage.operate({ backup: true });
  await stage.stop();
  const hash = `x'${"00".repeat(20)}'`;
  const nothing = "x'', x'', x'', x''";
  await stage.database.execute(
    "UPDATE config SET value = '0000000000000064' WHERE name = 'backup_tid'",
    `INSERT INTO data VALUES (10, ${hash}, 0, x'6f6c64'), (11, ${hash}, 0, x'6e6577')`,
    "INSERT INTO obj VALUES (0, 1, 100, 10, NULL), (0, 1, 200, 11, NULL), (0, 2, 200, 11, NULL)",
    `INSERT INTO trans VALUES (0, 100, 0, ${nothing}, 100), (0, 200, 0, ${nothing}, 200)`,
  );
  await stage.start();
  await stage.next();
  stage.sendTable();
  await stage.verify();
  await stage.operate({ backup: true });
  const reader = await stage.client();
  const { connection } = reader;
  const load = async (oid: number, at: number | null, before: number | null) =>
    (await connection.ask(AskObject, {
      oid: o(oid),
      at: at === null ? null : t(at),
      before: before === null ? null : t(before),
    })).serial;
  assert.equal(await load(1, null, null), t(100));
  assert.equal(await load(1, null, 300), t(100));
  assert.equal(await load(1, 100, null), t(100));
  await assert.rejects(load(1, 200, null), { code: "OID_NOT_FOUND" });
  await assert.rejects(load(2, 200, null), { code: "OID_NOT_FOUND" });
  await assert.rejects(load(3, 200, null), { code: "OID_DOES_NOT_EXIST" });
  const { tids } = await connection.ask(AskTIDs, { first: 0, last: 5, partition: 0 });
  assert.deepEqual(tids, [t(100)]);
  const from = await connection.ask(AskTIDsFrom, {
    minTid: t(0),
    maxTid: MAX_TID,
    length: 10,
    partition: 0,
  });
  assert.deepEqual(from.tids, [t(100)]);
  await connection.ask(AskTransactionInformation, { tid: t(100) });
  await assert.rejects(
    connection.ask(AskTransactionInformation, { tid: t(200) }),
    { code: "TID_NOT_FOUND" },
  );
});
