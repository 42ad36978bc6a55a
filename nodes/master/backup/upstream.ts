/**
 * The upstream cluster as a backup's master sees it: it is a client there that never writes. It
 * learns the nodes and the partition table, and is told of each commit in order.
 *
 * The storages would replicate from whatever cluster has the right name, and what they have could
 * not be told apart afterwards. So before anything is ordered, it must have the last transaction
 * that the backup has: if not, it was truncated, or is another database.
 */

import { masterToClient } from "../../../gen/flows.ts";
import {
  type AcceptIdentification,
  AskLastTransaction,
  AskPartitionTable,
  type Codecs,
  type NodeInformation,
  type NotifyPartitionChanges,
} from "../../../gen/packets.ts";
import { hexId, type Nid, type Oid, type Tid, ZERO_TID } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import { addressText, sameAddress } from "../../cluster/addresses.ts";
import { delay } from "../../cluster/delay.ts";
import type { Endpoint } from "../../cluster/endpoint.ts";
import type { MasterList } from "../../cluster/master_list.ts";
import { NodeTable } from "../../cluster/node_table.ts";
import { PartitionTable } from "../../cluster/partition_table.ts";
import { findPrimary } from "../../cluster/primary_search.ts";
import { NeoError, NetworkError } from "../../errors.ts";
import type { Address, ClientHost } from "../../host/host.ts";
import type { Connection } from "../../wire/connection.ts";
import { encodeText } from "../../wire/text.ts";
import type { Turn } from "../turn.ts";
import { RETRY_MS } from "./limits.ts";
import { DivergedError, hasTransaction } from "./upstream_history.ts";

/** Which cluster to follow. */
export interface UpstreamCluster {
  readonly cluster: string;
  /** Its masters, as far as they are known. */
  readonly masters: MasterList;
  readonly endpoint: Endpoint;
}

/** What happens upstream; each is told before anything that comes later. */
export interface UpstreamEvents {
  /** It is followed from now on: all commits after `lastTid` are told. */
  connected(lastTid: Tid): void;
  committed(tid: Tid, oids: readonly Oid[]): void;
  /** Nodes have come or gone, or the partition table has changed. */
  changed(): void;
  /** It can't be followed, because it lacks what the backup knows of; it is tried again. */
  diverged(): void;
  /** It is not followed any more. */
  lost(): void;
}

export interface UpstreamOptions extends UpstreamCluster {
  readonly host: ClientHost;
  readonly turn: Turn;
  /** How many partitions the backup has. */
  readonly partitions: number;
  readonly events: UpstreamEvents;
  /** An error that is this node's own. */
  fatal(error: unknown): void;
}

/** One identification by an upstream primary master. */
interface Session {
  readonly connection: Connection;
  /** The id of this master there. */
  readonly nid: Nid;
  readonly nodes: NodeTable;
  readonly table: PartitionTable;
  hasTable: boolean;
  isFollowed: boolean;
}

export class Upstream {
  readonly #options: UpstreamOptions;
  #session: Session | null = null;
  #attempt: AbortController | null = null;
  #nid: Nid | null = null;
  #lastProblem = "";

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** The cluster's name. */
  get cluster(): string {
    return this.#options.cluster;
  }

