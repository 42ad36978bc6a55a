/**
 * The admin node: mirrors the cluster, and is where neoctl connects. It looks for the primary
 * master for ever; each one that it finds gets a new view, so that a cluster that was made anew
 * with other sizes is served like any other. It ends by itself only with the cluster.
 */

import {
  AskClusterState,
  AskPartitionTable,
  type ClusterState,
  type RequestIdentification,
} from "../../gen/packets.ts";
import { addressText } from "../cluster/addresses.ts";
import { openDynamicMasterList } from "../cluster/dynamic_master_list.ts";
import { Endpoint } from "../cluster/endpoint.ts";
import { MasterList } from "../cluster/master_list.ts";
import type { NodeOptions, RunningNode } from "../cluster/node.ts";
import { nidText } from "../cluster/node_ids.ts";
import { findPrimary, type Primary } from "../cluster/primary_search.ts";
import type { Nid } from "../codec/ids.ts";
import { ConnectionClosedError, NeoError } from "../errors.ts";
import type { Address, Listener, LogLevel, NodeHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { encodeText } from "../wire/text.ts";
import { controlReceiver, type PrimaryLink } from "./control.ts";
import { ClusterView } from "./view.ts";

/** How many neoctl may be connected at the same time. */
export const MAX_CONTROLS = 1000;

/**
 * Starts an admin node. Resolves when it listens; rejects with a NetworkError when it can't, and
 * with a ConfigurationError when the TLS identity or the list of masters can't be used.
 */
export async function startAdmin(host: NodeHost, options: NodeOptions): Promise<RunningNode> {
  const admin = new Admin(host, options);
  await admin.start();
  return admin;
}

class Admin implements RunningNode {
  readonly #host: NodeHost;
  readonly #options: NodeOptions;
  readonly #endpoint: Endpoint;
  readonly #masters: MasterList;
  readonly #controls = new Set<Connection>();
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #listener: Listener | null = null;
  #link: PrimaryLink | null = null;
  /** The id to ask for: what the options say at first, then whichever is free. */
  #nid: Nid | null;

  constructor(host: NodeHost, options: NodeOptions) {
    this.#host = host;
    this.#options = options;
    this.#nid = options.nid;
    this.#masters = new MasterList(options.masters);
    const { dynamicMasterList } = options;
    if (dynamicMasterList !== null) openDynamicMasterList(host, dynamicMasterList, this.#masters);
    this.#endpoint = new Endpoint({
      host,
      network: host.network(options.tls),
      fatal: (error) => this.#fail(error),
    });
  }

  get address(): Address {
    return this.#listener?.address ?? this.#options.bind;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  describe(): readonly string[] {
    if (this.#link === null) return ["no primary master is known"];
    const { connection, view } = this.#link;
    return [
      `follows ${connection.label}; the cluster is ${view.state}`,
      `neoctl connected: ${this.#controls.size}`,
      ...view.describe(),
    ];
  }

  stop(): Promise<void> {
    this.#stop.abort(new ConnectionClosedError("the admin node was stopped"));
    return this.ended;
  }

  async start(): Promise<void> {
    const receiver = controlReceiver(() => this.#link, this.#host.log);
    this.#listener = await this.#endpoint.listen(this.#options.bind, (control) => {
      if (this.#controls.size >= MAX_CONTROLS) return control.close();
      this.#controls.add(control);
      control.onClose(() => this.#controls.delete(control));
      control.start(receiver);
    });
    this.#run().catch((error) => this.#fail(error));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let state: ClusterState | null = null; state !== "STOPPING" && !signal.aborted;) {
      state = await this.#follow(signal);
    }
    // Who waits for an answer of the master is still told that there will be none.
    this.#host.defer(() => {
      this.#close();
      this.#ended.resolve();
    });
  }

  /**
   * Finds the primary master and mirrors it until it is lost. Returns what it last said of the
   * cluster.
   */
  async #follow(signal: AbortSignal): Promise<ClusterState | null> {
    const found = await this.#find(signal);
    if (found === null) return null;
    const { primary: { connection, nid }, view } = found;
    const lost = new Promise<void>((resolve) => {
      connection.onClose(() => {
        this.#link = null;
        resolve();
      });
    });
    const stop = () => connection.abort();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.all([
        connection.ask(AskClusterState, {}, ({ state }) => {
          view.state = state;
        }),
        connection.ask(AskPartitionTable, {}, ({ ptid, rows }) => {
          view.table.load(ptid, rows);
          this.#link = { connection, nid, view };
        }),
      ]);
      this.#log("INFO", `following the primary master ${connection.label}`);
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      this.#log("WARNING", error.message);
      connection.close();
    }
    await lost;
    signal.removeEventListener("abort", stop);
    if (view.state !== "STOPPING" && !signal.aborted) {
      this.#log("ERROR", `the primary master ${connection.label} is down`);
    }
    return view.state;
  }

  /** Null when the admin is stopped meanwhile. */
  async #find(signal: AbortSignal): Promise<{ primary: Primary; view: ClusterView } | null> {
    let view = null as ClusterView | null;
    try {
      const primary = await findPrimary({
        host: this.#host,
        endpoint: this.#endpoint,
        masters: this.#masters,
        endsOnRefusal: false,
        request: () => this.#request(),
        accepted: (connection, { nid, partitions, replicas }) => {
          this.#nid = null;
          connection.label = `${nidText(nid)} (${addressText(connection.remote)})`;
          view = new ClusterView({
            ...{ partitions, replicas, masters: this.#masters },
            log: this.#host.log,
          });
          connection.setReceiver(view.receiver);
        },
      }, signal);
      return view === null ? null : { primary, view };
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  #request(): RequestIdentification {
    return {
      nodeType: "ADMIN",
      nid: this.#nid,
      address: this.address,
      cluster: encodeText(this.#options.cluster),
      devpath: [],
      idTimestamp: null,
    };
  }

  #fail(error: unknown): void {
    this.#ended.reject(error);
    this.#stop.abort(error);
    this.#close();
  }

  #close(): void {
    this.#listener?.close();
    for (const control of this.#controls) control.abort();
  }

  #log(level: LogLevel, message: string): void {
    this.#host.log.log(level, "admin", message);
  }
}
