/** `neo storage`: runs a storage node, with neostorage's options. */

import { ConfigurationError } from "../../nodes/errors.ts";
import { resetStorage, startStorage, type StorageOptions } from "../../nodes/storage/node.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { expandHome, readFile } from "../files.ts";
import { logSink } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { runNode } from "../run_node.ts";
import { nodeOptions, nodeOptionSpecs, type Resolve } from "./common.ts";

const SPEC: CommandSpec = {
  name: "neo storage",
  description: "Runs a storage node: it keeps objects and transactions in a database.",
  section: "storage",
  options: [
    ...nodeOptionSpecs({ section: "storage", masters: "127.0.0.1:10000", bind: "127.0.0.1" }),
    {
      flags: "-a, --adapter <adapter>",
      kind: "text",
      help: "kind of database; this version has SQLite",
      choices: ["Importer", "MySQL", "SQLite"],
      default: "MySQL",
    },
    {
      flags: "-d, --database <database>",
      kind: "text",
      help: "the database: the path of an SQLite file",
      required: true,
    },
    {
      flags: "-w, --wait <seconds>",
      kind: "number",
      help: "how long to wait for the database server, if there is one",
      default: "0",
    },
    {
      flags: "--disable-drop-partitions",
      kind: "flag",
      help: "keep the rows of partitions that are no longer assigned",
    },
    { flags: "-e, --engine <engine>", kind: "text", help: "engine of MySQL tables" },
    { flags: "--dedup", kind: "flag", help: "store equal data once (for a new database)" },
    { flags: "--reset", kind: "flag", help: "erase the database, make a new one, and exit" },
  ],
};

/** Runs the command. Returns the exit status. */
export async function runStorage(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values } = line;
  checkAdapter(values);
  if (values.flag("reset")) {
    const host = createNodeHost({ log: logSink(values) });
    await resetStorage(host, await storageOptions(values, (name) => host.resolve(name)));
    return 0;
  }
  return await runNode(values, async (host) => {
    return startStorage(host, await storageOptions(values, (name) => host.resolve(name)));
  });
}

function checkAdapter(values: OptionValues): void {
  const adapter = values.requiredText("adapter");
  if (adapter !== "SQLite") {
    throw new ConfigurationError(
      `the adapter ${adapter} is not part of this version: use \`-a SQLite -d <file>\``,
    );
  }
  const engine = values.text("engine");
  if (engine !== undefined) {
    throw new ConfigurationError(`Unsupported engine: '${engine}' not in ()`);
  }
}

async function storageOptions(values: OptionValues, resolve: Resolve): Promise<StorageOptions> {
  return {
    ...await nodeOptions(values, { bindPort: 0 }, resolve),
    database: expandHome(values.requiredText("database")),
    dedup: values.flag("dedup"),
    dropPartitions: !values.flag("disable-drop-partitions"),
  };
}
