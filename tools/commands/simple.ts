/**
 * `neo simple`: a cluster to throw away, for tests, with neosimple's options: one admin, some
 * masters and a storage for each database, on ports that happen to be free. Unlike `neo cluster` it
 * neither starts operation nor stops in order: whoever calls it does what he tests.
 */

import { addressText } from "../../nodes/cluster/addresses.ts";
import { ConfigurationError, NeoError } from "../../nodes/errors.ts";
import type { LogSink } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Child } from "../cluster/child.ts";
import { freePorts, randomNumbers } from "../cluster/free_ports.ts";
import { eraseFile, makeDatabase } from "../cluster/throwaway_databases.ts";
import { untilComplete, type Watched } from "../cluster/watch.ts";
import { expandHome, messageOf, readFile } from "../files.ts";
import { readImporterFile } from "../importer_file.ts";
import { stderrLog } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { ownDatabase } from "./storage.ts";

const ADAPTERS = ["MySQL", "SQLite"] as const;
const ADDRESS_TYPES: Readonly<Record<string, string>> = { IPv4: "127.0.0.1", IPv6: "::1" };

/** Names of clusters that are not given end with a number up to this one. */
const MAX_NAME_NUMBER = 100;

function commandSpec(): CommandSpec {
  return {
    name: "neo simple",
    description: "Starts a cluster for tests, one storage node for each database, and ends it on " +
      "Ctrl-C. `neo ctl -a <address of the admin> start` makes it operational.",
    arguments: "<db...>",
    interspersed: true,
    options: [
      { flags: "--seed <text>", kind: "text", help: "draw ports and the name from this text" },
      {
        flags: "--adapter <adapter>",
        kind: "text",
        help: "kind of the databases; that of $NEO_TESTS_ADAPTER if set",
        choices: ADAPTERS,
        default: Deno.env.get("NEO_TESTS_ADAPTER") || "MySQL",
      },
      { flags: "--partitions <count>", kind: "integer", help: "partitions", default: "1" },
      {
        flags: "--replicas <count>",
        kind: "integer",
        help: "copies of each partition besides the first",
        default: "0",
      },
      { flags: "--master_count <count>", kind: "integer", help: "master nodes", default: "1" },
      { flags: "--name <name>", kind: "text", help: "the cluster's name; a random one if absent" },
      { flags: "--temp_dir <directory>", kind: "path", help: "where logs and SQLite files are" },
      {
        flags: "--address_type <type>",
        kind: "text",
        help: "kind of loopback address to listen on",
        choices: Object.keys(ADDRESS_TYPES),
        default: "IPv4",
      },
      { flags: "--bind_ip <ip>", kind: "text", help: "address to listen on instead" },
      { flags: "--db_user <user>", kind: "text", help: "MySQL user", default: "test" },
      {
        flags: "--db_password <password>",
        kind: "text",
        help: "MySQL password",
        default: "",
        mayBeEmpty: true,
      },
      {
        flags: "--importer <file>",
        kind: "path",
        help: "an importer.conf: the only storage imports what it says",
      },
      { flags: "--clear_databases", kind: "flag", help: "erase the databases first" },
      { flags: "--logger", kind: "flag", help: "write log files in the temporary directory" },
      { flags: "--cleanup_on_delete", kind: "flag", help: "remove that directory in the end" },
    ],
    epilogue: "A db is a MySQL database, which is made if it is missing: its name, with the\n" +
      "path of the server's socket behind it unless that is where it is by default, and\n" +
      "perhaps with user@ or user:password@ before it; or it is the path of an SQLite\n" +
      "file, which without a slash is <temp_dir>/<db>.sqlite.",
  };
}

/** Runs the command. Returns the exit status. */
export async function runSimple(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(commandSpec(), args, readFile, expandHome);
  if (line === null) return 0;
  const directory = openDirectory(line.values.text("temp_dir"));
  const cluster = new SimpleCluster(line.values, line.arguments, directory);
  try {
    return await cluster.run();
  } finally {
    await cluster.end();
    if (line.values.flag("cleanup_on_delete")) Deno.removeSync(directory, { recursive: true });
  }
}

function openDirectory(given: string | undefined): string {
  try {
    if (given === undefined) {
      const made = Deno.makeTempDirSync({ prefix: "neo_" });
      console.log(`Using temp directory ${made}`);
      return made;
    }
    const directory = expandHome(given);
    Deno.mkdirSync(directory, { recursive: true });
    return directory;
  } catch (cause) {
    throw new ConfigurationError(`the temporary directory can't be made: ${messageOf(cause)}`, {
      cause,
    });
  }
}

class SimpleCluster {
  readonly #values: OptionValues;
  readonly #databases: readonly string[];
  readonly #directory: string;
  readonly #log: LogSink = stderrLog("INFO");
  readonly #children: Child[] = [];

  constructor(values: OptionValues, databases: readonly string[], directory: string) {
    this.#values = values;
    this.#databases = databases;
    this.#directory = directory;
  }

