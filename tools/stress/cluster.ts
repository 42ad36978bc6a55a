/** A cluster of processes on loopback, each node but the admin behind a proxy. */

import { join } from "node:path";
import * as p from "../../gen/packets.ts";
import { addressText } from "../../nodes/cluster/addresses.ts";
import { NeoError } from "../../nodes/errors.ts";
import type { Address } from "../../nodes/host/host.ts";
import { freePorts } from "../../tests/support/ports.ts";
import { type ClusterView, Control } from "./control.ts";
import { ManagedNode, type Role } from "./managed_node.ts";
import type { StressOptions } from "./options.ts";
import { Proxy } from "./proxy.ts";

export const CLUSTER = "stress";

/** The pause between two looks at something that tells nobody of its changes. */
const LOOK_MS = 100;
/** How long a cluster may take to run for the first time. */
const START_MS = 60_000;

export class StressCluster {
  readonly nodes: ManagedNode[] = [];
  readonly #options: StressOptions;
  readonly #directory: string;
  readonly #proxies: Proxy[] = [];
  readonly #masters: Address[] = [];
  readonly #died = Promise.withResolvers<never>();
  #control: Control | null = null;

  private constructor(options: StressOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    // Who waits for nothing else does not hear of it.
    this.#died.promise.catch(() => {});
  }

  /** Makes the nodes, and starts none of them. */
  static async prepare(options: StressOptions, directory: string): Promise<StressCluster> {
    const cluster = new StressCluster(options, directory);
    const { masters, storages, replicas, partitions } = options;
    const ports = freePorts(2 * (masters + storages) + 1).values();
    const next = (): Address => ({ host: "127.0.0.1", port: ports.next().value ?? 0 });
    for (let count = 0; count < masters; count++) cluster.#masters.push(next());
    const counts = ["-p", `${partitions}`, "-r", `${replicas}`, "-A", `${storages}`];
    for (const [at, outer] of cluster.#masters.entries()) {
      await cluster.#add("master", at + 1, { outer, inner: next(), args: counts });
    }
    for (let number = 1; number <= storages; number++) {
      const args = ["-a", "SQLite", "-d", cluster.database(number)];
      await cluster.#add("storage", number, { outer: next(), inner: next(), args });
    }
    const admin = next();
    await cluster.#add("admin", 1, { outer: null, inner: admin, args: [] });
    cluster.#control = new Control(admin);
    return cluster;
  }

  async #add(role: Role, number: number, { outer, inner, args }: {
    readonly outer: Address | null;
    readonly inner: Address;
    readonly args: readonly string[];
  }): Promise<void> {
    const name = `${role}${number}`;
    const proxy = outer === null ? null : await Proxy.start({ outer, inner });
    if (proxy !== null) this.#proxies.push(proxy);
    this.nodes.push(
      new ManagedNode({
        name,
        role,
        inner,
        proxy,
        args: [
          ...["-c", CLUSTER, "-m", this.#masters.map(addressText).join(" ")],
          ...["-b", addressText(outer ?? inner), "--listen", addressText(inner)],
          ...["--log-level", "INFO", ...args],
        ],
        logFile: this.logFile(name),
        died: (node) =>
          this.#died.reject(new Error(`${node.name} has ended by itself:\n${node.tail()}`)),
      }),
    );
  }

  /** Rejects as soon as a node ends that should not. */
  get died(): Promise<never> {
    return this.#died.promise;
  }

  /** Where clients find it. */
  get url(): string {
    return `neo://${CLUSTER}@${this.#masters.map(addressText).join(",")}`;
  }

  get control(): Control {
    if (this.#control === null) throw new Error("the cluster has no admin yet");
    return this.#control;
  }

  database(storage: number): string {
    return join(this.#directory, `storage${storage}.sqlite`);
  }

  logFile(node: string): string {
    return join(this.#directory, `${node}.log`);
  }

  /** Starts all nodes, and waits until the cluster is whole. */
  async start(): Promise<void> {
    for (const node of this.nodes) node.start();
    await this.untilWhole(START_MS);
  }

  /** Whether a cluster is running, and each partition has all its copies, complete. */
  isWhole({ state, rows }: ClusterView): boolean {
    const { partitions, replicas } = this.#options;
    return state === "RUNNING" && rows.length === partitions &&
      rows.every(({ cells }) =>
        cells.length === replicas + 1 && cells.every((cell) => cell.state === "UP_TO_DATE")
      );
  }

  /** Waits until the cluster is whole. Rejects with an Error when that takes too long. */
  async untilWhole(timeoutMs: number): Promise<ClusterView> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const view = await Promise.race([this.control.view(), this.died]);
      if (this.isWhole(view)) return view;
      if (performance.now() > endMs) {
        const { state, rows } = view;
        throw new Error(
          `the cluster is not whole after ${timeoutMs / 1000} s: ` +
            `${state ?? "its admin is silent"}, ${this.wholeRows(rows)} of ${rows.length} ` +
            "partitions complete",
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** How many rows have all their copies, complete. */
  wholeRows(rows: readonly p.Row[]): number {
    const copies = this.#options.replicas + 1;
    return rows.filter(({ cells }) =>
      cells.filter(({ state }) => state === "UP_TO_DATE").length === copies
    ).length;
  }

  /** Stops it in order, as an operator does. Rejects when a node does not end. */
  async stop(): Promise<void> {
    const nodes = this.nodes.filter(({ role }) => role !== "admin");
    const ends = nodes.map((node) => node.ends());
    try {
      await this.control.ask(p.SetClusterState, { state: "STOPPING" });
    } catch (error) {
      // The admin may hear of the end of its master before it hears the answer.
      if (!(error instanceof NeoError)) throw error;
    }
    await Promise.all(ends);
    await this.kill();
  }

  /** Ends all that is left at once. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    for (const proxy of this.#proxies) proxy.close();
  }
}
