/**
 * The `neo` command: one way in to everything that is run from a shell. Also answers to the names
 * neomaster, neostorage, neoadmin, neoctl, neolog, neosimple and neomigrate, when an executable is linked
 * so.
 */

import process from "node:process";
import config from "../deno.json" with { type: "json" };
import { NeoError } from "../nodes/errors.ts";
import { messageOf } from "./files.ts";
import { UsageError } from "./options.ts";

/** A sub-command: returns the exit status. */
type Run = (args: readonly string[]) => Promise<number>;

interface Entry {
  readonly summary: string;
  load(): Promise<Run>;
}

// Each command is loaded only when it is called: a node starts without the others' code.
const COMMANDS: Readonly<Record<string, Entry>> = {
  cluster: {
    summary: "start a whole cluster on this machine, for development",
    load: async () => (await import("./commands/cluster.ts")).runCluster,
  },
  master: {
    summary: "run a master node (neomaster)",
    load: async () => (await import("./commands/master.ts")).runMaster,
  },
  storage: {
    summary: "run a storage node (neostorage)",
    load: async () => (await import("./commands/storage.ts")).runStorage,
  },
  admin: {
    summary: "run an admin node (neoadmin)",
    load: async () => (await import("./commands/admin.ts")).runAdmin,
  },
  ctl: {
    summary: "ask and steer a cluster through its admin node (neoctl)",
    load: async () => (await import("./commands/ctl.ts")).runControl,
  },
  "check-config": {
    summary: "tell what is wrong with a configuration file",
    load: async () => (await import("./commands/check_config.ts")).runCheckConfig,
  },
  log: {
    summary: "show the logs of nodes (neolog)",
    load: async () => (await import("./commands/log.ts")).runLog,
  },
  simple: {
    summary: "start a cluster to throw away, for tests (neosimple)",
    load: async () => (await import("./commands/simple.ts")).runSimple,
  },
  migrate: {
    summary: "copy a FileStorage to a cluster, or the reverse (neomigrate)",
    load: async () => (await import("./commands/migrate.ts")).runMigrate,
  },
  export: {
    summary: "write what a running cluster has to a FileStorage",
    load: async () => (await import("./commands/export.ts")).runExport,
  },
  backup: {
    summary: "write what was committed since the last backup of a cluster",
    load: async () => (await import("./commands/backup.ts")).runBackup,
  },
  verify: {
    summary: "check the files of a backup",
    load: async () => (await import("./commands/verify.ts")).runVerify,
  },
  restore: {
    summary: "bring a backup back",
    load: async () => (await import("./commands/restore.ts")).runRestore,
  },
  packet: {
    summary: "decode and encode packets of the protocol",
    load: async () => (await import("./commands/packet.ts")).runPackets,
  },
};

function help(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) =>
    `  ${name.padEnd(14)}${summary}`
  );
  return `Usage: neo <command> [options]

A distributed, transactional object store for ZODB and for TypeScript.

${rows.join("\n")}

\`neo <command> --help\` tells a command's options, \`neo --version\` the version.`;
}

/** Runs the command that `args` begin with. Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const [name = "--help", ...rest] = args;
  if (name === "help" && rest[0] !== undefined) return await main([rest[0], "--help"]);
  if (["-h", "--help", "help"].includes(name)) {
    console.log(help());
    return 0;
  }
  if (name === "--version") {
    console.log(`neo ${config.version}`);
    return 0;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    console.error(`neo: error: there is no command '${name}' (see neo --help)`);
    return 2;
  }
  try {
    return await (await entry.load())(rest);
  } catch (error) {
    if (!(error instanceof NeoError)) throw error;
    if (error instanceof UsageError) {
      console.error(`neo ${name}: error: ${error.message} (see neo ${name} --help)`);
      return 2;
    }
    console.error(`error: ${error.message}`);
    return 1;
  }
}

/** The arguments as if the command had been called `neo`: `neomaster -c x` is `master -c x`. */
export function argumentsFor(executable: string, args: readonly string[]): readonly string[] {
  const found = /^neo(master|storage|admin|ctl|log|simple|migrate)(\.exe)?$/.exec(
    executable.split(/[/\\]/).at(-1) ?? "",
  );
  return found?.[1] === undefined ? args : [found[1], ...args];
}

if (import.meta.main) {
  const executable = Deno.build.standalone ? process.argv0 : "";
  try {
    Deno.exit(await main(argumentsFor(executable, Deno.args)));
  } catch (error) {
    // Whatever is not of our family of errors is a defect: it is worth its stack in a report.
    console.error(`neo: defect: ${messageOf(error)}; please report it with what follows`);
    console.error(error instanceof Error ? error.stack : error);
    Deno.exit(1);
  }
}
