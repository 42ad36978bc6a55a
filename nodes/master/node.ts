/**
 * A master node: listens, lets nodes identify themselves, and plays the primary role. When the
 * cluster is stopped it closes everything and ends; when it is stopped alone, the others look for
 * another master.
 */

import {
  adminToMaster,
  secondaryToMaster,
  type StrangerToMaster,
  strangerToMaster,
} from "../../gen/flows.ts";
import { openDynamicMasterList } from "../cluster/dynamic_master_list.ts";
import { Endpoint } from "../cluster/endpoint.ts";
import { MasterList } from "../cluster/master_list.ts";
import type { NodeOptions, RunningNode } from "../cluster/node.ts";
import type { Address, Listener, NodeHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { adminService } from "./admin_service.ts";
import { identify } from "./identification.ts";
import { Primary } from "./primary.ts";
import { Recovering } from "./recovering.ts";
import { secondaryService } from "./secondary_service.ts";

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
  const node = new MasterNode(host, options, masters);
  await node.listen();
  return node;
}

class MasterNode implements RunningNode {
  readonly ended: Promise<void>;
  readonly #host: NodeHost;
  readonly #options: MasterOptions;
  readonly #masters: MasterList;
  readonly #connections = new Set<Connection>();
  readonly #end = Promise.withResolvers<void>();
  #listener: Listener | null = null;
  #primary: Primary | null = null;
  #over = false;

  constructor(host: NodeHost, options: MasterOptions, masters: MasterList) {
    this.#host = host;
    this.#options = options;
    this.#masters = masters;
    this.ended = this.#end.promise;
    // Who does not care how it ends must not be ended by it.
    this.ended.catch(() => {});
  }

  get address(): Address {
    return this.#listener?.address ?? this.#options.bind;
  }

  /** Starts to listen and to play the primary role. */
  async listen(): Promise<void> {
    const { bind, tls, cluster, partitions, replicas, autostart, nid } = this.#options;
    const endpoint = new Endpoint({
      host: this.#host,
      network: this.#host.network(tls),
      fatal: (error) => this.#fail(error),
    });
    this.#listener = await endpoint.listen(bind, (connection) => this.#accepted(connection));
    this.#masters.add(this.address);
    this.#primary = new Primary({
      host: this.#host,
      cluster,
      address: this.address,
      masters: this.#masters,
      partitions,
      replicas,
      autostart,
      nid,
      stopped: () => void this.stop(),
      fatal: (error) => this.#fail(error),
    }, {
      recovering: (primary) => new Recovering(primary),
      adminReceiver: (primary, admin) => adminToMaster(adminService(primary, admin)),
      secondaryReceiver: (primary) => secondaryToMaster(secondaryService(primary)),
    });
    this.#primary.begin();
  }

  #accepted(connection: Connection): void {
    this.#connections.add(connection);
    connection.onClose(() => this.#connections.delete(connection));
    const stranger: StrangerToMaster = {
      requestIdentification: (request) => {
        if (this.#primary === null) throw new Error("a node came before this one listened");
        return identify(this.#primary, connection, request);
      },
    };
    const receiver = strangerToMaster(stranger);
    connection.start((incoming) =>
      this.#primary === null ? false : this.#primary.turn.run(() => receiver(incoming))
    );
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
    this.#listener?.close();
    this.#primary?.close();
    const connections = [...this.#connections];
    for (const connection of connections) connection.abort();
    await Promise.all(connections.map(({ gone }) => gone));
  }
}
