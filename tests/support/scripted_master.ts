/**
 * A primary master that does what a test says: it identifies one admin node, tells it a small
 * cluster, and answers what it is asked by what was prepared. It speaks through real connections.
 */

import { type AdminToMaster, adminToMaster, strangerToMaster } from "../../gen/flows.ts";
import {
  type CellChange,
  type ClusterState,
  type Codecs,
  type NodeInformation,
  NotifyClusterInformation,
  NotifyNodeInformation,
  NotifyPartitionChanges,
  NotPrimaryMaster,
  Ping,
  type RequestIdentification,
  type Row,
} from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { ZERO_OID, ZERO_TID } from "../../nodes/codec/ids.ts";
import type { Incoming } from "../../nodes/codec/packet.ts";
import type { Address, ClientHost, Listener } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { ack, Refusal } from "../../nodes/wire/refusal.ts";

export const M1 = nodeId("MASTER", 1);
export const A1 = nodeId("ADMIN", 1);
export const S1 = nodeId("STORAGE", 1);
export const S2 = nodeId("STORAGE", 2);

/** Unix time in seconds at which the cluster's nodes were identified. */
export const IDENTIFIED = 1_552_327_000.25;

export interface ScriptedCluster {
  readonly partitions: number;
  readonly replicas: number;
  readonly state: ClusterState;
  readonly ptid: number | null;
  readonly rows: readonly Row[];
  /** Nodes besides the master and the admin. */
  readonly nodes: readonly NodeInformation[];
  /** What is answered instead of the plain answers of an idle cluster. */
  readonly handlers: Partial<AdminToMaster>;
}

const IDLE: ScriptedCluster = {
  partitions: 2,
  replicas: 0,
  state: "RUNNING",
  ptid: 7,
  rows: [
    { offset: 0, cells: [{ nid: S1, state: "UP_TO_DATE" }] },
    { offset: 1, cells: [{ nid: S2, state: "UP_TO_DATE" }, { nid: S1, state: "FEEDING" }] },
  ],
  nodes: [storage(S1, 24_001), storage(S2, 24_002)],
  handlers: {},
};

/** A storage that runs. */
export function storage(nid: NodeInformation["nid"], port: number): NodeInformation {
  return {
    type: "STORAGE",
    address: { host: "127.0.0.1", port },
    nid,
    state: "RUNNING",
    idTimestamp: IDENTIFIED,
  };
}

export class ScriptedMaster implements Disposable {
  readonly #cluster: ScriptedCluster;
  readonly #endpoint: Endpoint;
  readonly #connections = new Set<Connection>();
  #listener: Listener | null = null;
  #admin = Promise.withResolvers<Connection>();
  #timestamp = 1;
  /** Another master to which everybody is sent. */
  #primary: Address | null;
  /** Each identification that was asked for. */
  readonly requests: RequestIdentification[] = [];
  /** Each packet of the present connection, in order, but for its identification. */
  readonly received: { readonly name: string; readonly packet: unknown }[] = [];
  /** What a test hooks on to be told that something was asked. */
  onRequest: (name: string) => void = () => {};

