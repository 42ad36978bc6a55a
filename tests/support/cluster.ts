/**
 * Clusters of real processes on loopback, for tests. Each node comes from a maker, so that the
 * same test runs on this project's nodes, on NEO's own, and on any mixture. A cluster lives in one
 * directory, and its databases can be opened by another cluster afterwards. Whatever happens,
 * disposing of a cluster ends all its processes.
 */
import { fileURLToPath } from "node:url";
import type { TlsFiles } from "./certificates.ts";
import { freePorts } from "./ports.ts";
import { Child, type Output, run } from "./process.ts";

export type Role = "master" | "storage" | "admin" | "ctl" | "migrate";

/** Who makes a node: the words of the command for each role, to which options are appended. */
export interface Maker {
  readonly name: string;
  command(role: Role): readonly string[];
}

/** The root of this project. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** This project's nodes, run from their sources. */
export const ours: Maker = {
  name: "ours",
  command: (role) => [
    Deno.execPath(),
    "run",
    "-A",
    `--config=${ROOT}deno.json`,
    `${ROOT}tools/neo.ts`,
    role,
  ],
};

export interface ClusterOptions {
  /** Where databases and log files are; exists already. */
  readonly directory: string;
  readonly master: Maker;
  /** The makers of further masters, of which the first one in operation is the primary. */
  readonly spares?: readonly Maker[];
  readonly storages: readonly Maker[];
  /** The maker of the admin node; the master's where absent. */
  readonly admin?: Maker;
  /** The maker of the control command that watches the cluster. */
  readonly ctl: Maker;
  /** The cluster's name, which its databases remember. */
  readonly name?: string;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly tls?: TlsFiles | null;
  /** Whether to start operation and wait for it; true where absent. */
  readonly operational?: boolean;
  /** Whether each storage listens where it did before when it comes back; false where absent. */
  readonly storagesStay?: boolean;
  /** The importer.conf of the only storage, where it imports. */
  readonly importer?: string;
  /** The databases of storages, from the first on; SQLite files in the directory where absent. */
  readonly databases?: readonly DatabaseOptions[];
}

/** What a storage is told of its database: an adapter and what that needs. */
export type DatabaseOptions = readonly string[];

export interface StorageOptions {
  /** From 1 on: names the process and its database. */
  readonly number: number;
  readonly maker: Maker;
  /** The cluster's TLS files where absent. */
  readonly tls?: TlsFiles | null;
}

/** How a node was started, but for its maker. */
interface Place {
  readonly role: Role;
  readonly tls: TlsFiles | null;
  readonly args: readonly string[];
}

/** How long a cluster may take to reach a state. */
const STATE_MS = 30_000;
/** How long nodes may take to end when the cluster stops. */
const STOP_MS = 20_000;
/** How long one control command may take. */
const CTL_MS = 20_000;
/** The pause between two looks at something that tells no other process of its changes. */
const LOOK_MS = 40;

/** A running cluster. */
export class Cluster implements AsyncDisposable {
  readonly name: string;
  /** Of the master and its spares. */
  readonly masterAddresses: readonly string[];
  readonly adminAddress: string;
  readonly tls: TlsFiles | null;
  readonly nodes = new Map<string, Child>();
  readonly #options: ClusterOptions;
  /** By the names of nodes. */
  readonly #places = new Map<string, Place>();
  readonly #storagePorts: readonly number[];

  private constructor(options: ClusterOptions) {
    const masters = 1 + (options.spares?.length ?? 0);
    const storages = options.storagesStay === true ? options.storages.length : 0;
    const [adminPort, ...ports] = freePorts(1 + masters + storages);
    const masterPorts = ports.slice(0, masters);
    this.#storagePorts = ports.slice(masters);
    this.#options = options;
    this.name = options.name ?? "test";
    this.tls = options.tls ?? null;
    this.masterAddresses = masterPorts.map((port) => `127.0.0.1:${port}`);
    this.adminAddress = `127.0.0.1:${adminPort}`;
  }

  /** Starts all nodes; unless told otherwise, waits until the cluster is operational. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      await cluster.startNodes();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The maker of the master. */
  get master(): Maker {
    return this.#options.master;
  }

  /** The masters' addresses, as options take them. */
  get masters(): string {
    return this.masterAddresses.join(" ");
  }

