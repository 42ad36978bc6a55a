/**
 * A cluster that can lose nodes: several masters and storages, NEO 1.11's or ours, with the same
 * options. An admin of ours in this process follows it, and tells and orders the same of both.
 */

import { join } from "node:path";
import * as p from "../../../gen/packets.ts";
import { startAdmin } from "../../../nodes/admin/node.ts";
import type { Nid } from "../../../nodes/codec/ids.ts";
import { addressText } from "../../../nodes/cluster/addresses.ts";
import type { RunningNode } from "../../../nodes/cluster/node.ts";
import type { RequestType } from "../../../nodes/codec/packet.ts";
import { NeoError } from "../../../nodes/errors.ts";
import type { Address } from "../../../nodes/host/host.ts";
import { createNodeHost } from "../../../nodes/host/node.ts";
import { AdminSession } from "../../ctl/admin_session.ts";
import type { Make, Role } from "../clusters.ts";
import { BenchError, Child } from "../processes.ts";

export const CLUSTER = "redundant";
const PARTITIONS = 12;
const LOOK_MS = 20;
const LIMIT_MS = 120_000;

export interface RedundantOptions {
  readonly make: Make;
  readonly directory: string;
  readonly masters: number;
  readonly storages: number;
  readonly replicas: number;
}

export class RedundantCluster {
  readonly nodes = new Map<string, Child>();
  readonly #options: RedundantOptions;
  readonly #masters: Address[] = [];
  readonly #host = createNodeHost({ log: { log: () => {} } });
  #admin: RunningNode | null = null;

  constructor(options: RedundantOptions) {
    this.#options = options;
    for (let count = 0; count < options.masters; count++) {
      this.#masters.push({ host: "127.0.0.1", port: freePort() });
    }
  }

  get make(): Make {
    return this.#options.make;
  }

  /** The masters' addresses, as options take them. */
  get masters(): string {
    return this.#masters.map(addressText).join(" ");
  }

  get url(): string {
    return `neo://${CLUSTER}@${this.#masters.map(addressText).join(",")}`;
  }

  /** Starts all nodes, and waits until the cluster is running. The first master is the primary. */
  async start(): Promise<void> {
    const { storages, masters } = this.#options;
    this.startMaster(1);
    this.#admin = await startAdmin(this.#host, {
      cluster: CLUSTER,
      masters: this.#masters,
      bind: { host: "127.0.0.1", port: 0 },
      tls: null,
      dynamicMasterList: null,
      nid: null,
    });
    for (let number = 1; number <= storages; number++) this.startStorage(number);
    await this.untilComplete();
    for (let number = 2; number <= masters; number++) this.startMaster(number);
    await this.#until(async () => {
      const running = (await this.#nodes("MASTER")).filter(({ state }) => state === "RUNNING");
      return running.length === masters;
    }, "all masters to run");
  }

  startMaster(number: number): void {
    const { replicas, storages } = this.#options;
    const address = this.#masters[number - 1];
    if (address === undefined) throw new RangeError(`there is no master ${number}`);
    const counts = ["-p", `${PARTITIONS}`, "-r", `${replicas}`, "-A", `${storages}`];
    this.#start("master", number, ["-b", addressText(address), ...counts]);
  }

  startStorage(number: number): void {
    this.#start("storage", number, ["-a", "SQLite", "-d", this.database(number)]);
  }

  database(storage: number): string {
    return join(this.#options.directory, `storage${storage}.sqlite`);
  }

  #start(role: Role, number: number, options: readonly string[]): void {
    const { make, directory } = this.#options;
    const name = `${role}${number}`;
    const program = make.program(role);
    const common = ["-c", CLUSTER, "-m", this.masters, "-l", join(directory, `${name}.log`)];
    const args = [...program.args, ...common, ...options];
    const child = new Child(`${make.label} ${name}`, { ...program, args });
    void child.ignoreOutput();
    this.nodes.set(name, child);
  }

  /** Ends a node with SIGKILL. Returns the time at which it was sent, in milliseconds. */
  kill(name: string): number {
    const node = this.node(name);
    const nowMs = Date.now();
    node.kill();
    return nowMs;
  }

  node(name: string): Child {
    const node = this.nodes.get(name);
    if (node === undefined) throw new RangeError(`there is no ${name}`);
    return node;
  }

  /** Waits until each partition has all its copies, complete. */
  async untilComplete(): Promise<void> {
    const copies = this.#options.replicas + 1;
    await this.#until(async () => {
      const { state } = await this.ask(p.AskClusterState, {});
      const all = { minOffset: 0, maxOffset: 0, nid: null };
      const { rows } = await this.ask(p.AskPartitionList, all);
      return state === "RUNNING" && rows.length === PARTITIONS &&
        rows.every(({ cells }) =>
          cells.length === copies && cells.every(({ state }) => state === "UP_TO_DATE")
        );
    }, "all cells to be complete");
  }

  /** Waits until a storage is in a state. Returns its id. */
  async untilStorage(state: "DOWN" | "PENDING"): Promise<Nid> {
    let found: Nid | null = null;
    await this.#until(async () => {
      const nodes = await this.#nodes("STORAGE");
      found = nodes.find((node) => node.state === state)?.nid ?? null;
      return found !== null;
    }, `a storage that is ${state}`);
    if (found === null) throw new BenchError(`expected a storage that is ${state}, found none`);
    return found;
  }

  async #nodes(nodeType: "MASTER" | "STORAGE"): Promise<readonly p.NodeInformation[]> {
    return (await this.ask(p.AskNodeList, { nodeType })).nodes;
  }

  async #until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    for (const endMs = performance.now() + LIMIT_MS;;) {
      // The admin refuses while it has no primary master.
      if (await isSo().catch(falseUnlessDefect)) return;
      if (performance.now() > endMs) {
        throw new BenchError(`${this.make.label}: expected ${what} in ${LIMIT_MS / 1000} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Asks the admin, or gives it an order. Rejects with a NeoError when it refuses. */
  async ask<T, A>(type: RequestType<T, A, p.Codecs>, packet: T): Promise<A> {
    const admin = this.#admin?.address;
    if (admin === undefined) throw new BenchError("expected an admin, found none");
    const network = this.#host.network(null);
    const session = new AdminSession({ host: this.#host, network, admin });
    try {
      return await session.ask(type, packet);
    } finally {
      session.close();
    }
  }

  async stop(): Promise<void> {
    await this.#admin?.stop();
    for (const node of this.nodes.values()) node.kill();
    await Promise.all([...this.nodes.values()].map((node) => node.terminate()));
  }
}

function falseUnlessDefect(error: unknown): false {
  if (error instanceof NeoError) return false;
  throw error;
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