  private constructor(host: ClientHost, cluster: ScriptedCluster, primary: Address | null) {
    this.#cluster = cluster;
    this.#primary = primary;
    this.#endpoint = new Endpoint({
      host,
      network: host.network(null),
      fatal: (error) => {
        throw error;
      },
    });
  }

  /** Starts a primary master; `bind` is where, a free port by default. */
  static async start(
    host: ClientHost,
    cluster: Partial<ScriptedCluster> = {},
    bind: Address = { host: "127.0.0.1", port: 0 },
  ): Promise<ScriptedMaster> {
    return await new ScriptedMaster(host, { ...IDLE, ...cluster }, null).#listen(bind);
  }

  /** Starts a secondary master, which names the primary one. */
  static async startSecondary(host: ClientHost, primary: Address): Promise<ScriptedMaster> {
    return await new ScriptedMaster(host, IDLE, primary).#listen({ host: "127.0.0.1", port: 0 });
  }

  async #listen(bind: Address): Promise<ScriptedMaster> {
    this.#listener = await this.#endpoint.listen(bind, (connection) => {
      this.#connections.add(connection);
      connection.onClose(() => this.#connections.delete(connection));
      connection.start(strangerToMaster({
        requestIdentification: (packet) => this.#identify(connection, packet),
      }));
    });
    return this;
  }

  get address(): Address {
    if (this.#listener === null) throw new Error("the master does not listen");
    return this.#listener.address;
  }

  #identify(connection: Connection, packet: RequestIdentification) {
    this.requests.push(packet);
    if (this.#primary !== null) {
      // The first one of the list can't be named: its index is how nobody is written.
      connection.notify(NotPrimaryMaster, {
        primary: 1,
        masters: [this.address, this.#primary],
      });
      connection.abort();
      throw new Refusal("PROTOCOL_ERROR", "not the primary");
    }
    const receive = adminToMaster({ ...this.#answers(), ...this.#cluster.handlers });
    connection.setReceiver((incoming) => receive(this.#recorded(incoming)));
    connection.onClose(() => {
      this.#admin = Promise.withResolvers();
      this.received.length = 0;
    });
    queueMicrotask(() => {
      this.notifyNodes([
        {
          type: "ADMIN",
          address: packet.address,
          nid: A1,
          state: "RUNNING",
          idTimestamp: IDENTIFIED,
        },
        { type: "MASTER", address: this.address, nid: M1, state: "RUNNING", idTimestamp: null },
        ...this.#cluster.nodes,
      ]);
      this.#admin.resolve(connection);
    });
    const { partitions, replicas } = this.#cluster;
    return { nodeType: "MASTER" as const, nid: M1, partitions, replicas, yourNid: A1 };
  }

  #recorded(incoming: Incoming<Codecs>): Incoming<Codecs> {
    return {
      ...incoming,
      read: (type) => {
        const packet = incoming.read(type);
        this.received.push({ name: type.name, packet });
        this.onRequest(type.name);
        return packet;
      },
    };
  }

  #answers(): AdminToMaster {
    const { ptid, rows, state } = this.#cluster;
    return {
      askClusterState: () => ({ state }),
      askPartitionTable: () => ({ ptid, rows }),
      askRecovery: () => ({ ptid, backupTid: null, truncateTid: null }),
      askLastIDs: () => ({ lastOid: ZERO_OID, lastTid: ZERO_TID }),
      askLastTransaction: () => ({ tid: ZERO_TID }),
      setNodeState: () => ack("state changed"),
      addPendingNodes: () => ack("No node added"),
      tweakPartitionTable: () => ack(""),
      setClusterState: () => ack("Cluster state changed"),
      repair: () => ack(""),
      checkReplicas: () => ack(""),
      truncate: () => ack(""),
      flushLog: () => {},
    };
  }

  /** The connection of the admin, once it is identified. */
  admin(): Promise<Connection> {
    return this.#admin.promise;
  }

  /** Tells all that are connected of nodes. */
  notifyNodes(nodes: readonly NodeInformation[]): void {
    const timestamp = this.#timestamp++;
    for (const to of this.#connections) to.notify(NotifyNodeInformation, { timestamp, nodes });
  }

  notifyState(state: ClusterState): void {
    for (const to of this.#connections) to.notify(NotifyClusterInformation, { state });
  }

  notifyChanges(ptid: number, changes: readonly CellChange[]): void {
    for (const to of this.#connections) to.notify(NotifyPartitionChanges, { ptid, changes });
  }

  /** Resolves when the admin has handled everything that was sent to it. */
  async settled(): Promise<void> {
    await (await this.admin()).ask(Ping, {});
  }

  /** Resolves when the admin has been told everything and serves. */
  async followed(): Promise<void> {
    const asked = () => this.received.some(({ name }) => name === "AskPartitionTable");
    if (!asked()) {
      await new Promise<void>((resolve) => {
        this.onRequest = () => {
          if (asked()) resolve();
        };
      });
    }
    await this.settled();
  }

  /** Drops the connections, and keeps listening. */
  dropConnections(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** Dies: drops everything. */
  [Symbol.dispose](): void {
    this.#listener?.close();
    this.dropConnections();
  }
}
