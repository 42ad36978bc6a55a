/** Databases of older releases of NEO on a MariaDB server: see old_databases.ts. */
import type { Engine } from "../../nodes/storage/backend/mysql/dialect.ts";
import { MariadbDatabase } from "../storage/databases.ts";
import { Mariadb } from "../support/mariadb.ts";
import { mariadbGroup } from "./mariadb.ts";
import { goOn, handBack, leave, upgradeBoth } from "./old_databases.ts";
import { inDirectory } from "./peer.ts";
import { keeps } from "./refused_databases.ts";
import { releaseGroup, type Version } from "./releases.ts";

/** One server for all, which starts when the first test needs it. */
let server: Promise<Mariadb> | null = null;
const started = () => server ??= Mariadb.start();
Deno.test.afterAll(async () => await (await server)?.[Symbol.asyncDispose]());

/** Everything that a storage of 1.11 would do with the databases of an older release. */
function takesOver(version: Version, engine: Engine, { big } = { big: false }) {
  return () =>
    inDirectory(async (directory) => {
      const running = await started();
      const databases = [
        await MariadbDatabase.create(running, engine),
        await MariadbDatabase.create(running, engine),
      ];
      const left = await leave(databases, { directory, version, big });
      await upgradeBoth(left);
      await handBack(left, directory, await goOn(left, directory));
    });
}

releaseGroup({
  group: "old databases on MariaDB",
  versions: ["1.8.1", "1.9", "1.10", "1.12.0"],
  register: mariadbGroup,
}, {
  "of NEO 1.8.1, InnoDB": takesOver("1.8.1", "InnoDB", { big: true }),
  "of NEO 1.9, InnoDB": takesOver("1.9", "InnoDB"),
  "of NEO 1.10, InnoDB": takesOver("1.10", "InnoDB"),
  "of NEO 1.12, InnoDB": takesOver("1.12.0", "InnoDB"),
  "of NEO 1.8.1, RocksDB": takesOver("1.8.1", "RocksDB"),
  "of NEO 1.9, RocksDB": takesOver("1.9", "RocksDB"),
  "of NEO 1.8.1, refused": () =>
    inDirectory(async (directory) => {
      const database = await MariadbDatabase.create(await started(), "InnoDB");
      await keeps(database, { directory, version: "1.8.1" });
    }),
});
