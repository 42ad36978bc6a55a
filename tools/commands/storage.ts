/** `neo storage`: runs a storage node, with neostorage's options. */

import { existsSync } from "node:fs";
import { ConfigurationError } from "../../nodes/errors.ts";
import { notMysqlAddress, parseMysqlAddress } from "../../nodes/storage/backend/mysql/address.ts";
import { type Engine, ENGINES } from "../../nodes/storage/backend/mysql/dialect.ts";
import type { DatabaseAddress, OwnDatabase } from "../../nodes/storage/backend/open.ts";
import { resetStorage, startStorage, type StorageOptions } from "../../nodes/storage/node.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { expandHome, readFile } from "../files.ts";
import { type OwnDatabaseText, readImporterFile } from "../importer_file.ts";
import { logSink } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { runNode } from "../run_node.ts";
import { type NodeCommand, nodeOptions, nodeOptionSpecs, type Resolve } from "./common.ts";

const SPEC: CommandSpec = {
  name: "neo storage",
  description: "Runs a storage node: it keeps objects and transactions in a database.",
  section: "storage",
  options: [
    ...nodeOptionSpecs({ section: "storage", masters: "127.0.0.1:10000", bind: "127.0.0.1" }),
    {
      flags: "-a, --adapter <adapter>",
      kind: "text",
      help: "kind of database",
      choices: ["Importer", "MySQL", "SQLite"],
      default: "MySQL",
    },
    {
      flags: "-d, --database <database>",
      kind: "text",
      help: "the database: [user[:password]@]database[/path/of/socket] of a MySQL or MariaDB " +
        "server, or the path of an SQLite file, or that of importer.conf",
      required: true,
    },
    {
      flags: "-w, --wait <seconds>",
      kind: "number",
      help: "how long to wait for the database server, if there is one; for ever where negative",
      default: "0",
    },
    {
      flags: "--disable-drop-partitions",
      kind: "flag",
      help: "keep the rows of partitions that are no longer assigned",
    },
    {
      flags: "-e, --engine <engine>",
      kind: "text",
      help: `engine of MySQL tables that are yet to be created: ${ENGINES.join(", ")}`,
    },
    { flags: "--dedup", kind: "flag", help: "store equal data once (for a new database)" },
    { flags: "--reset", kind: "flag", help: "erase the database, make a new one, and exit" },
  ],
};

/** What a storage node is started with. */
export const STORAGE = { spec: SPEC, options: storageOptions } satisfies NodeCommand;

/** Runs the command. Returns the exit status. */
export async function runStorage(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values } = line;
  if (values.flag("reset")) {
    const host = createNodeHost({ log: logSink(values) });
    await resetStorage(host, await storageOptions(values, (name) => host.resolve(name)));
    return 0;
  }
  return await runNode(values, async (host) => {
    return startStorage(host, await storageOptions(values, (name) => host.resolve(name)));
  });
}

async function storageOptions(values: OptionValues, resolve: Resolve): Promise<StorageOptions> {
  return {
    ...await nodeOptions(values, { bindPort: 0 }, resolve),
    database: databaseAddress(values),
    dedup: values.flag("dedup"),
    dropPartitions: !values.flag("disable-drop-partitions"),
  };
}

function databaseAddress(values: OptionValues): DatabaseAddress {
  const adapter = values.requiredText("adapter");
  const database = values.requiredText("database");
  const engine = values.text("engine");
  if (adapter !== "Importer") {
    return ownDatabase({ adapter, database, engine, wait: values.number("wait") ?? 0 });
  }
  if (engine !== undefined) throw noEngine(engine, adapter, "name the engine in importer.conf");
  const { importer, own } = readImporterFile(database);
  return { adapter, importer, database: ownDatabase(own) };
}

/** The database of a storage's own that texts name. Throws a ConfigurationError. */
export function ownDatabase({ adapter, database, engine, wait }: OwnDatabaseText): OwnDatabase {
  switch (adapter) {
    case "SQLite":
      if (engine !== undefined) {
        throw noEngine(engine, adapter, "leave the engine out, or choose the adapter MySQL");
      }
      return { adapter, path: expandHome(database) };
    case "MySQL": {
      const address = parseMysqlAddress(database);
      const socket = address.socket === null ? null : expandHome(address.socket);
      // By the form of connection strings, `storage.sqlite` names the socket `.sqlite`.
      const isFile = socket?.startsWith(".") && !socket.includes("/") && !existsSync(socket);
      if (isFile) throw notMysqlAddress(database);
      return {
        adapter,
        address: { ...address, socket },
        waitMs: wait * 1000,
        engine: engineOf(engine ?? "InnoDB"),
      };
    }
    default:
      throw new ConfigurationError(`expected the adapter MySQL or SQLite, found ${adapter}`);
  }
}

function engineOf(name: string): Engine {
  const engine = ENGINES.find((engine) => engine === name);
  if (engine !== undefined) return engine;
  const list = ENGINES.map((engine) => `'${engine}'`).join(", ");
  throw new ConfigurationError(`Unsupported engine: '${name}' not in (${list})`);
}

function noEngine(name: string, adapter: string, advice: string): ConfigurationError {
  return new ConfigurationError(
    `expected no engine, found engine '${name}': only MySQL and MariaDB servers have engines, ` +
      `and the adapter is ${adapter}: ${advice}`,
  );
}
