/**
 * The primary master: what it knows of the cluster, and the phase that it is in. Everything that
 * changes the cluster as a whole goes through here: a node that is lost, a change of the table, the
 * next phase.
 */

import {
  type CellChange,
  type ClusterState,
  type Codecs,
  type NodeType,
  NotifyClusterInformation,
  NotifyPartitionChanges,
  StopOperation,
  Truncate,
} from "../../gen/packets.ts";
import type { Nid, Tid } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import { addressText } from "../cluster/addresses.ts";
import type { MasterList } from "../cluster/master_list.ts";
import { nidText } from "../cluster/node_ids.ts";
import type { Address, ClientHost, LogLevel } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { announce } from "./announcements.ts";
import type { Progress } from "./backup/progress.ts";
import type { UpstreamCluster } from "./backup/upstream.ts";
import { Ids } from "./ids.ts";
import { type KnownNode, Nodes } from "./nodes.ts";
import type { Phase } from "./phase.ts";
import type { Challenger } from "./role.ts";
import { MasterTable } from "./table/master_table.ts";
import { Turn } from "./turn.ts";

export interface PrimaryOptions {
  readonly host: ClientHost;
  readonly cluster: string;
  /** Where this master listens. */
  readonly address: Address;
  readonly masters: MasterList;
  /** The ids that masters have had, by the text of their address. */
  readonly masterNids: ReadonlyMap<string, Nid>;
  readonly partitions: number;
  readonly replicas: number;
  /** How many storages a new database waits for; null when only an admin starts it. */
  readonly autostart: number | null;
  /** The id that this master wants; null for the first. */
  readonly nid: Nid | null;
  /** The cluster that this one may be a backup of. */
  readonly upstream: UpstreamCluster | null;
  /** The cluster is in another state. */
  entered(state: ClusterState): void;
  /** Whether this master gives way to another one. */
  yields(challenger: Challenger): boolean;
  /** The cluster was stopped: this node has to close everything and end. */
  stopped(): void;
  /** An error that is this node's own. */
  fatal(error: unknown): void;
}

/** What a primary master is put together from. */
export interface PrimaryParts {
  /** The phase that it begins with, and comes back to. */
  recovering(primary: Primary): Phase;
  /** Takes an admin's packets. */
  adminReceiver(primary: Primary, admin: KnownNode): Receiver<Codecs>;
  /** Takes a secondary master's packets. */
  secondaryReceiver(primary: Primary): Receiver<Codecs>;
}

export class Primary {
  readonly options: PrimaryOptions;
  readonly turn: Turn;
  readonly nodes: Nodes;
  readonly table: MasterTable;
  readonly ids: Ids;
  /** This master among the nodes. */
  readonly self: KnownNode;
  /** Whether an admin said that an operational part of the storages is enough to start. */
  startupAllowed = false;
  /** Whether there is a database: none is created any more because some storages are blank. */
  hasSeenTable = false;
  /**
   * The version of the table that was in force when operation ended: with this one or a later one,
   * an operational part is enough to go on. An older one may lack commits. Null for none.
   */
  resumableFrom: number | null = null;
  /** How far a backup is, as far as is known; null for a cluster that is none. */
  progress: Progress | null = null;
  /** What is later has to be forgotten before operation; null for nothing. */
  truncateTid: Tid | null = null;
  readonly #parts: PrimaryParts;
  #phase: Phase;
  #closed = false;

  constructor(options: PrimaryOptions, parts: PrimaryParts) {
    const { host, partitions, replicas, address } = options;
    this.options = options;
    this.turn = new Turn((error) => options.fatal(error));
    this.nodes = new Nodes(host);
    this.table = new MasterTable(partitions, replicas);
    this.ids = new Ids(host, partitions);
    this.self = this.nodes.add("MASTER", { nid: options.nid, address });
    this.self.state = "RUNNING";
    for (const master of options.masters.addresses) this.#addMaster(master);
    if (options.nid === null) this.nodes.setNid(this.self, this.nodes.freeNid("MASTER"));
    this.#parts = parts;
    this.#phase = parts.recovering(this);
  }

