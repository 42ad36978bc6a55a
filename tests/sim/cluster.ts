/**
 * A cluster in a simulated world: masters, storages, an admin, clients, and a control tool. What
 * takes time either lets the world go on until it is done, for tests that do one thing after the
 * other, or is a promise (`launch`, `ask`, `comeTo…`), for what goes on side by side.
 */

import * as p from "../../gen/packets.ts";
import { startAdmin } from "../../nodes/admin/node.ts";
import { type Client, openClient } from "../../nodes/client/client.ts";
import type { ClientOptions } from "../../nodes/client/options.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { NodeOptions, RunningNode } from "../../nodes/cluster/node.ts";
import type { RequestType } from "../../nodes/codec/packet.ts";
import { NeoError } from "../../nodes/errors.ts";
import type { Address, NodeHost, SqlRow } from "../../nodes/host/host.ts";
import { startMaster } from "../../nodes/master/node.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import { Layout } from "./layout.ts";
import { type NodeEnd, RunningNodes } from "./running_nodes.ts";
import { DATABASE, rowsOn } from "./stopped.ts";
import { SimulatedWorld } from "./world.ts";

const CLUSTER = "simulated";
/** What the names of a backup's machines begin with. */
const BACKUP_PREFIX = "backup-";
const MASTER_PORT = 10_000;
const STORAGE_PORT = 20_000;
const ADMIN_PORT = 9_999;
const LOOK_MS = 200;
/** How long news take to come to the admin. */
const NEWS_MS = 500;
/** Virtual time that a cluster may take to come to a state. */
const WAIT_LIMIT_MS = 120_000;
/** How long somebody waits for an answer, and for all nodes to stop. */
const ANSWER_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 30_000;

export interface SimulatedClusterOptions {
  readonly seed: number;
  /** The cluster that this one can be a backup of; it lives in the same world. */
  readonly upstream?: SimulatedCluster;
  /** One where absent. */
  readonly masters?: number;
  readonly storages: number;
  readonly partitions: number;
  readonly replicas: number;
}

export class SimulatedCluster {
  readonly world: SimulatedWorld;
  readonly #options: SimulatedClusterOptions;
  readonly #nodes: RunningNodes;
  readonly #layout: Layout;
  readonly #prefix: string;
  #isCreated = false;

  private constructor(options: SimulatedClusterOptions) {
    const { upstream, seed, storages, masters = 1 } = options;
    this.#options = options;
    this.#prefix = upstream === undefined ? "" : BACKUP_PREFIX;
    this.#layout = new Layout({ prefix: this.#prefix, masters, storages });
    this.world = upstream?.world ?? new SimulatedWorld(seed);
    this.#nodes = new RunningNodes(this.world);
  }

  /** The cluster's name. */
  get name(): string {
    return `${this.#prefix}${CLUSTER}`;
  }

