/** Servers that are slow, gone, killed or not fit. */

import assert from "node:assert/strict";
import { AskLockInformation, NotifyUnlockInformation } from "../../gen/packets.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import { connectMysql } from "../../nodes/host/mysql.ts";
import type { Backend } from "../../nodes/storage/backend/backend.ts";
import { Mariadb } from "../support/mariadb.ts";
import { useMariadb } from "./databases.ts";
import { dataOf, open, startServer } from "./mysql_support.ts";
import { C2, isPending, o, S1, Stage, t } from "./support.ts";

const testOnServer = await startServer();

testOnServer("loads don't wait for what is being written", async () => {
  await using stage = await Stage.operating();
  const client = await stage.client();
  await stage.commit(client, t(100), [{ oid: o(1), data: "one" }]);
  await stage.becomesOnDisk("SELECT oid FROM obj", [{ oid: 1n }]);
  const { address } = stage.database;
  assert(address.adapter === "MySQL");
  const other = await connectMysql(address.address);
  // The storage has to wait for the end of this, which it is about to write itself.
  await other.query(["BEGIN", "INSERT INTO tobj VALUES (0, 2, 200, NULL, NULL)"]);
  await client.store(t(200), { oid: o(2), data: "two" });
  const voted = client.vote(t(200), [o(2)]);
  const reader = await stage.client(C2);
  assert.equal((await reader.load(o(1))).data, "one");
  assert.equal(await isPending(voted, reader), true);
  await other.query(["ROLLBACK"]);
  await other.close();
  await voted;
  await stage.finish(t(200));
  // What is not committed is seen as well.
  assert.equal((await reader.load(o(2))).data, "two");
});

testOnServer("who stores more than the server takes has to wait for it", async (server) => {
  const address = await server.createDatabase("InnoDB");
  await using opened = await open(address);
  const { backend } = opened;
  const { data } = backend;
  const value = dataOf(new Uint8Array(12 << 20));
  await data.store(o(1), value);
  await backend.commit();
  const stored = Array.from({ length: 8 }, () => data.store(o(1), value));
  assert.deepEqual(stored.map((id) => id instanceof Promise), [
    ...[false, false, false, false, false, true, true, true],
  ]);
  const ids = await Promise.all(stored);
  await backend.commit();
  const rows = await server.query(
    "SELECT id FROM data WHERE LENGTH(value) = 12582912 ORDER BY id LIMIT 8 OFFSET 1",
    address.address.database,
  );
  assert.deepEqual(rows.map(({ id }) => id), ids);
});

