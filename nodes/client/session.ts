/**
 * One identification by a primary master, for as long as that connection lives: the nodes and the
 * partition table as it tells them, and the transactions that were begun with it.
 *
 * Invariant: what the master tells is taken in the order in which it was sent, so that a commit is
 * never seen before those that came before it.
 */

import { masterToClient } from "../../gen/flows.ts";
import {
  AcceptIdentification,
  AskLastTransaction,
  AskPartitionTable,
  type Codecs,
  type NodeInformation,
  NotifyPartitionChanges,
  RequestIdentification,
} from "../../gen/packets.ts";
import { type Nid, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { PacketType, RequestType } from "../codec/packet.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import { NodeTable } from "../cluster/node_table.ts";
import { PartitionTable } from "../cluster/partition_table.ts";
import { type NeoError, NetworkError } from "../errors.ts";
import type { ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { closedError, MasterLostError } from "./errors.ts";
import { type Failures, StorageLinks } from "./storages.ts";

/** What a session tells the client, each before anything that the master sent later. */
export interface SessionEvents {
  /** The last transaction at the beginning; from here on, all are told. */
  began(lastTid: Tid | null): void;
  invalidated(tid: Tid, oids: readonly Oid[]): void;
}

/** What a session tells a transaction that was begun with it. */
export interface SessionTransaction {
  /** It must rebase under a new locking tid. */
  deadlock(lockingTid: Tid): void;
  /** The session is over. */
  masterLost(): void;
}

export interface SessionOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly failures: Failures;
  readonly events: SessionEvents;
  readonly connection: Connection;
  readonly accept: AcceptIdentification;
  readonly nid: Nid;
  /** The cluster's name as bytes. */
  readonly cluster: Uint8Array;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
}

export class Session {
  readonly nid: Nid;
  readonly nodes = new NodeTable();
  readonly table: PartitionTable;
  readonly storages: StorageLinks;
  readonly transactions = new Map<Tid, SessionTransaction>();
  readonly #connection: Connection;
  readonly #events: SessionEvents;
  readonly #newest = new Map<number, Tid>();
  readonly #closing: AbortSignal;
  #lastAtBegin: Tid = ZERO_TID;
  #idTimestamp: number | null = null;
  #hasTable = false;
  #follows = false;
  #silence: Promise<void> | null = null;

  constructor(options: SessionOptions) {
    const { connection, accept, nid, cluster } = options;
    this.nid = nid;
    this.#connection = connection;
    this.#events = options.events;
    this.#closing = options.closing;
    this.table = new PartitionTable(accept.partitions, accept.replicas);
    this.storages = new StorageLinks({
      ...options,
      nodes: this.nodes,
      request: (): RequestIdentification => ({
        nodeType: "CLIENT",
        nid,
        address: null,
        cluster,
        devpath: [],
        idTimestamp: this.#idTimestamp,
      }),
    });
    connection.setReceiver(masterToClient({
      notifyNodeInformation: ({ nodes }) => this.#takeNodes(nodes),
      notifyPartitionChanges: (packet) => this.#takeChanges(packet),
      invalidateObjects: ({ tid, oids }) => {
        this.committed(tid);
        if (this.#follows) options.events.invalidated(tid, oids);
      },
      notifyDeadlock: ({ ttid, lockingTid }) => {
        this.transactions.get(ttid)?.deadlock(lockingTid);
      },
      // The master closes the connection itself where these matter.
      stopOperation: () => {},
      notifyClusterInformation: () => {},
      flushLog: () => options.host.log.flush?.(),
    }));
    connection.onClose(() => this.#ended());
  }

  get ended(): boolean {
    return this.#connection.closed;
  }

  /** Throws why the session is over, where it is. */
  assertAlive(): void {
    if (this.ended) throw this.loss();
  }

  /** What operations end with that needed this session. */
  loss(): NeoError {
    return this.#closing.aborted ? closedError() : new MasterLostError(
      "the connection to the primary master was lost: run the transaction again",
    );
  }

  /** Calls back once when the session is over; at once when it already is. */
  onEnd(listener: () => void): void {
    this.#connection.onClose(listener);
  }

  /**
   * Gets the partition table and the last transaction. Resolves with whether the cluster can be
   * used. Rejects with a ConnectionClosedError when the session ended meanwhile.
   */
  async begin(): Promise<boolean> {
    const table = this.#connection.ask(AskPartitionTable, {}, ({ ptid, rows }) => {
      this.table.load(ptid, rows);
      this.#hasTable = true;
    });
    const last = this.#connection.ask(AskLastTransaction, {}, ({ tid }) => {
      this.#follows = true;
      this.#lastAtBegin = tid ?? ZERO_TID;
      this.#events.began(tid);
    });
    await Promise.all([table, last]);
    return this.table.isOperational((nid) => this.nodes.isRunning(nid));
  }

  /** A transaction was committed, by this client or another. */
  committed(tid: Tid): void {
    this.#newest.set(this.table.partition(tid), tid);
  }

  /**
   * The newest transaction of a partition among those that were committed in this session. All that
   * were committed before it, a storage has unlocked when it accepts this session's client: both
   * news come to it from the master, in this order.
   */
  newest(partition: number): Tid | null {
    return this.#newest.get(partition) ?? null;
  }

  /** Whether a partition may have a transaction from `tid` on that this session knows of. */
  mayHaveSince(partition: number, tid: Tid): boolean {
    return tid <= this.#lastAtBegin || tid <= (this.newest(partition) ?? ZERO_TID);
  }

  /** Asks the primary master; see `Connection.ask`. */
  ask<T, A>(
    type: RequestType<T, A, Codecs>,
    packet: T,
    inOrder?: (answer: A) => void,
  ): Promise<A> {
    if (this.#silence === null) return this.#connection.ask(type, packet, inOrder);
    return this.#silence.then(() => this.ask(type, packet, inOrder));
  }

  /**
   * Asks the primary master and nothing else until it has answered: a deferred AnswerFinalTID of
   * NEO 1.11 takes the id of the last packet that the client sent.
   */
  async askAlone<T, A>(type: RequestType<T, A, Codecs>, packet: T): Promise<A> {
    while (this.#silence !== null) await this.#silence;
    const answer = this.#connection.ask(type, packet);
    const silence = answer.then(() => {}, () => {}).then(() => {
      this.#silence = null;
    });
    this.#silence = silence;
    return await answer;
  }

  /** Notifies the primary master. */
  notify<T>(type: PacketType<T, Codecs>, packet: T): void {
    if (this.#silence === null) this.#connection.notify(type, packet);
    else this.#silence.then(() => this.notify(type, packet));
  }

  close(): void {
    this.#connection.close();
  }

  #takeNodes(nodes: readonly NodeInformation[]): void {
    for (const node of nodes) {
      this.nodes.update(node);
      if (node.nid === this.nid) this.#idTimestamp = node.idTimestamp;
    }
    this.storages.nodesChanged();
  }

  #takeChanges({ ptid, changes }: NotifyPartitionChanges): void {
    // Changes before the first whole table are part of it.
    if (!this.#hasTable) return;
    const known = this.table.ptid ?? 0;
    if (ptid <= known) {
      throw new NetworkError(`expected a partition table newer than ${known}, found ${ptid}`);
    }
    this.table.update(ptid, changes);
  }

  #ended(): void {
    this.storages.close();
    for (const transaction of [...this.transactions.values()]) transaction.masterLost();
    this.transactions.clear();
  }
}