  /** Starts all nodes, and waits until the cluster is running and each cell is complete. */
  static async start(options: SimulatedClusterOptions): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(options);
    for (const name of cluster.names) await cluster.world.run(cluster.launch(name));
    await cluster.untilState("RUNNING");
    await cluster.untilComplete();
    cluster.#isCreated = true;
    return cluster;
  }

  /** The hosts of all nodes that the cluster should have. */
  get names(): readonly string[] {
    return this.#layout.names;
  }

  get masterNames(): readonly string[] {
    return this.#layout.masters;
  }

  get storageNames(): readonly string[] {
    return this.#layout.storages;
  }

  get adminName(): string {
    return this.#layout.admin;
  }

  get master(): Address {
    return this.#at(this.#layout.master, MASTER_PORT);
  }

  #at(name: string, port: number): Address {
    return { host: this.world.host(name).ip, port };
  }

  get admin(): Address {
    return this.#at(this.#layout.admin, ADMIN_PORT);
  }

  storage(number: number): Address {
    return this.#at(this.#layout.storage(number), STORAGE_PORT);
  }

  /** Whether a node was started and has not ended since. */
  isUp(name: string): boolean {
    return this.#nodes.has(name);
  }

  async startMaster(): Promise<void> {
    await this.world.run(this.launch(this.#layout.master));
  }

  async startStorage(number: number): Promise<void> {
    await this.world.run(this.launch(this.#layout.storage(number)));
  }

  /** Makes room for one more storage. Returns the name of its host. */
  addStorage(): string {
    return this.#layout.addStorage();
  }

  /** A storage is gone for good, with its disk; the cluster has to do without it. */
  destroy(name: string): void {
    this.#nodes.forget(name);
    this.#layout.remove(name);
    this.world.destroy(name);
  }

  /** How nodes ended, or did not start, that were neither stopped nor killed. */
  get ends(): readonly NodeEnd[] {
    return this.#nodes.ends;
  }

  /** A storage that has ended begins with nothing the next time, as with `--reset`. */
  reset(name: string): void {
    this.#nodes.forget(name);
    this.world.destroy(name);
  }

  /** Starts a node by the name of its host, unless it runs. */
  async launch(name: string): Promise<void> {
    await this.#nodes.launch(name, (host) => this.#starting(name, host));
  }

  /** Stops a node in order, as SIGTERM does. */
  async stopNode(name: string): Promise<void> {
    await this.#nodes.stop(name);
  }

  #starting(name: string, host: NodeHost): Promise<RunningNode> {
    const { partitions, replicas, storages } = this.#options;
    if (name === this.#layout.admin) return startAdmin(host, this.#nodeOptions(this.admin));
    if (this.masterNames.includes(name)) {
      const original = this.#options.upstream;
      const upstream = original === undefined ? null : original.#address();
      // Nobody wants another database, however many blank storages come first.
      const autostart = this.#isCreated ? null : storages;
      const options = { partitions, replicas, autostart, upstream };
      return startMaster(host, { ...this.#nodeOptions(this.#at(name, MASTER_PORT)), ...options });
    }
    return startStorage(host, {
      ...this.#nodeOptions(this.#at(name, STORAGE_PORT)),
      database: { adapter: "SQLite", path: DATABASE },
      dedup: false,
      dropPartitions: false,
    });
  }

  #nodeOptions(bind: Address): NodeOptions {
    return {
      cluster: this.name,
      masters: this.#masters(),
      bind,
      tls: null,
      dynamicMasterList: null,
      nid: null,
    };
  }

  #address() {
    return { cluster: this.name, masters: this.#masters() };
  }

  #masters(): Address[] {
    return this.masterNames.map((name) => this.#at(name, MASTER_PORT));
  }

  async client(name: string, options: ClientOptions = {}): Promise<Client> {
    const client = await this.world.run(this.open(name, options));
    if (client === undefined) throw new Error(`${name} was not opened`);
    return client;
  }

  /** Opens a client, while the world goes on. */
  open(name: string, options: ClientOptions = {}): Promise<Client> {
    const cluster = { ...this.#address(), tls: null };
    return openClient(this.world.host(name), { ...options, ...cluster });
  }

  /** Kills the machine of a node. */
  crash(name: string): void {
    this.#nodes.forget(name);
    this.world.crash(name);
  }

  /** Asks the admin something, as neoctl does. */
  async control<T, A>(type: RequestType<T, A, p.Codecs>, packet: T): Promise<A> {
    const host = this.world.host(this.#layout.control);
    const endpoint = new Endpoint({ host, network: host.network(null), fatal: () => {} });
    const connection = await endpoint.dial(this.admin, "A");
    try {
      connection.start(() => false);
      return await connection.ask(type, packet);
    } finally {
      connection.close();
    }
  }

  /** Asks the admin; undefined when it refuses, or does not answer. */
  async ask<T, A>(type: RequestType<T, A, p.Codecs>, packet: T): Promise<A | undefined> {
    try {
      const late = this.world.sleep(ANSWER_LIMIT_MS).then(() => undefined);
      return await Promise.race([this.control(type, packet), late]);
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      this.world.record("ctl", `${type.name}: ${error.message}`);
      return undefined;
    }
  }

  /** The partition table as the admin knows it; undefined when it knows none. */
  async table(): Promise<readonly p.Row[] | undefined> {
    const range = { minOffset: 0, maxOffset: 0, nid: null };
    return (await this.ask(p.AskPartitionList, range))?.rows;
  }

  /** The cluster's state as the admin knows it; undefined when it knows none. */
  async state(): Promise<p.ClusterState | null | undefined> {
    return (await this.ask(p.AskClusterState, {}))?.state;
  }

  async untilState(state: p.ClusterState): Promise<void> {
    await this.world.run(this.comeTo(async () => await this.state() === state));
  }

  async untilComplete(): Promise<void> {
    await this.world.runFor(NEWS_MS);
    await this.world.run(this.comeTo(() => this.isComplete()));
  }

  /** Resolves once the cluster is in the state that is wanted. */
  async comeTo(isSo: () => Promise<boolean>, limitMs = WAIT_LIMIT_MS): Promise<void> {
    const endMs = this.world.clock.nowMs + limitMs;
    while (this.world.clock.nowMs < endMs) {
      if (await isSo()) return;
      await this.world.sleep(LOOK_MS);
    }
    throw this.world.stuck(`the cluster did not come to what was waited for in ${limitMs} ms`);
  }

  /** Whether each partition has as many cells as it should have, and all can be read. */
  async isComplete(): Promise<boolean> {
    const { partitions, replicas } = this.#options;
    const copies = Math.min(this.storageNames.length, replicas + 1);
    const rows = await this.table();
    return rows?.length === partitions && rows.every((row) => isComplete(row, copies));
  }

  /** Stops the cluster in order. Resolves with the hosts of nodes that did not hear of it. */
  async stop(): Promise<readonly string[]> {
    const running = this.#nodes.all;
    await this.world.run(this.ask(p.SetClusterState, { state: "STOPPING" }));
    const ends = running.filter(([name]) => name !== this.#layout.admin);
    const all = Promise.all(ends.map(([, { ended }]) => ended));
    await this.world.run(Promise.race([all, this.world.sleep(STOP_LIMIT_MS)]));
    const left = ends.flatMap(([name]) => this.#nodes.has(name) ? name : []);
    await this.world.run(Promise.all(running.map(([, node]) => node.stop())));
    return left;
  }

  /** Rows of a stopped storage's database. */
  rows(storage: number, sql: string): SqlRow[] {
    return rowsOn(this.world.host(this.#layout.storage(storage)), sql);
  }
}

function isComplete({ cells }: p.Row, copies: number): boolean {
  return cells.length === copies && cells.every(({ state }) => state === "UP_TO_DATE");
}
