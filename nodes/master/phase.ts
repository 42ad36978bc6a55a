/**
 * What the primary master does in one state of the cluster: whom it accepts, what it serves, what
 * it does when it loses a node, and which orders it obeys. Each state is an object of its own; the
 * refusals here are what all states have in common.
 */

import type { CellChange, ClusterState, Codecs, NodeState } from "../../gen/packets.ts";
import type { Nid, Tid } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import type { Address } from "../host/host.ts";
import { Refusal } from "../wire/refusal.ts";
import type { KnownNode } from "./nodes.ts";

/** What the cells of a backup can be compared with. */
export interface Reference {
  /** The name of the upstream cluster. */
  readonly cluster: string;
  /** Where it has a partition; empty while it is away. */
  sources(offset: number): readonly Address[];
  /** Up to where all cells of these partitions have everything. */
  completeTid(offsets: Iterable<number>): Tid;
}

/** Refuses an order of an admin, who stays connected. */
export function refuse(message: string): never {
  throw new Refusal("PROTOCOL_ERROR", message, false);
}

export abstract class Phase {
  abstract readonly state: ClusterState;

  /** What is particular to it, in lines for people. */
  describe(): readonly string[] {
    return [];
  }

  /** Begins, after all nodes were told of the state and got their receivers. */
  abstract begin(): void;

  /** The original, while the cluster is a backup. */
  get reference(): Reference | null {
    return null;
  }

  /** Throws a Refusal when no client is served. */
  admitClient(): void {
    throw new Refusal("NOT_READY", "Retry Later");
  }

  /** The state that a storage gets; `known` says whether it has its id from before. */
  abstract admitStorage(known: boolean): NodeState;

  /** Whether a storage has to leave its id to the one at an address, which says that it has it. */
  givesWay(_storage: KnownNode, _address: Address | null): boolean {
    return false;
  }

  /** A storage was accepted and told about the others. */
  abstract storageJoined(storage: KnownNode): void;

  /** A storage's connection has ended. */
  abstract storageLost(storage: KnownNode): void;

  /** A client's connection has ended; it is forgotten afterwards. */
  clientLost(_client: KnownNode): void {}

  /** Takes a storage's packets; they may be late ones of a state that is over. */
  abstract storageReceiver(storage: KnownNode): Receiver<Codecs>;

  /** Takes a client's packets. */
  clientReceiver(_client: KnownNode): Receiver<Codecs> {
    return () => false;
  }

  /** The partition table has changed: tells those who have one. */
  abstract tableChanged(changes: readonly CellChange[]): void;

  /** Refuses that an admin takes a storage out that has what the cluster would lack then. */
  checkLoss(_nid: Nid): void {}

  /** An admin has ordered a storage to stop: takes readability from its cells. */
  abstract outdateKilled(nid: Nid): CellChange[];

  /** Some partition can't be read any more, though no storage was lost. */
  failed(): void {}

  /** A transaction has ended. */
  transactionEnded(): void {}

  /** The order to leave RECOVERING. */
  start(): void {
    refuse("Can not switch to this state");
  }

  /** The order to become a backup of another cluster. */
  startBackup(): void {
    refuse("Can not switch to this state");
  }

  /** The order to be a backup no more. */
  stopBackup(): void {
    refuse("Can not switch to this state");
  }

  /** The order to forget what is later than a tid. */
  truncate(_tid: Tid): void {
    refuse("Can not truncate in this state");
  }

  /** The order to let PENDING storages take part. Returns those that do now. */
  addStorages(_nids: readonly Nid[]): KnownNode[] {
    return refuse(`Can not add nodes in ${this.state} state`);
  }

  /** The order to spread the database over all storages but these. */
  tweak(_excluded: readonly Nid[]): void {
    refuse(`Can not tweak partition table in ${this.state} state`);
  }

  /** This master ceases to play primary: what the phase has opened is closed. */
  leave(): void {}

  /** The order to stop the whole cluster. */
  abstract stop(): void;
}