  /** Resolves with the exit status once a node or the user has ended it. */
  async run(): Promise<number> {
    const interrupted = new Promise<null>((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        Deno.addSignalListener(signal, () => resolve(null));
      }
    });
    const random = randomNumbers(this.#values.text("seed"));
    const host = this.#values.text("bind_ip") ??
      ADDRESS_TYPES[this.#values.requiredText("address_type")] ?? "127.0.0.1";
    const masterCount = this.#values.integer("master_count") ?? 1;
    if (masterCount < 1) throw new ConfigurationError("expected at least one master");
    const [adminPort = 0, ...masterPorts] = freePorts(1 + masterCount, host, random);
    const admin = { host, port: adminPort };
    const masters = masterPorts.map((port) => ({ host, port }));
    const cluster = this.#values.text("name") ??
      `neo_${Math.floor(random() * (MAX_NAME_NUMBER + 1))}`;
    const storages = await this.#storages();
    const common = ["--cluster", cluster, "--masters", masters.map(addressText).join(" ")];
    this.#start("admin", ["admin", ...common, "--bind", addressText(admin)]);
    for (const [number, bind] of masters.entries()) {
      const counts = ["partitions", "replicas"]
        .flatMap((name) => [`--${name}`, this.#values.requiredText(name)]);
      const place = [...common, "--bind", addressText(bind)];
      this.#start(`master_${number}`, ["master", ...place, ...counts]);
    }
    for (const [number, database] of storages.entries()) {
      const bind = addressText({ host, port: 0 });
      this.#start(`storage_${number}`, ["storage", ...common, "--bind", bind, ...database]);
    }
    const ended = this.#children.map(async (child) => ({ child, status: await child.ended }));
    const outcome = Promise.race([interrupted, firstFailure(ended)]);
    const abort = new AbortController();
    const told = this.#tell({ cluster, masters, admin }, abort.signal);
    // It ends with the nodes or the user, whether everything was told by then or not.
    const first = await Promise.race([outcome, told.then(() => outcome)]);
    abort.abort();
    if (first === null) return 0;
    const reason = first.child.lines.at(-1) ?? `exit status ${first.status}`;
    throw new ConfigurationError(`${first.child.name} has ended: ${reason}`);
  }

  /** Tells what the cluster has come to. */
  async #tell(cluster: Watched, signal: AbortSignal): Promise<void> {
    this.#info(`Nodes started ... (neo ctl -a ${addressText(cluster.admin)} start)`);
    try {
      await untilComplete(cluster, signal);
      this.#info("Cluster running ...");
    } catch (error) {
      // It is the nodes that matter, and they go on.
      if (!(error instanceof NeoError)) throw error;
      this.#info(`it can't be told whether the cluster runs: ${error.message}`);
    }
  }

  /** Ends all nodes at once. */
  async end(): Promise<void> {
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map((child) => child.ended));
  }

  /** Makes the databases. Resolves with the options of each storage that say where its data are. */
  async #storages(): Promise<string[][]> {
    const importer = this.#values.text("importer");
    const adapter = this.#values.requiredText("adapter");
    const erase = this.#values.flag("clear_databases");
    const names = this.#databases.map((name) => this.#database(name));
    // A mistake in the last one shall not be found when the first one is erased.
    const databases = importer === undefined
      ? names.map((database) => ownDatabase({ adapter, database, engine: undefined, wait: 0 }))
      : [ownDatabase(readImporterFile(importer).own)];
    for (const database of databases) {
      if (database.adapter === "MySQL") {
        await makeDatabase(createNodeHost({ log: this.#log }), database.address, { erase });
      } else if (erase) eraseFile(database.path);
    }
    if (importer !== undefined) return [["--adapter", "Importer", "--database", importer]];
    return names.map((name) => ["--adapter", adapter, "--database", name]);
  }

  #database(name: string): string {
    if (this.#values.requiredText("adapter") === "SQLite") {
      return name.includes("/") ? name : `${this.#directory}/${name}.sqlite`;
    }
    if (name.includes("@")) return name;
    return `${this.#values.text("db_user")}:${this.#values.text("db_password")}@${name}`;
  }

  #start(name: string, args: readonly string[]): void {
    const log = this.#values.flag("logger") ? ["--logfile", `${this.#directory}/${name}.log`] : [];
    const all = [...args, ...log];
    this.#info(`neo ${all.join(" ")}`);
    this.#children.push(new Child(name, all, (line) => console.error(line)));
  }

  #info(message: string): void {
    this.#log.log("INFO", "simple", message);
  }
}

/** A node that failed; or null when all have ended well, since the cluster was stopped. */
async function firstFailure<T extends { readonly status: number }>(
  ended: readonly Promise<T>[],
): Promise<T | null> {
  const failed = ended.map(async (end) => {
    const found = await end;
    return found.status === 0 ? Promise.reject() : found;
  });
  return await Promise.any(failed).catch(() => null);
}
