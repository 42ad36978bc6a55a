/**
 * Databases on a MariaDB server that one kind of storage wrote, opened in place by the other kind
 * and then by the first again; and replicas of both kinds, on a server and in a file.
 */
import assert from "node:assert/strict";
import { Mariadb } from "../support/mariadb.ts";
import { Cluster, type Maker } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { databaseOptions, mariadbGroup } from "./mariadb.ts";
import { inDirectory, ours, real } from "./peer.ts";
import { takeOver } from "./takeover.ts";

/** How long a storage may take to find out that its database is in use. */
const SECOND_MS = 60_000;

type Engine = "InnoDB" | "RocksDB";

interface Case {
  readonly writer: Maker;
  readonly reader: Maker;
  readonly engine: Engine;
  readonly storages: number;
  readonly crash: boolean;
}

/** The same on a server of its own. */
function takeOverOn({ engine, ...options }: Case) {
  return async () => {
    await using server = await Mariadb.start();
    await takeOver({ ...options, createDatabase: () => databaseOptions(server, engine) })();
  };
}

/** Replicas on a server and in a file hold the same; each of them alone serves it all. */
function replicates(makers: readonly [Maker, Maker], engine: Engine, dies: 1 | 2) {
  return () =>
    inDirectory(async (directory) => {
      await using server = await Mariadb.start();
      await using cluster = await Cluster.start({
        directory,
        master: ours,
        storages: makers,
        ctl: real,
        partitions: 12,
        replicas: 1,
        databases: [
          await databaseOptions(server, engine),
          ["--adapter", "SQLite", "--database", `${directory}/storage2.sqlite`],
        ],
      });
      await using client = await PeerClient.open(cluster);
      await client.ask("fill");
      const dump = await client.ask("dump");
      await cluster.node(`storage${dies}`).kill();
      cluster.nodes.delete(`storage${dies}`);
      assert.deepEqual(await client.ask("dump"), dump);
      await client.ask("set", { key: "counter", value: 99 });
      // What it has missed, it gets from the other one.
      const maker = makers[dies - 1];
      assert(maker !== undefined);
      cluster.startStorage({ number: dies, maker });
      await cluster.waitForCtl(
        ["print", "pt"],
        (stdout) => stdout.match(/UP_TO_DATE/g)?.length === 24,
      );
      const other = `storage${3 - dies}`;
      await cluster.node(other).kill();
      cluster.nodes.delete(other);
      assert.equal(await client.ask("get", { key: "counter" }), 99);
      await client.ask("set", { key: "counter", value: 100 });
    });
}

/** A database that one kind of storage has is refused by the other. */
function excludes(holder: Maker, other: Maker) {
  return () =>
    inDirectory(async (directory) => {
      await using server = await Mariadb.start();
      const database = await databaseOptions(server, "InnoDB");
      const name = "holder";
      await using _cluster = await Cluster.start({
        ...{ directory, name, master: holder, storages: [holder], ctl: real },
        databases: [database],
      });
      const [program = "", ...words] = other.command("storage");
      const { code, stderr } = await run(
        [program, ...words, "--cluster", name, "--masters", "127.0.0.1:9", ...database],
        { name: "a second storage", timeoutMs: SECOND_MS },
      );
      assert.equal(code, 1, stderr);
      assert.match(stderr, /database is locked/);
    });
}

const NEO_TO_OURS = { writer: real, reader: ours };
const OURS_TO_NEO = { writer: ours, reader: real };
const INNODB = { engine: "InnoDB", storages: 1 } as const;
const ROCKSDB = { engine: "RocksDB", storages: 1 } as const;

mariadbGroup("databases on MariaDB", {
  "InnoDB, NEO's, then ours": takeOverOn({ ...NEO_TO_OURS, ...INNODB, crash: false }),
  "InnoDB, NEO's, then ours, crashed": takeOverOn({ ...NEO_TO_OURS, ...INNODB, crash: true }),
  "InnoDB, ours, then NEO's": takeOverOn({ ...OURS_TO_NEO, ...INNODB, crash: false }),
  "InnoDB, ours, then NEO's, crashed": takeOverOn({ ...OURS_TO_NEO, ...INNODB, crash: true }),
  "RocksDB, NEO's, then ours": takeOverOn({ ...NEO_TO_OURS, ...ROCKSDB, crash: false }),
  "RocksDB, NEO's, then ours, crashed": takeOverOn({ ...NEO_TO_OURS, ...ROCKSDB, crash: true }),
  "RocksDB, ours, then NEO's": takeOverOn({ ...OURS_TO_NEO, ...ROCKSDB, crash: false }),
  "RocksDB, ours, then NEO's, crashed": takeOverOn({ ...OURS_TO_NEO, ...ROCKSDB, crash: true }),
  "a database that NEO's storage has": excludes(real, ours),
  "a database that our storage has": excludes(ours, real),
  "our InnoDB beside NEO's SQLite": replicates([ours, real], "InnoDB", 1),
  "NEO's RocksDB beside our SQLite": replicates([real, ours], "RocksDB", 2),
});
