/**
 * A storage node: opens its database, listens, and follows the primary master for ever, until the
 * cluster wants it to end or it can't go on.
 */

import type { AcceptIdentification, Row } from "../../gen/packets.ts";
import { openDynamicMasterList } from "../cluster/dynamic_master_list.ts";
import { Endpoint } from "../cluster/endpoint.ts";
import { MasterList } from "../cluster/master_list.ts";
import type { NodeOptions, RunningNode } from "../cluster/node.ts";
import { nidText } from "../cluster/node_ids.ts";
import { findPrimary } from "../cluster/primary_search.ts";
import { nodeLines, tableLines } from "../cluster/state_text.ts";
import type { Nid } from "../codec/ids.ts";
import { ConnectionClosedError, DatabaseError } from "../errors.ts";
import type { Address, Listener, NodeHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { ALREADY_CONNECTED } from "../wire/refusal.ts";
import { encodeText } from "../wire/text.ts";
import { Assignment } from "./assignment.ts";
import type { Backend } from "./backend/backend.ts";
import { type DatabaseAddress, openBackend } from "./backend/open.ts";
import { Identification } from "./identification.ts";
import { Peers } from "./peers.ts";
import { Phases } from "./phases.ts";

export interface StorageOptions extends NodeOptions {
  readonly database: DatabaseAddress;
  /** Whether equal data are stored once. */
  readonly dedup: boolean;
  /** Whether the rows of partitions that are not assigned to this node are deleted. */
  readonly dropPartitions: boolean;
}

/**
 * Starts a storage node. Resolves when it listens; rejects with a DatabaseError when its database
 * can't be used, with a NetworkError when it can't listen, and with a ConfigurationError when the
 * TLS identity or the list of masters can't be used.
 */
export async function startStorage(host: NodeHost, options: StorageOptions): Promise<RunningNode> {
  const node = new StorageNode(host, options);
  await node.start();
  return node;
}

/**
 * Erases a database and makes an empty one for the cluster. Rejects with a DatabaseError when it is
 * in use or belongs to another cluster.
 */
export async function resetStorage(host: NodeHost, options: StorageOptions): Promise<void> {
  const { cluster, database, dedup } = options;
  const backend = await openBackend(host, database, {
    cluster,
    dedup,
    reset: true,
    failed: () => {},
  });
  await backend.close({ commit: true });
}

/** After so many refusals of its id in a row, a node whose database is blank asks for another. */
const MAX_ID_REFUSALS = 3;

class StorageNode implements RunningNode {
  readonly #host: NodeHost;
  readonly #options: StorageOptions;
  readonly #masters: MasterList;
  readonly #endpoint: Endpoint;
  readonly #peers = new Peers();
  readonly #stopping = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #backend: Backend | null = null;
  #listener: Listener | null = null;
  #phases: Phases | null = null;
  #hasFailed = false;

  constructor(host: NodeHost, options: StorageOptions) {
    this.#host = host;
    this.#options = options;
    this.#masters = new MasterList(options.masters);
    this.#endpoint = new Endpoint({
      host,
      network: host.network(options.tls),
      fatal: (error) => this.#fail(error),
    });
    // Whoever does not wait for the end has chosen not to hear of it.
    this.#ended.promise.catch(() => {});
  }

  get address(): Address {
    return this.#listener?.address ?? this.#options.bind;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async start(): Promise<void> {
    const { cluster, database, dedup, bind, dynamicMasterList, nid } = this.#options;
    if (dynamicMasterList !== null) {
      openDynamicMasterList(this.#host, dynamicMasterList, this.#masters);
    }
    const backend = await openBackend(this.#host, database, {
      cluster,
      dedup,
      reset: false,
      failed: (error) => this.#fail(error),
    });
    this.#backend = backend;
    try {
      if (nid !== null) backend.settings.nid = nid;
      const identification = new Identification({
        cluster,
        peers: this.#peers,
        // Nobody touches a database that has failed, be it only to take back what clients left.
        phases: () => this.#hasFailed ? null : this.#phases,
      });
      this.#listener = await this.#endpoint.listen(bind, (peer) => identification.accept(peer));
    } catch (error) {
      await backend.close({ commit: true });
      throw error;
    }
    this.#followMasters(backend).catch((error) => this.#fail(error));
  }

  async #followMasters(backend: Backend): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#followMaster(backend, signal);
      } catch (error) {
        if (error !== signal.reason) throw error;
      } finally {
        this.#phases?.end();
        this.#phases = null;
      }
    }
  }

  /** Finds the primary master, and does what it says. Resolves when it is lost. */
  async #followMaster(backend: Backend, signal: AbortSignal): Promise<void> {
    const rows = await backend.table.load();
    let idRefusals = 0;
    const { connection } = await findPrimary({
      host: this.#host,
      endpoint: this.#endpoint,
      masters: this.#masters,
      endsOnRefusal: false,
      request: () => ({
        nodeType: "STORAGE",
        nid: backend.settings.nid,
        address: this.address,
        cluster: encodeText(this.#options.cluster),
        devpath: backend.devpath.map(encodeText),
        idTimestamp: null,
      }),
      accepted: (master, accept, nid) => this.#accepted({ backend, master, rows }, accept, nid),
      refused: ({ message }) => {
        if (message !== ALREADY_CONNECTED || ++idRefusals < MAX_ID_REFUSALS) return;
        idRefusals = 0;
        this.#giveUpId(backend);
      },
    }, signal);
    await new Promise<void>((resolve) => connection.onClose(resolve));
    if (!signal.aborted) this.#host.log.log("WARNING", "storage", `lost ${connection.label}`);
  }

  /**
   * Another node has this one's id. That is for good when masters had not found each other yet, and
   * each gave the same id to another new node. Nothing depends on the id of a blank database.
   */
  #giveUpId({ settings }: Backend): void {
    if (settings.nid === null || settings.ptid !== null) return;
    const text = nidText(settings.nid);
    this.#host.log.log("WARNING", "storage", `another node is ${text}: asking for another id`);
    settings.nid = null;
  }

  #accepted(
    { backend, master, rows }: {
      readonly backend: Backend;
      readonly master: Connection;
      readonly rows: readonly Row[];
    },
    { partitions, replicas }: AcceptIdentification,
    nid: Nid,
  ): void {
    try {
      adopt(backend, { partitions, replicas, nid, rows });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    const assignment = new Assignment(nid, { partitions, replicas });
    assignment.load(backend.settings.ptid, rows);
    this.#phases = new Phases({
      host: this.#host,
      backend,
      masters: this.#masters,
      peers: this.#peers,
      endpoint: this.#endpoint,
      cluster: this.#options.cluster,
      address: this.address,
      master,
      assignment,
      dropPartitions: this.#options.dropPartitions,
      shutDown: ({ erase }) => this.#shutDown(erase),
      fatal: (error) => this.#fail(error),
    });
    this.#host.log.log("INFO", "storage", `${nidText(nid)} follows ${master.label}`);
  }

  describe(): readonly string[] {
    if (this.#phases === null) return ["no primary master is known"];
    const { session: { assignment, nodes, options }, operation } = this.#phases;
    const known = nodes.list();
    return [
      `${nidText(assignment.nid)} follows ${options.master.label}`,
      ...nodeLines(known),
      ...tableLines(assignment.table.toRows(), known),
      ...operation?.transactions.describe() ?? ["it does not operate"],
    ];
  }

  stop(): Promise<void> {
    this.#shutDown(false);
    return this.ended;
  }

  /** Ends in order: what was done is committed, or everything is erased. */
  #shutDown(erase: boolean): void {
    this.#end(async (backend) => {
      if (erase) await backend.erase();
      await backend.close({ commit: true });
      this.#ended.resolve();
    });
  }

  /** Ends because the node can't go on. What was not committed is lost, as in a crash. */
  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#end(async (backend) => {
      try {
        await backend.close({ commit: false });
      } finally {
        this.#ended.reject(error);
      }
    });
  }

  #end(closeDatabase: (backend: Backend) => Promise<void>): void {
    if (this.#stopping.signal.aborted) return;
    this.#listener?.close();
    this.#peers.closeAll();
    this.#phases?.session.options.master.abort();
    this.#stopping.abort(new ConnectionClosedError("the storage was stopped"));
    // Who handles a packet in this turn may still use the database.
    this.#host.defer(() => {
      const backend = this.#backend;
      if (backend === null) return this.#ended.resolve();
      closeDatabase(backend).catch((error) => this.#ended.reject(error));
    });
  }
}

/** Stores what the master says of the cluster. Throws a DatabaseError when it is another one. */
function adopt(
  backend: Backend,
  { partitions, replicas, nid, rows }: {
    readonly partitions: number;
    readonly replicas: number;
    readonly nid: Nid;
    readonly rows: readonly Row[];
  },
): void {
  const { settings } = backend;
  const known = rows.length > 0 ? rows.length : null;
  if (partitions < 1 || (known !== null && known !== partitions)) {
    throw new DatabaseError(
      "the number of partitions is inconsistent: " +
        `the database has ${known ?? "none yet"}, the cluster ${partitions}`,
    );
  }
  settings.partitions = partitions;
  settings.replicas = replicas;
  // By another id, cells of the stored table look like those of another node.
  if (settings.nid !== null && settings.nid !== nid && settings.ptid !== null) {
    settings.keepsRows = true;
  }
  settings.nid = nid;
  void backend.commit();
}
