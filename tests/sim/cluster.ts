/** A cluster in a simulated world: a master, storages, an admin, clients, and a control tool. */

import { type Codecs, type Row, SetClusterState } from "../../gen/packets.ts";
import * as p from "../../gen/packets.ts";
import { startAdmin } from "../../nodes/admin/node.ts";
import { type Client, openClient } from "../../nodes/client/client.ts";
import type { ClientOptions } from "../../nodes/client/options.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { NodeOptions, RunningNode } from "../../nodes/cluster/node.ts";
import type { RequestType } from "../../nodes/codec/packet.ts";
import type { Address, SqlRow } from "../../nodes/host/host.ts";
import { startMaster } from "../../nodes/master/node.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import { SimulatedWorld } from "./world.ts";

const CLUSTER = "simulated";
const DATABASE = "/neo.sqlite";
const MASTER_PORT = 10_000;
const STORAGE_PORT = 20_000;
const ADMIN_PORT = 9_999;
/** The pause between two looks at something that tells nobody of its changes. */
const LOOK_MS = 200;
/** How long it may take until the admin has heard of what happened last. */
const NEWS_MS = 500;
/** Virtual time that a cluster may take to come to a state. */
const WAIT_LIMIT_MS = 120_000;

export interface SimulatedClusterOptions {
  readonly seed: number;
  readonly storages: number;
  readonly partitions: number;
  readonly replicas: number;
}

export class SimulatedCluster {
  readonly world: SimulatedWorld;
  readonly #options: SimulatedClusterOptions;
  readonly #nodes = new Map<string, RunningNode>();

  private constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    this.world = new SimulatedWorld(options.seed);
  }

  /** Starts all nodes, and waits until the cluster is running and each cell is complete. */
  static async start(options: SimulatedClusterOptions): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(options);
    await cluster.startMaster();
    await cluster.startAdmin();
    for (let number = 1; number <= options.storages; number++) await cluster.startStorage(number);
    await cluster.untilState("RUNNING");
    await cluster.untilComplete();
    return cluster;
  }

  get master(): Address {
    return { host: this.world.host("master").ip, port: MASTER_PORT };
  }

  get admin(): Address {
    return { host: this.world.host("admin").ip, port: ADMIN_PORT };
  }

  /** Where a storage listens, by its number. */
  storage(number: number): Address {
    return { host: this.world.host(`storage${number}`).ip, port: STORAGE_PORT };
  }

  async startMaster(): Promise<void> {
    const { partitions, replicas, storages } = this.#options;
    await this.#start("master", () =>
      startMaster(this.world.host("master"), {
        ...this.#nodeOptions(this.master),
        partitions,
        replicas,
        autostart: storages,
        upstream: null,
      }));
  }

  async startAdmin(): Promise<void> {
    const host = this.world.host("admin");
    await this.#start(
      "admin",
      () => startAdmin(host, this.#nodeOptions(this.admin)),
    );
  }

  /** Starts a storage by its number, on the database that it had before. */
  async startStorage(number: number): Promise<void> {
    const host = this.world.host(`storage${number}`);
    await this.#start(host.hostname, () =>
      startStorage(host, {
        ...this.#nodeOptions(this.storage(number)),
        database: { adapter: "SQLite", path: DATABASE },
        dedup: false,
        dropPartitions: false,
      }));
  }

  #nodeOptions(bind: Address): NodeOptions {
    return {
      cluster: CLUSTER,
      masters: [this.master],
      bind,
      tls: null,
      dynamicMasterList: null,
      nid: null,
    };
  }

  async #start(name: string, start: () => Promise<RunningNode>): Promise<void> {
    const node = await this.world.run(start());
    if (node === undefined) throw new Error(`${name} did not start`);
    this.#nodes.set(name, node);
    node.ended.then(
      () => this.world.record(name, "has ended"),
      (error) => this.world.record(name, `has failed: ${error}`),
    );
  }

  /** Opens a client on a host of its own. */
  async client(name: string, options: ClientOptions = {}): Promise<Client> {
    const cluster = { cluster: CLUSTER, masters: [this.master], tls: null };
    const client = await this.world.run(
      openClient(this.world.host(name), { ...options, ...cluster }),
    );
    if (client === undefined) throw new Error(`${name} was not opened`);
    return client;
  }

  /** Kills the machine of a node. */
  crash(name: string): void {
    this.#nodes.delete(name);
    this.world.crash(name);
  }

  /** Asks the admin something, as neoctl does. */
  async control<T, A>(type: RequestType<T, A, Codecs>, packet: T): Promise<A> {
    const host = this.world.host("ctl");
    const endpoint = new Endpoint({ host, network: host.network(null), fatal: () => {} });
    const connection = await endpoint.dial(this.admin, "A");
    try {
      connection.start(() => false);
      return await connection.ask(type, packet);
    } finally {
      connection.close();
    }
  }

  /** Waits until the cluster is in a state. */
  async untilState(state: p.ClusterState): Promise<void> {
    await this.#until(async () => (await this.control(p.AskClusterState, {})).state === state);
  }

  /** Waits until each storage has all cells that it should have, complete. */
  async untilComplete(): Promise<void> {
    const { partitions, replicas, storages } = this.#options;
    const copies = Math.min(storages, replicas + 1);
    await this.world.runFor(NEWS_MS);
    await this.#until(async () => {
      const { rows } = await this.control(p.AskPartitionList, {
        minOffset: 0,
        maxOffset: 0,
        nid: null,
      });
      return rows.length === partitions && rows.every((row) => isComplete(row, copies));
    });
  }

  async #until(isSo: () => Promise<boolean>): Promise<void> {
    const endMs = this.world.clock.nowMs + WAIT_LIMIT_MS;
    while (this.world.clock.nowMs < endMs) {
      // The admin refuses while it has no primary master.
      if (await this.world.run(isSo().catch(() => false))) return;
      await this.world.runFor(LOOK_MS);
    }
    throw this.world.stuck("the cluster does not come to a state that was waited for");
  }

  /** Stops the cluster in order, and waits until all nodes have ended. */
  async stop(): Promise<void> {
    await this.world.run(this.control(SetClusterState, { state: "STOPPING" }).catch(() => null));
    const ends = ["master", ...this.#storageNames()].map((name) => this.#nodes.get(name)?.ended);
    await this.world.run(Promise.all(ends));
    await this.world.run(Promise.all([this.#nodes.get("admin")?.stop()]));
  }

  #storageNames(): string[] {
    return Array.from({ length: this.#options.storages }, (_, at) => `storage${at + 1}`);
  }

  /** Rows of a stopped storage's database. */
  rows(storage: number, sql: string): SqlRow[] {
    const { database } = this.world.host(`storage${storage}`).openDatabase(DATABASE);
    const rows = database.prepare(sql).all();
    database.close();
    return rows;
  }
}

function isComplete({ cells }: Row, copies: number): boolean {
  return cells.length === copies && cells.every(({ state }) => state === "UP_TO_DATE");
}
