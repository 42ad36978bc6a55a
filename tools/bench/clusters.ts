/**
 * The clusters under measurement: one master and one storage node each, NEO 1.11's or ours, started with the same options.
 */

import { join } from "node:path";
import { V8_FLAGS } from "../v8_flags.ts";
import { cpuMs, residentBytes } from "./procfs.ts";
import { Child, type Program } from "./processes.ts";

const PARTITIONS = 12;
/** How often it is tried whether a node listens. */
const LISTENING_POLL_MS = 20;
const VENV_DEFAULT = "neo-ts/peer-venv";

export type Role = "master" | "storage";

/** Whose nodes a cluster is made of. */
export interface Make {
  readonly label: string;
  program(role: Role): Program;
  /** What copies all of a cluster to a FileStorage: `neo export`, or neomigrate. */
  exporter(cluster: Cluster, path: string): Program;
  /** The benchmark's directory whose client of ours works on it; null where none does. */
  readonly client: string | null;
}

const HERE = import.meta.dirname ?? ".";

/** Our own nodes, by the `neo` command. */
export const OURS: Make = checkoutMake("NEO/ts", join(HERE, "..", ".."));

/** The nodes and the client of a checkout of this project. */
export function checkoutMake(label: string, directory: string): Make {
  const tools = join(directory, "tools");
  return {
    label,
    program: (role) => ({
      command: Deno.execPath(),
      args: ["run", "-A", V8_FLAGS, join(tools, "neo.ts"), role],
    }),
    exporter: ({ url }, path) => ({
      command: Deno.execPath(),
      args: ["run", "-A", join(tools, "neo.ts"), "export", "-q", url, path],
    }),
    client: join(tools, "bench"),
  };
}

/** NEO 1.11's nodes, by the commands of its virtual environment. */
export function peerMake(venv: string): Make {
  return {
    label: "NEO 1.11",
    program: (role) => ({ command: join(venv, "bin", `neo${role}`), args: [] }),
    exporter: ({ master, name }, path) => ({
      command: join(venv, "bin", "neomigrate"),
      args: ["-q", "-c", name, master, path],
    }),
    client: null,
  };
}

/**
 * The virtual environment of NEO 1.11: NEO_PEER_VENV, or the usual place. `installed` tells
 * whether NEO is there.
 */
export function peerVenv(): { readonly path: string; readonly installed: boolean } {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? ".", ".cache");
  const path = Deno.env.get("NEO_PEER_VENV") || join(cache, VENV_DEFAULT);
  return { path, installed: isFile(join(path, "bin", "neomaster")) };
}

/** The name of all clusters, so that one may go on with another one's database. */
const NAME = "bench";

/** A running cluster. */
export class Cluster {
  readonly name = NAME;

  private constructor(
    readonly make: Make,
    readonly master: string,
    readonly nodes: Readonly<Record<Role, Child>>,
  ) {}

  /**
   * Starts the nodes with their logs in `directory`, and the storage on the database that its
   * options `database` name; clients then wait for the cluster.
   */
  static start(make: Make, directory: string, database: readonly string[]): Cluster {
    const starter = new Starter(make, directory);
    const nodes = { master: starter.master(), storage: starter.storage(database) };
    return new Cluster(make, starter.address, nodes);
  }

  /** As {@link start}, but the storage comes when the master is there, and need not wait for it. */
  static async startInTurn(
    make: Make,
    directory: string,
    database: readonly string[],
  ): Promise<Cluster> {
    const starter = new Starter(make, directory);
    const master = starter.master();
    await listening(starter.address, master);
    return new Cluster(make, starter.address, { master, storage: starter.storage(database) });
  }

  /** The cluster as our client names it. */
  get url(): string {
    return `neo://${this.name}@${this.master}`;
  }

  /** CPU time used so far by each node, in milliseconds. Throws when a node is gone. */
  cpuMs(): Record<Role, number> {
    return this.#each(cpuMs);
  }

  /** Resident memory of each node, in bytes. Throws when a node is gone. */
  residentBytes(): Record<Role, number> {
    return this.#each(residentBytes);
  }

  get isRunning(): boolean {
    return this.nodes.master.isRunning && this.nodes.storage.isRunning;
  }

  /** Throws a BenchError when a node is gone. */
  assertRunning(): void {
    this.nodes.master.assertRunning();
    this.nodes.storage.assertRunning();
  }

  async stop(): Promise<void> {
    await this.nodes.master.terminate();
    await this.nodes.storage.terminate();
  }

  /** Ends the nodes at once, without waiting for it. */
  kill(): void {
    this.nodes.master.kill();
    this.nodes.storage.kill();
  }

  #each(ask: (pid: number) => number): Record<Role, number> {
    this.assertRunning();
    return { master: ask(this.nodes.master.pid), storage: ask(this.nodes.storage.pid) };
  }
}

/** Starts nodes of one cluster. */
class Starter {
  readonly address = `127.0.0.1:${freePort()}`;

  constructor(readonly make: Make, readonly directory: string) {}

  master(): Child {
    return this.#run("master", "-b", this.address, "-p", String(PARTITIONS), "-A", "1");
  }

  storage(database: readonly string[]): Child {
    return this.#run("storage", ...database);
  }

  #run(role: Role, ...options: string[]): Child {
    const program = this.make.program(role);
    const common = ["-c", NAME, "-m", this.address, "-l", join(this.directory, `${role}.log`)];
    const args = [...program.args, ...common, ...options];
    const child = new Child(`${this.make.label} ${role}`, { ...program, args });
    child.ignoreOutput();
    return child;
  }
}

/** Waits until a node listens at its address. Throws when it ends instead. */
async function listening(address: string, node: Child): Promise<void> {
  const [hostname = "", port] = address.split(":");
  for (;;) {
    node.assertRunning();
    try {
      (await Deno.connect({ hostname, port: Number(port) })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LISTENING_POLL_MS));
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