  #addMaster(address: Address): KnownNode | null {
    const { nodes, options } = this;
    if (nodes.at(address) !== undefined) return null;
    const nid = options.masterNids.get(addressText(address)) ?? null;
    const isFree = nid !== null && nodes.get(nid) === undefined;
    return nodes.add("MASTER", { nid: isFree ? nid : null, address });
  }

  /** There is a master at an address, which may be known. */
  learnMaster(address: Address): void {
    const { masters } = this.options;
    masters.add(address);
    const node = masters.has(address) ? this.#addMaster(address) : null;
    if (node !== null) announce(this.nodes, [node]);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Starts to collect what the storages have. */
  begin(): void {
    this.log("INFO", `plays the primary role as ${nidText(this.self.nid)}`);
    this.turn.runOwn(() => {
      this.options.entered(this.#phase.state);
      this.#phase.begin();
    });
  }

  log(level: LogLevel, message: string): void {
    this.options.host.log.log(level, "master", message);
  }

  /** Goes to another phase: tells everyone, and serves everyone differently from now on. */
  enter(phase: Phase): void {
    const { state } = phase;
    this.#phase = phase;
    this.log("INFO", `the cluster is ${state}`);
    this.options.entered(state);
    for (const node of this.nodes.allIdentified()) {
      node.connection?.notify(NotifyClusterInformation, { state });
      this.serve(node);
    }
    phase.begin();
  }

  /** Gives a node's packets to those who serve it in this phase. */
  serve(node: KnownNode): void {
    const receiver = this.#receiver(node);
    node.connection?.setReceiver((incoming) => this.turn.run(() => receiver(incoming)));
  }

  #receiver(node: KnownNode): Receiver<Codecs> {
    switch (node.type) {
      case "ADMIN":
        return this.#parts.adminReceiver(this, node);
      case "MASTER":
        return this.#parts.secondaryReceiver(this);
      case "STORAGE":
        return this.#phase.storageReceiver(node);
      case "CLIENT":
        return this.#phase.clientReceiver(node);
    }
  }

  /** Takes no more notice of connections that end: this node ends them all. */
  close(): void {
    this.#closed = true;
  }

  /** A node was identified on this connection. */
  connected(node: KnownNode, connection: Connection): void {
    connection.label = `${nidText(node.nid)} (${addressText(connection.remote)})`;
    this.nodes.connected(node, connection);
    connection.onClose(() => {
      this.turn.after(() => {
        if (node.connection === connection && !this.#closed) this.#lost(node);
      });
    });
  }

  /** Ends a node's connection, as if it had been lost; all that follows from it is done at once. */
  disconnect(node: KnownNode): void {
    const { connection } = node;
    if (connection === null) return;
    this.#lost(node);
    connection.abort();
  }

  /** Ends a node's connection, without anything else. */
  cutOff(node: KnownNode): void {
    const { connection } = node;
    this.nodes.disconnected(node);
    connection?.abort();
  }

  #lost(node: KnownNode): void {
    this.log("INFO", `lost ${nidText(node.nid)}`);
    this.nodes.disconnected(node);
    switch (node.type) {
      case "ADMIN":
        return this.nodes.remove(node);
      case "MASTER":
        return this.#masterLost(node);
      case "STORAGE":
        return this.#phase.storageLost(node);
      case "CLIENT":
        this.#phase.clientLost(node);
        this.nodes.remove(node);
        return announce(this.nodes, [node]);
    }
  }

  #masterLost(node: KnownNode): void {
    if (node.state === "DOWN") return;
    node.state = "DOWN";
    announce(this.nodes, [node]);
  }

  /**
   * What the loss of a storage means to the others while the table is in force. Returns whether
   * the cluster is still operational.
   */
  withoutStorage(storage: KnownNode): boolean {
    const { nodes, table } = this;
    if (storage.state === "PENDING" && !this.#hasCells(storage)) {
      nodes.remove(storage);
      announce(nodes, [storage]);
    } else if (storage.state === "RUNNING" || storage.state === "PENDING") {
      storage.state = "DOWN";
      announce(nodes, [storage]);
      this.tellChanges(table.outdate(nodes.isRunning, storage.nid ?? undefined));
    }
    return table.isOperational(nodes.isRunning);
  }

  #hasCells({ nid }: KnownNode): boolean {
    return nid !== null && this.table.nodeIds().has(nid);
  }

  /** Tells everyone who has a table that it has changed. */
  tellChanges(changes: readonly CellChange[]): void {
    if (changes.length > 0) this.#phase.tableChanged(changes);
  }

  /** Sends changes of the table to all nodes of these types. */
  sendChanges(changes: readonly CellChange[], types: readonly NodeType[]): void {
    const { ptid } = this.table;
    if (ptid === null) throw new Error("a table that does not exist has changed");
    const news = { ptid, changes };
    for (const type of types) {
      for (const { connection } of this.nodes.identified(type)) {
        connection?.notify(NotifyPartitionChanges, news);
      }
    }
  }

  /**
   * Ends operation and collects again what the storages have: the cluster can't go on, or has to
   * forget what is later than `truncate`. Who truncates wants all storages to be there, unless
   * nothing is to be cut; who just lost some wants to go on (`resumes`).
   */
  standDown(
    truncate: Tid | null,
    { resumes }: { readonly resumes: boolean } = {
      resumes: truncate === null && this.truncateTid === null,
    },
  ): void {
    const { nodes } = this;
    const changed: KnownNode[] = [];
    for (const client of [...nodes.identified("CLIENT")]) {
      client.connection?.notify(StopOperation, {});
      this.cutOff(client);
      nodes.remove(client);
      changed.push(client);
    }
    for (const storage of nodes.identified("STORAGE")) {
      storage.connection?.notify(StopOperation, {});
      // Others may be those of another cluster, which would obey as a whole when they go back.
      const tid = this.#hasCells(storage) ? truncate : null;
      if (tid !== null) storage.connection?.notify(Truncate, { tid });
      if (storage.state !== "RUNNING") continue;
      storage.state = "PENDING";
      changed.push(storage);
    }
    announce(nodes, changed);
    this.resumableFrom = resumes ? this.table.ptid : null;
    this.startupAllowed = false;
    this.enter(this.#parts.recovering(this));
  }
}
