/**
 * A master node: listens, and plays the primary role until another master is found to be the
 * primary one, then the secondary role until there is none. When the cluster is stopped it closes
 * everything and ends; when it is stopped alone, the others look for another master.
 */

import type { Nid } from "../codec/ids.ts";
import { openDynamicMasterList } from "../cluster/dynamic_master_list.ts";
import { Endpoint } from "../cluster/endpoint.ts";
import { MasterList } from "../cluster/master_list.ts";
import type { NodeOptions, RunningNode } from "../cluster/node.ts";
import type { Address, Listener, NodeHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import type { UpstreamCluster } from "./backup/upstream.ts";
import { PrimaryRole } from "./primary_role.ts";
import type { Elected, Identity, Role } from "./role.ts";
import { Secondary } from "./secondary.ts";

/** What a master is started with. */
export interface MasterOptions extends NodeOptions {
  /** How many partitions a new database gets; that of an existing one can't be changed. */
  readonly partitions: number;
  /** How many copies of each partition are wanted besides the first. */
  readonly replicas: number;
  /** A new database is created once so many storages are there; null to wait for an admin. */
  readonly autostart: number | null;
  /** The cluster that this one may be a backup of. */
  readonly upstream: { readonly cluster: string; readonly masters: readonly Address[] } | null;
}

/**
 * Starts a master. Rejects with a NetworkError when its address can't be bound, and with a
 * ConfigurationError when its list of masters can't be used.
 */
export async function startMaster(host: NodeHost, options: MasterOptions): Promise<RunningNode> {
  const masters = new MasterList(options.masters);
  if (options.dynamicMasterList !== null) {
    openDynamicMasterList(host, options.dynamicMasterList, masters);
  }
  return await MasterNode.start(host, options, masters);
}

class MasterNode implements RunningNode {
  readonly ended: Promise<void>;
  readonly #options: MasterOptions;
  readonly #self: Identity;
  readonly #upstream: UpstreamCluster | null;
  readonly #listener: Listener;
  readonly #connections = new Set<Connection>();
  readonly #end = Promise.withResolvers<void>();
  #role: Role;
  #over = false;

  private constructor(options: MasterOptions, self: Identity, listener: Listener) {
    this.#options = options;
    this.#self = self;
    const { upstream } = options;
    this.#upstream = upstream === null ? null : {
      cluster: upstream.cluster,
      masters: new MasterList(upstream.masters),
      endpoint: self.endpoint,
    };
    this.#listener = listener;
    this.ended = this.#end.promise;
    // Who does not care how it ends must not be ended by it.
    this.ended.catch(() => {});
    this.#role = this.#asPrimary();
  }

  /** Listens, and begins as a primary master. */
  static async start(
    host: NodeHost,
    options: MasterOptions,
    masters: MasterList,
  ): Promise<MasterNode> {
    const { bind, tls, cluster, nid } = options;
    let node: MasterNode | null = null;
    const endpoint = new Endpoint({
      host,
      network: host.network(tls),
      fatal: (error) => {
        if (node !== null) node.#fail(error);
      },
    });
    const listener = await endpoint.listen(bind, (connection) => {
      if (node === null) connection.abort();
      else node.#accepted(connection);
    });
    masters.add(listener.address);
    const { address } = listener;
    const masterNids = new Map<string, Nid>();
    const self = { host, endpoint, cluster, address, masters, nid, masterNids };
    node = new MasterNode(options, self, listener);
    return node;
  }

  get address(): Address {
    return this.#listener.address;
  }

  #asPrimary(): Role {
    const { partitions, replicas, autostart } = this.#options;
    const upstream = this.#upstream;
    return new PrimaryRole({
      self: this.#self,
      partitions,
      replicas,
      autostart,
      upstream,
      lost: (elected) => this.#switch(() => this.#asSecondary(elected)),
      stopped: () => void this.stop(),
      fatal: (error) => this.#fail(error),
    });
  }

  #asSecondary(elected: Elected): Role {
    if (elected.accepted !== null) this.#keep(elected.accepted.connection);
    return new Secondary({
      self: this.#self,
      alone: () => this.#switch(() => this.#asPrimary()),
      dismissed: () => void this.stop(),
      fatal: (error) => this.#fail(error),
    }, elected);
  }

  /** Plays another role: all nodes that came to this master have to look where they go now. */
  #switch(role: () => Role): void {
    if (this.#over) return;
    this.#role.close();
    for (const connection of [...this.#connections]) connection.abort();
    this.#role = role();
  }

  #keep(connection: Connection): void {
    this.#connections.add(connection);
    connection.onClose(() => this.#connections.delete(connection));
  }

  #accepted(connection: Connection): void {
    this.#keep(connection);
    connection.start((incoming) => this.#role.receiveStranger(connection, incoming));
  }

  describe(): readonly string[] {
    return this.#role.describe();
  }

  async stop(): Promise<void> {
    if (!this.#over) this.#closeAll().then(() => this.#end.resolve());
    await this.ended;
  }

  #fail(error: unknown): void {
    if (!this.#over) this.#closeAll().then(() => this.#end.reject(error));
  }

  /** Resolves when the last words to all others are sent. */
  async #closeAll(): Promise<void> {
    this.#over = true;
    this.#listener.close();
    this.#role.close();
    const connections = [...this.#connections];
    for (const connection of connections) connection.abort();
    await Promise.all(connections.map(({ gone }) => gone));
  }
}
