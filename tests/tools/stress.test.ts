/** The parts of the stress tool that decide whether a run proves anything. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { nid } from "../../nodes/codec/ids.ts";
import { freePorts } from "../support/ports.ts";
import { Proxy } from "../../tools/stress/proxy.ts";
import { compareReplicas } from "../../tools/stress/replicas.ts";

const TABLES = `
  CREATE TABLE config (name TEXT, value TEXT);
  CREATE TABLE trans (partition, tid, packed, oids, user, description, ext, ttid);
  CREATE TABLE obj (partition, oid, tid, data_id, value_tid);
  CREATE TABLE data (id, hash, compression, value);
  CREATE TABLE ttrans (partition, tid);
  CREATE TABLE tobj (partition, tid);
  INSERT INTO trans VALUES (0, 7, 0, x'01', x'', x'', x'', 6), (1, 9, 0, x'', x'', x'', x'', 8);
  INSERT INTO obj VALUES (0, 1, 7, 40, NULL), (0, 1, 9, NULL, 7);`;

/** Two replicas, whose data have other ids; `change` alters the second. */
async function compared(change: string): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "neo-stress-test-" });
  const paths = [1, 2].map((number) => `${directory}/${number}.sqlite`);
  try {
    for (const [at, path] of paths.entries()) {
      const database = new DatabaseSync(path);
      database.exec(`${TABLES}
        INSERT INTO config VALUES ('nid', '${at + 1}');
        INSERT INTO data VALUES (${40 + at}, x'aa', 0, x'0102');
        UPDATE obj SET data_id = ${40 + at} WHERE data_id IS NOT NULL;
        ${at === 1 ? change : ""}`);
      database.close();
    }
    const cells = [nid(1), nid(2)].map((nid) => ({ nid, state: "UP_TO_DATE" as const }));
    return compareReplicas([{ offset: 0, cells }], paths);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("replicas are equal when their records are, whatever the ids of their data", async () => {
  assert.equal(await compared("DELETE FROM trans WHERE partition = 1;"), 3);
});

for (
  const [what, change] of [
    ["data that were altered", "UPDATE data SET value = x'0103';"],
    ["a record that is missing", "DELETE FROM obj WHERE tid = 9;"],
    ["a record that is too much", "INSERT INTO obj VALUES (0, 2, 9, NULL, NULL);"],
    ["a transaction that is missing", "DELETE FROM trans WHERE partition = 0;"],
    ["metadata that differ", "UPDATE trans SET user = x'61';"],
  ] as const
) {
  Deno.test(`replicas differ by ${what}`, async () => {
    await assert.rejects(compared(change), /replicas of partition 0 differ/);
  });
}

Deno.test("what no transaction has ended is found", async () => {
  await assert.rejects(compared("INSERT INTO ttrans VALUES (0, 11);"), /1 rows of unfinished work/);
});

/** A server that echoes, with a proxy before it. */
async function withEcho(test: (proxy: Proxy, dial: () => Socket) => Promise<void>): Promise<void> {
  const [inner = 0, outer = 0] = freePorts(2);
  const at = (port: number) => ({ host: "127.0.0.1", port });
  const echo = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  echo.listen(at(inner));
  await once(echo, "listening");
  const proxy = await Proxy.start({ outer: at(outer), inner: at(inner) });
  try {
    await test(proxy, () => connect(at(outer)));
  } finally {
    proxy.close();
    echo.close();
  }
}

/** Sends bytes, and resolves with what comes back, and after how many milliseconds. */
async function exchange(socket: Socket, text: string): Promise<{ text: string; ms: number }> {
  const start = performance.now();
  socket.write(text);
  let received = "";
  while (received.length < text.length) received += (await once(socket, "data"))[0];
  return { text: received, ms: performance.now() - start };
}

Deno.test("a proxy passes everything on, and later when it is told to", () =>
  withEcho(async (proxy, dial) => {
    const socket = dial();
    const long = "0123456789".repeat(100_000);
    assert.equal((await exchange(socket, long)).text, long);
    proxy.delayMs = 60;
    const { text, ms } = await exchange(socket, "late");
    assert.equal(text, "late");
    assert.ok(ms >= 120, `${ms} ms there and back`);
    socket.destroy();
  }));

Deno.test("a proxy resets connections, and those that come while it is cut", () =>
  withEcho(async (proxy, dial) => {
    const socket = dial();
    await exchange(socket, "hello");
    assert.equal(proxy.reset(() => false), 0);
    const reset = assert.rejects(once(socket, "never"), { code: "ECONNRESET" });
    assert.equal(proxy.reset(() => true), 1);
    await reset;
    proxy.isCut = true;
    await assert.rejects(once(dial(), "never"), { code: "ECONNRESET" });
    proxy.isCut = false;
    const again = dial();
    assert.equal((await exchange(again, "again")).text, "again");
    again.destroy();
  }));