  /** The node of that name: `master`, `spare1`, `admin`, `storage1`, … */
  node(name: string): Child {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name} among ${[...this.nodes.keys()]}`);
    return node;
  }

  /** Starts one storage node on its database in the cluster's directory. */
  startStorage(options: StorageOptions): Child {
    const { number, maker } = options;
    const { directory, importer, databases } = this.#options;
    const database = databases?.[number - 1] ?? [
      ...["--adapter", importer === undefined ? "SQLite" : "Importer"],
      ...["--database", importer ?? `${directory}/storage${number}.sqlite`],
    ];
    return this.#startNode(`storage${number}`, maker, {
      role: "storage",
      tls: options.tls === undefined ? this.tls : options.tls,
      args: [
        ...["--bind", `127.0.0.1:${this.#storagePorts[number - 1] ?? 0}`],
        ...database,
      ],
    });
  }

  /** Ends a node, and starts one of `maker` in its place, on the same database and address. */
  async replace(name: string, maker: Maker): Promise<void> {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`no ${name} among ${[...this.#places.keys()]}`);
    await this.node(name).terminate();
    this.#startNode(name, maker, place);
  }

  /** Runs the control command that was given with the cluster's options. */
  ctl(...words: string[]): Promise<Output> {
    return this.ctlOf(this.#options.ctl, ...words);
  }

  /** Runs the control command of `maker` on this cluster's admin node. */
  ctlOf(maker: Maker, ...words: string[]): Promise<Output> {
    const argv = [
      ...maker.command("ctl"),
      ...["--address", this.adminAddress],
      ...tlsOptions(this.tls),
      ...words,
    ];
    return run(argv, { name: `ctl ${words.join(" ")}`, timeoutMs: CTL_MS });
  }

  /** Waits until the control command `words` prints what `accept` is happy with; returns that. */
  async waitForCtl(words: readonly string[], accept: (stdout: string) => boolean): Promise<string> {
    const deadline = performance.now() + STATE_MS;
    for (;;) {
      const { stdout, stderr } = await this.ctl(...words);
      if (accept(stdout)) return stdout;
      const ended = [...this.nodes.values()].filter((node) => !node.running);
      if (ended.length > 0 || performance.now() > deadline) {
        throw new Error(`\`${words.join(" ")}\` last said: ${stdout}${stderr}\n${this.tails()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Waits until the cluster is in `state`. */
  async waitForState(state: string): Promise<void> {
    await this.waitForCtl(["print", "cluster"], (stdout) => stdout === `${state}\n`);
  }

  /** Starts all nodes again, after they have been stopped or killed, at the same addresses. */
  async startNodes(): Promise<void> {
    const { master, spares, storages, admin, operational } = this.#options;
    const wanted = operational ?? true;
    for (const [index, maker] of [master, ...spares ?? []].entries()) {
      const address = this.masterAddresses[index] ?? "";
      this.#startNode(index === 0 ? "master" : `spare${index}`, maker, {
        role: "master",
        tls: this.tls,
        args: [
          ...["--bind", address],
          ...["--partitions", String(this.#options.partitions ?? 1)],
          ...["--replicas", String(this.#options.replicas ?? 0)],
          ...(wanted ? ["--autostart", String(storages.length)] : []),
        ],
      });
      // A node that finds no master listening waits for a second: this saves that second.
      await this.#waitForListener(address);
    }
    for (const [index, maker] of storages.entries()) {
      this.startStorage({ number: index + 1, maker });
    }
    this.#startNode("admin", admin ?? master, {
      role: "admin",
      tls: this.tls,
      args: ["--bind", this.adminAddress],
    });
    if (wanted) await this.waitForState("RUNNING");
  }

  /** Stops the cluster as an operator does, and checks that every node ends with status 0. */
  async stop(): Promise<void> {
    const { stdout, stderr } = await this.ctl("set", "cluster", "STOPPING");
    if (stdout !== "Cluster state changed\n") throw new Error(`not stopped: ${stdout}${stderr}`);
    for (const node of this.nodes.values()) {
      const { code } = await node.waitForExit(STOP_MS);
      if (code !== 0) {
        throw new Error(`${node.name} ended with status ${code}, not 0\n${node.tail()}`);
      }
    }
    this.nodes.clear();
  }

  /** Ends every node at once with SIGKILL, as a power cut would. */
  async kill(): Promise<void> {
    for (const node of this.nodes.values()) node.signal("SIGKILL");
    await Promise.all([...this.nodes.values()].map((node) => node.exited));
    this.nodes.clear();
  }

  /** What all nodes have printed, for messages. */
  tails(): string {
    return [...this.nodes.values()].map((node) => node.tail()).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.terminate()));
    this.nodes.clear();
  }

  #startNode(name: string, maker: Maker, place: Place): Child {
    const argv = [
      ...maker.command(place.role),
      ...["--cluster", this.name, "--masters", this.masters],
      ...["--logfile", `${this.#options.directory}/${name}.${maker.name}.log`],
      ...tlsOptions(place.tls),
      ...place.args,
    ];
    const child = Child.start(argv, { name: `${name} (${maker.name})` });
    this.nodes.set(name, child);
    this.#places.set(name, place);
    return child;
  }

  async #waitForListener(address: string): Promise<void> {
    const [hostname = "", port] = address.split(":");
    const deadline = performance.now() + STATE_MS;
    for (;;) {
      try {
        (await Deno.connect({ hostname, port: Number(port) })).close();
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      }
      const alive = [...this.nodes.values()].every((node) => node.running);
      if (!alive || performance.now() > deadline) {
        throw new Error(`nobody listens on ${address}\n${this.tails()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

function tlsOptions(tls: TlsFiles | null): string[] {
  return tls === null ? [] : ["--ca", tls.ca, "--cert", tls.cert, "--key", tls.key];
}