  /**
   * Looks for the cluster until it is found, and follows it if it has the transaction `lastTid`,
   * the last one that the backup knows of.
   */
  connect(lastTid: Tid): void {
    this.close();
    const attempt = new AbortController();
    this.#attempt = attempt;
    const { host, cluster } = this.#options;
    host.log.log("INFO", "master", `looks for the upstream cluster, ${cluster}`);
    this.#connect(lastTid, attempt.signal).catch((error) => {
      if (!attempt.signal.aborted) this.#options.fatal(error);
    });
  }

  /** Leaves the cluster, or ceases to look for it. */
  close(): void {
    this.#attempt?.abort(new NetworkError("the upstream cluster is not wanted any more"));
    this.#attempt = null;
    this.#leave();
  }

  #leave(): void {
    const session = this.#session;
    this.#session = null;
    session?.connection.close();
  }

  async #connect(lastTid: Tid, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        return await this.#begin(await this.#identify(signal), { lastTid, signal });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof NeoError)) throw error;
        this.#leave();
        this.#complain(error);
        if (error instanceof DivergedError) {
          const { turn, events } = this.#options;
          turn.runOwn(() => events.diverged());
        }
        if (signal.aborted) return;
      }
      await delay(this.#options.host, RETRY_MS, signal);
    }
  }

  /** The same problem is told once. */
  #complain(error: NeoError): void {
    const { host, cluster } = this.#options;
    if (error.message === this.#lastProblem) return;
    this.#lastProblem = error.message;
    const level = error instanceof DivergedError ? "ERROR" : "WARNING";
    host.log.log(level, "master", `the upstream cluster ${cluster}: ${error.message}`);
  }

  async #identify(signal: AbortSignal): Promise<Session> {
    const { host, endpoint, masters, cluster } = this.#options;
    let session: Session | null = null;
    await findPrimary({
      ...{ host, endpoint, masters, endsOnRefusal: false },
      request: () => ({
        nodeType: "CLIENT",
        nid: this.#nid,
        address: null,
        cluster: encodeText(cluster),
        devpath: [],
        idTimestamp: null,
      }),
      accepted: (connection, accept, nid) => {
        session = this.#accepted(connection, accept, nid);
      },
    }, signal);
    if (session === null) throw new Error("identification ended without a session");
    return session;
  }

  #accepted(connection: Connection, accept: AcceptIdentification, nid: Nid): Session {
    const { partitions, replicas } = accept;
    const expected = this.#options.partitions;
    if (partitions !== expected) {
      throw new NetworkError(
        `expected ${expected} partitions as in this cluster, found ${partitions}: only a cluster ` +
          "of as many can be a backup of it",
      );
    }
    const session: Session = {
      ...{ connection, nid, hasTable: false, isFollowed: false },
      nodes: new NodeTable(),
      table: new PartitionTable(partitions, replicas),
    };
    this.#nid = nid;
    this.#session = session;
    const { turn } = this.#options;
    const receiver = this.#receiver(session);
    connection.setReceiver((incoming) => turn.run(() => receiver(incoming)));
    connection.onClose(() => turn.after(() => this.#lost(session)));
    return session;
  }

  #receiver(session: Session): Receiver<Codecs> {
    const { events } = this.#options;
    return masterToClient({
      notifyNodeInformation: ({ nodes }) => this.#takeNodes(session, nodes),
      notifyPartitionChanges: (packet) => this.#takeChanges(session, packet),
      invalidateObjects: ({ tid, oids }) => {
        if (session.isFollowed) events.committed(tid, oids);
      },
      // It closes the connection itself where these matter; there are no transactions.
      notifyDeadlock: () => {},
      stopOperation: () => {},
      notifyClusterInformation: () => {},
      flushLog: () => {},
    });
  }

  #takeNodes(session: Session, nodes: readonly NodeInformation[]): void {
    const { masters, events } = this.#options;
    for (const node of nodes) {
      session.nodes.update(node);
      if (node.type !== "MASTER" || node.address === null) continue;
      if (node.state === "UNKNOWN") masters.remove(node.address);
      else masters.add(node.address);
    }
    if (session.isFollowed) events.changed();
  }

  #takeChanges(session: Session, { ptid, changes }: NotifyPartitionChanges): void {
    // Changes before the first whole table are part of it.
    if (!session.hasTable) return;
    session.table.update(ptid, changes);
    if (session.isFollowed) this.#options.events.changed();
  }

  async #begin(
    session: Session,
    { lastTid, signal }: { readonly lastTid: Tid; readonly signal: AbortSignal },
  ): Promise<void> {
    const { connection, table } = session;
    await connection.ask(AskPartitionTable, {}, ({ ptid, rows }) => {
      const odd = rows.find(({ offset }) => offset >= table.partitions);
      if (odd !== undefined) {
        throw new NetworkError(
          `expected a table of ${table.partitions} partitions, found partition ${odd.offset}`,
        );
      }
      table.load(ptid, rows);
      session.hasTable = true;
    });
    if (lastTid !== ZERO_TID && !await this.#hasTransaction(session, lastTid, signal)) {
      throw new DivergedError(`it does not have transaction ${hexId(lastTid)}`);
    }
    await connection.ask(AskLastTransaction, {}, ({ tid }) => {
      if (this.#session !== session) return;
      const found = tid ?? ZERO_TID;
      if (found < lastTid) {
        throw new DivergedError(`it ends at ${hexId(found)}, before ${hexId(lastTid)}`);
      }
      this.#lastProblem = "";
      session.isFollowed = true;
      this.#options.turn.runOwn(() => this.#options.events.connected(found));
    });
  }

  #hasTransaction(session: Session, tid: Tid, signal: AbortSignal): Promise<boolean> {
    const { host, endpoint, cluster } = this.#options;
    const { nid, nodes, table } = session;
    const addresses = this.sources(table.partition(tid));
    const idTimestamp = nodes.get(nid)?.idTimestamp ?? null;
    const place = { host, endpoint, cluster, nid, idTimestamp, addresses, signal };
    return hasTransaction(place, tid);
  }

  #lost(session: Session): void {
    if (this.#session !== session) return;
    this.#session = null;
    if (session.isFollowed) this.#options.events.lost();
  }

  /** Where a partition can be read upstream now. */
  sources(offset: number): Address[] {
    const session = this.#session;
    if (session === null) return [];
    return session.table.readableCells(offset).flatMap(({ nid }) => {
      const node = session.nodes.get(nid);
      return node?.state === "RUNNING" && node.address !== null ? [node.address] : [];
    });
  }

  /** Whether a partition can be read at an address. */
  isSource(offset: number, address: Address): boolean {
    return this.sources(offset).some((source) => sameAddress(source, address));
  }

  /** What to say of it in logs. */
  get text(): string {
    const remote = this.#session?.connection.remote;
    return `${this.cluster}${remote === undefined ? "" : ` (${addressText(remote)})`}`;
  }
}
