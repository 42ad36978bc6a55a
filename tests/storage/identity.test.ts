/** New storages that were given the same id, by masters that had not found each other yet. */

import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { startMaster } from "../../nodes/master/node.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import { freePorts } from "../support/ports.ts";
import { S1 } from "./support.ts";

Deno.test("a new storage whose id another one has asks for another", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo-identity-" });
  const [port = 0] = freePorts(1);
  const bind = { host: "127.0.0.1", port };
  const common = { cluster: "test", masters: [bind], tls: null, dynamicMasterList: null };
  const lines: string[] = [];
  const host = createNodeHost({ log: { log: (_level, _module, line) => lines.push(line) } });
  const master = await startMaster(host, {
    ...{ ...common, bind, nid: null, partitions: 2, replicas: 1, autostart: 2, upstream: null },
  });
  const storages = [];
  for (const number of [1, 2]) {
    storages.push(
      await startStorage(host, {
        ...{ ...common, bind: { ...bind, port: 0 }, nid: S1, dedup: false, dropPartitions: false },
        database: { adapter: "SQLite", path: `${directory}/${number}.sqlite` },
      }),
    );
  }
  try {
    // The cluster starts once it has two storages.
    await using client = await connect(`neo://test@127.0.0.1:${port}`);
    await client.transact((tx) => tx.create(new Uint8Array(1)));
    const given = lines.filter((line) => line.startsWith("another node is S1"));
    assert.deepEqual(given, ["another node is S1: asking for another id"]);
  } finally {
    for (const node of [...storages, master]) await node.stop();
    await Deno.remove(directory, { recursive: true });
  }
});
