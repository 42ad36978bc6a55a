/** Storages whose database server is killed while clients commit: nothing is lost. */

import { type Client, connect } from "../../mod.ts";
import type { Engine } from "../../nodes/storage/backend/mysql/dialect.ts";
import { Cluster, type DatabaseOptions, ours } from "../support/cluster.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { assertComplete, Load } from "./load.ts";

/** How long a storage may take to see that its server is gone. */
const EXIT_MS = 30_000;

for (const engine of ["InnoDB", "RocksDB"] as const) {
  const name = `nothing is lost when the server is killed, ${engine}`;
  if (Mariadb.program === undefined) Deno.test.ignore(`${name}: ${NO_MARIADB}`, () => {});
  else Deno.test(name, () => survives(engine));
}

async function survives(engine: Engine): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-mariadb-" });
  const clients: Client[] = [];
  try {
    await using server = await Mariadb.start();
    const databases: DatabaseOptions[] = [];
    while (databases.length < 2) {
      const { address: { database } } = await server.createDatabase(engine);
      const address = `root@${database}${server.socket}`;
      databases.push(["--adapter", "MySQL", "--engine", engine, "--database", address]);
    }
    await using cluster = await Cluster.start({
      ...{ directory, master: ours, storages: [ours, ours], ctl: ours, databases },
      ...{ partitions: 6, replicas: 1 },
    });
    for (let count = 0; count < 3; count++) {
      clients.push(await connect(`neo://test@${cluster.masterAddresses.join(",")}`));
    }
    const load = await Load.start(clients);
    for (let life = 0; life < 2; life++) {
      await load.more(30);
      await server.end("SIGKILL");
      for (const number of [1, 2]) await cluster.node(`storage${number}`).waitForExit(EXIT_MS);
      await server.restart();
      for (const number of [1, 2]) cluster.startStorage({ number, maker: ours });
      await cluster.waitForState("RUNNING");
    }
    await load.more(30);
    await load.stop();
    for (const client of clients) await assertComplete(client, load);
  } finally {
    for (const client of clients) await client.close();
    await Deno.remove(directory, { recursive: true });
  }
}
