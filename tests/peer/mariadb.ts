/** A MariaDB server for tests with the real NEO, which needs its Python module `MySQLdb`. */
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import type { DatabaseOptions } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { isReady, peerGroup, venv } from "./peer.ts";

const PYTHON_MS = 60_000;

/** Why such tests can't be run; null where they can. */
async function missing(): Promise<string | null> {
  if (Mariadb.program === undefined) return NO_MARIADB;
  if (!isReady()) return null;
  const command = [`${venv()}/bin/python`, "-c", "import MySQLdb; MySQLdb.connect"];
  const { code } = await run(command, { name: "python", timeoutMs: PYTHON_MS });
  return code === 0
    ? null
    : "skipped: the peer's Python has no mysqlclient (Debian: libmariadb-dev)";
}

const reason = await missing();

/** Registers a group of tests that need the real NEO and a server. */
export function mariadbGroup(group: string, tests: Parameters<typeof peerGroup>[1]): void {
  if (reason === null) return peerGroup(group, tests);
  console.error(`${group}: ${reason}`);
  if (Deno.env.get("CI") === "true") throw new Error(`${group}: nothing may be skipped in CI`);
  for (const name of Object.keys(tests)) Deno.test.ignore(`${group}: ${name}`, () => {});
}

/** The options of a storage, ours or NEO's, for an empty database of a server. */
export async function databaseOptions(
  server: Mariadb,
  engine: "InnoDB" | "RocksDB",
): Promise<DatabaseOptions> {
  const { address: { database } } = await server.createDatabase(engine);
  const address = `root@${database}${server.socket}`;
  return ["--adapter", "MySQL", "--engine", engine, "--database", address];
}
