/**
 * Scenes of storages once more, on a MariaDB server instead of SQLite files: the tables are the
 * same, and so has to be everything that is seen of them.
 */

import type { Engine } from "../../nodes/storage/backend/mysql/dialect.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { useMariadb } from "./databases.ts";

/** Registers the tests of all scenes that are about what is in the database. */
export async function testOnMariadb(engine: Engine): Promise<void> {
  if (Mariadb.program === undefined) {
    Deno.test.ignore(`storages on MariaDB, ${engine}: ${NO_MARIADB}`, () => {});
    return;
  }
  const server = await Mariadb.start();
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  useMariadb(server, engine);
  await import("./backup.test.ts");
  await import("./commit.test.ts");
  await import("./life.test.ts");
  await import("./maintenance_slices.test.ts");
  await import("./outdated.test.ts");
  await import("./pack.test.ts");
  await import("./partition_table.test.ts");
  await import("./reads.test.ts");
  await import("./recovery.test.ts");
  await import("./replica_rows.test.ts");
  await import("./replication_feeding.test.ts");
  await import("./replication_receiving.test.ts");
  await import("./undo.test.ts");
}