testOnServer("a server that is gone for a while is waited for, if told so", async () => {
  await using server = await Mariadb.start();
  const address = await server.createDatabase("InnoDB");
  await using opened = await open({ ...address, waitMs: -1 });
  const { backend, failures, lines } = opened;
  await backend.commit();
  assert.equal(await backend.objects.exists(o(1)), false);
  await server.end("SIGTERM");
  const reading = Promise.resolve(backend.objects.exists(o(1)));
  const writing = Promise.resolve(backend.data.store(o(1), dataOf(new Uint8Array(3))));
  while (!lines.some((line) => line.endsWith("waiting for it"))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // It does not start while it is waited for.
  await server.restart();
  assert.equal(await reading, false);
  const id = await writing;
  await backend.commit();
  assert.deepEqual(failures, []);
  assert.deepEqual(await server.query("SELECT id FROM data", address.address.database), [{ id }]);
  // The lock was taken again.
  await assert.rejects(open(address), { message: "database is locked" });
});

/** What another storage does with a database. */
type Use = (backend: Backend) => void | Promise<void>;

function commitAt(ttid: number, tid: number): Use {
  return (backend) => {
    const empty = new Uint8Array(0);
    const metadata = { ...{ user: empty, description: empty, extension: empty }, oids: [] };
    backend.pending.vote({ ttid: t(ttid), stores: new Map(), metadata });
    if (tid === 0) return;
    backend.pending.lock({ ttid: t(ttid), tid: t(tid) });
    backend.pending.unlock({
      ...{ ttid: t(ttid), tid: t(tid), hasMetadata: true, hasObjects: true },
    });
  };
}

const addObjectAt = (tid: number): Use => (backend) =>
  backend.replica.addObjects([{ oid: o(1), tid: t(tid), value: null, valueTid: null }]);

/** Whether a storage goes on after its server was restarted, and another storage came first. */
async function goesOn(server: Mariadb, mine: Use, others: Use): Promise<boolean> {
  const address = await server.createDatabase("InnoDB");
  const { backend, failures } = await open(address);
  await mine(backend);
  await backend.commit();
  await server.end("SIGTERM");
  await server.restart();
  {
    await using other = await open(address);
    await others(other.backend);
  }
  const tables = "CHECKSUM TABLE config, trans, obj, ttrans, tobj";
  const { database } = address.address;
  const before = await server.query(tables, database);
  try {
    assert.equal(await backend.objects.exists(o(7)), false);
    await backend.close({ commit: true });
    assert.deepEqual(failures, []);
    return true;
  } catch (error) {
    assert(error instanceof DatabaseError);
    assert.match(
      error.message,
      /^another storage has used the database neo\d+ while .*; this node /,
    );
    assert.deepEqual(failures, [error]);
    await assert.rejects(backend.commit());
    await backend.close({ commit: false });
    return false;
  } finally {
    assert.deepEqual(await server.query(tables, database), before);
  }
}

testOnServer("a database that another storage has written to meanwhile is left to it", async () => {
  await using server = await Mariadb.start();
  const mine = commitAt(90, 100);
  const newPtid: Use = ({ table }) => table.replace(9, []);
  assert.equal(await goesOn(server, mine, () => {}), true);
  assert.equal(await goesOn(server, mine, commitAt(190, 200)), false);
  assert.equal(await goesOn(server, mine, commitAt(190, 0)), false);
  assert.equal(await goesOn(server, mine, addObjectAt(101)), false);
  assert.equal(await goesOn(server, mine, newPtid), false);
  assert.equal(await goesOn(server, newPtid, (backend) => backend.erase()), false);
});

testOnServer("a storage does not take its own writes for those of another", async () => {
  await using server = await Mariadb.start();
  for (const engine of ["InnoDB", "RocksDB"] as const) {
    await using opened = await open({ ...await server.createDatabase(engine), waitMs: -1 });
    const { backend, failures } = opened;
    await commitAt(90, 0)(backend);
    await backend.commit();
    for (const ptid of [5, 6]) {
      await server.end("SIGTERM");
      const reading = Promise.resolve(backend.objects.exists(o(7)));
      // These wait to be written when the database is looked at.
      backend.table.replace(ptid, []);
      backend.settings.backupTid = ptid === 5 ? t(7) : null;
      const adding = addObjectAt(100 + ptid)(backend);
      await server.restart();
      assert.equal(await reading, false);
      await adding;
      await backend.commit();
    }
    assert.deepEqual(failures, []);
  }
});

testOnServer("nor what is there, where NEO 1.12 stored no number of partitions", async () => {
  await using server = await Mariadb.start();
  const address = await server.createDatabase("InnoDB");
  {
    await using opened = await open(address);
    const { backend } = opened;
    const cells = [{ nid: S1, state: "UP_TO_DATE" as const }];
    backend.table.replace(1, [0, 1].map((offset) => ({ offset, cells })));
    await addObjectAt(100)(backend);
  }
  const { database } = address.address;
  await server.query("DELETE FROM config WHERE name = 'partitions'", database);
  await using opened = await open({ ...address, waitMs: -1 });
  await opened.backend.commit();
  await server.end("SIGTERM");
  const reading = Promise.resolve(opened.backend.objects.exists(o(7)));
  await server.restart();
  assert.equal(await reading, false);
  // The session that writes was lost as well, and looks at what is there.
  assert.equal((await opened.backend.table.load()).length, 2);
  assert.deepEqual(opened.failures, []);
});

testOnServer("a node that waits for its server can be stopped", async () => {
  await using server = await Mariadb.start();
  const address = await server.createDatabase("InnoDB");
  const { backend, failures, lines } = await open({ ...address, waitMs: -1 });
  await backend.commit();
  await server.end("SIGKILL");
  const reading = Promise.resolve(backend.objects.exists(o(1)));
  while (!lines.some((line) => line.endsWith("waiting for it"))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await backend.close({ commit: true });
  await assert.rejects(reading, /the database is closed/);
  assert.deepEqual(failures, []);
});

testOnServer("a node is stopped in time though its server hangs", async () => {
  await using server = await Mariadb.start();
  for (const writes of [false, true]) {
    const address = await server.createDatabase("InnoDB");
    const { backend, failures } = await open(address, { hurries: true });
    await backend.commit();
    if (writes) await backend.data.store(o(1), dataOf(new Uint8Array(3)));
    server.hang();
    await assert.rejects(Promise.resolve(backend.close({ commit: true })), {
      name: "DatabaseError",
      message: `the server of the database ${address.address.database} has not answered for 30 s ` +
        "when it was to be closed: look whether it hangs; this node ends without it, and nothing " +
        "that it has acknowledged is lost",
    });
    assert.deepEqual(failures, []);
    await server.end("SIGKILL");
    await server.restart();
    await using _again = await open(address);
  }
});

testOnServer("without an order to wait, a server that is gone ends the node", async () => {
  await using server = await Mariadb.start();
  const address = await server.createDatabase("InnoDB");
  const { backend, failures } = await open(address);
  await backend.commit();
  await server.end("SIGTERM");
  const reach = new RegExp(
    `no database server can be reached at ${server.socket}: there is no such socket`,
  );
  await assert.rejects(Promise.resolve(backend.objects.exists(o(1))), reach);
  assert.match(String(failures[0]), reach);
  await backend.close({ commit: false });
  await assert.rejects(open(address), reach);
});

testOnServer("a server that is not fit is refused, or warned of", async () => {
  await using server = await Mariadb.start(["--innodb-flush-log-at-trx-commit=2"]);
  const address = await server.createDatabase("InnoDB");
  {
    await using opened = await open(address);
    assert.match(opened.lines.join("\n"), /^WARNING .* innodb_flush_log_at_trx_commit = 2: .*lost/);
  }
  await server.query("SET GLOBAL max_allowed_packet = 33554432");
  await assert.rejects(open(address), {
    message: "Global variable 'max_allowed_packet' is too small. Minimal value must be 32769k.",
  });
});

testOnServer("nothing that was acknowledged is lost when the server is killed", async () => {
  for (const engine of ["InnoDB", "RocksDB"] as const) {
    await using server = await Mariadb.start();
    useMariadb(server, engine);
    await using stage = await Stage.operating({ partitions: 3 });
    const client = await stage.client();
    const finished = new Map<bigint, Uint8Array>();
    const commitAll = async (first: number) => {
      for (let ttid = first;; ttid += 8) {
        const value = `${ttid}`;
        await client.store(t(ttid), { oid: o(ttid), data: value });
        await client.vote(t(ttid), [o(ttid)]);
        await stage.master.ask(AskLockInformation, { ttid: t(ttid), tid: t(ttid) });
        finished.set(BigInt(ttid), new TextEncoder().encode(value));
        stage.master.notify(NotifyUnlockInformation, { ttid: t(ttid) });
        if (finished.size === 400) await server.end("SIGKILL");
      }
    };
    const work = Array.from({ length: 8 }, (_, at) => commitAll(1000 + at));
    assert.equal(
      (await Promise.allSettled(work)).every(({ status }) => status === "rejected"),
      true,
    );
    await assert.rejects(stage.node.ended, /with writes that were not committed/);
    await server.restart();
    // Whatever was locked can be finished, with its data.
    const rows = await stage.onDisk(
      "SELECT ttid, value FROM ttrans JOIN tobj ON tobj.tid = ttrans.ttid " +
        "JOIN data ON id = data_id " +
        "WHERE ttrans.tid IS NOT NULL UNION ALL " +
        "SELECT tid, value FROM trans JOIN obj USING (tid) JOIN data ON id = data_id",
    );
    const found = new Map(rows.map((row) => [row.ttid, row.value]));
    for (const [tid, value] of finished) assert.deepEqual(found.get(tid), value, `tid ${tid}`);
    assert(finished.size >= 400);
  }
});
