/**
 * `neo cluster`: a whole cluster on this machine, for development: one master, some storages and
 * an admin, each a process of its own. Its data stay in a directory.
 */

import { connect } from "../../mod.ts";
import { addressText, parseAddress } from "../../nodes/cluster/addresses.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import type { Address, ClientHost } from "../../nodes/host/host.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import { Child } from "../cluster/child.ts";
import { demonstrate } from "../cluster/demo.ts";
import { DEFAULTS, openSettings, type Settings } from "../cluster/settings.ts";
import { ctl } from "../ctl/ctl.ts";
import { expandHome, readFile } from "../files.ts";
import { LOG_LEVELS, stderrLog } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { TLS_OPTIONS, tlsIdentity } from "./common.ts";

/** How long the nodes may take to stop in order before they are ended. */
const STOP_TIMEOUT_MS = 20_000;

/** How long a cluster may take to run; recovery of a big database is a matter of seconds. */
const START_TIMEOUT_MS = 120_000;

const SPEC: CommandSpec = {
  name: "neo cluster",
  description: "Starts a cluster on this machine, for development; Ctrl-C stops it.",
  options: [
    {
      flags: "--data <directory>",
      kind: "path",
      help: "where the databases are, and stay",
      default: "data",
    },
    {
      flags: "--cluster <name>",
      kind: "text",
      help: `the cluster's name, '${DEFAULTS.cluster}' for a new one`,
    },
    {
      flags: "--storages <count>",
      kind: "integer",
      help: `storage nodes, ${DEFAULTS.storages} for a new cluster`,
    },
    {
      flags: "--partitions <count>",
      kind: "integer",
      help: `partitions, ${DEFAULTS.partitions} for a new cluster`,
    },
    {
      flags: "--replicas <count>",
      kind: "integer",
      help: "copies of each partition besides the first, 0 for a new cluster",
    },
    {
      flags: "--master <address>",
      kind: "text",
      help: "the master's address",
      default: "127.0.0.1:10000",
    },
    {
      flags: "--admin <address>",
      kind: "text",
      help: "the admin's address",
      default: "127.0.0.1:9999",
    },
    ...TLS_OPTIONS,
    {
      flags: "--log-level <level>",
      kind: "text",
      help: "least level of the nodes' log lines to show",
      choices: LOG_LEVELS,
      default: "WARNING",
    },
    { flags: "--demo", kind: "flag", help: "store an object and load it back" },
  ],
};

/** Runs the command. Returns the exit status. */
export async function runCluster(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values } = line;
  const directory = expandHome(values.requiredText("data"));
  const settings = openSettings(directory, {
    cluster: values.text("cluster"),
    partitions: values.integer("partitions"),
    replicas: values.integer("replicas"),
    storages: values.integer("storages"),
  });
  const cluster = new LocalCluster(values, settings, directory);
  return await cluster.run();
}

class LocalCluster {
  readonly #values: OptionValues;
  readonly #settings: Settings;
  readonly #directory: string;
  readonly #master: Address;
  readonly #admin: Address;
  readonly #children: Child[] = [];

  constructor(values: OptionValues, settings: Settings, directory: string) {
    this.#values = values;
    this.#settings = settings;
    this.#directory = directory;
    this.#master = parseAddress(values.requiredText("master"), 10000);
    this.#admin = parseAddress(values.requiredText("admin"), 9999);
  }

  async run(): Promise<number> {
    const abort = new AbortController();
    const interrupted = new Promise<void>((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        Deno.addSignalListener(signal, resolve);
      }
    });
    try {
      this.#start();
      const failed = this.#firstFailure();
      const ready = this.#whenRunning(abort.signal);
      const outcome = await Promise.race([ready, failed, interrupted]);
      if (outcome === "running") {
        console.log("Ctrl-C stops the cluster; its data stay in " + this.#directory);
        await Promise.race([failed, interrupted]);
      }
      return 0;
    } finally {
      abort.abort();
      await this.#stop();
    }
  }

  #start(): void {
    const { cluster, partitions, replicas, storages } = this.#settings;
    const master = addressText(this.#master);
    const common = [
      "-c",
      cluster,
      "-m",
      master,
      "--log-level",
      this.#values.requiredText("log-level"),
    ];
    for (const name of ["ca", "cert", "key"]) {
      const path = this.#values.text(name);
      if (path !== undefined) common.push(`--${name}`, path);
    }
    const counts = ["-p", `${partitions}`, "-r", `${replicas}`, "-A", `${storages}`];
    this.#spawn("master", ["master", ...common, "-b", master, ...counts]);
    for (let number = 1; number <= storages; number++) {
      const database = `${this.#directory}/storage-${number}.sqlite`;
      this.#spawn(`storage-${number}`, [
        "storage",
        ...common,
        "-b",
        this.#master.host.includes(":") ? `[${this.#master.host}]:0` : `${this.#master.host}:0`,
        "-a",
        "SQLite",
        "-d",
        database,
      ]);
    }
    this.#spawn("admin", ["admin", ...common, "-b", addressText(this.#admin)]);
  }

  #spawn(name: string, args: readonly string[]): void {
    this.#children.push(new Child(name, args, (line) => console.error(line)));
  }

  /** Rejects when a node ends that should not. */
  #firstFailure(): Promise<never> {
    return Promise.race(this.#children.map(async (child) => {
      const status = await child.ended;
      const reason = child.lines.at(-1) ?? `exit status ${status}`;
      throw new ConfigurationError(`${child.name} has ended: ${reason}`);
    }));
  }

  /** Resolves once a client is served. */
  async #whenRunning(signal: AbortSignal): Promise<"running"> {
    const { cluster } = this.#settings;
    const master = addressText(this.#master);
    const tls = tlsIdentity(this.#values);
    const url = `${tls === null ? "neo" : "neos"}://${cluster}@${master}`;
    const files = ["ca", "cert", "key"].map((name) => `${name}=${this.#values.text(name)}`);
    const full = tls === null ? url : `${url}?${files.join("&")}`;
    await using client = await connect(full, { signal, connectTimeoutMs: START_TIMEOUT_MS });
    console.log(`the cluster '${cluster}' is RUNNING`);
    console.log(`clients connect to        ${full}`);
    console.log(`Python clients            master_nodes="${master}", name="${cluster}"`);
    console.log(`neo ctl and neoctl        -a ${addressText(this.#admin)}`);
    if (this.#values.flag("demo")) await demonstrate(client, (line) => console.log(line));
    return "running";
  }

  /** Stops the cluster as an operator would, so that no replica falls behind. */
  async #stop(): Promise<void> {
    const host = createClientHost({ log: stderrLog("CRITICAL") });
    const ended = Promise.all(this.#children.map((child) => child.ended));
    const late = host.setTimer(STOP_TIMEOUT_MS, () => {
      for (const child of this.#children) child.kill();
    });
    // A cluster that does not hear of it, since it never ran, is stopped node by node.
    if (!await this.#stopInOrder(host)) { for (const child of this.#children) child.stop(); }
    await ended;
    late.cancel();
  }

  async #stopInOrder(host: ClientHost): Promise<boolean> {
    let told = false;
    const out = {
      print: (line: string) => void (told ||= line === "Cluster state changed"),
      error: () => {},
    };
    const network = host.network(tlsIdentity(this.#values));
    await ctl(host, network, this.#admin, ["set", "cluster", "STOPPING"], out);
    return told;
  }
}
