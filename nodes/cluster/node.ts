/** What all kinds of node are to those who start them. */

import type { Nid } from "../codec/ids.ts";
import type { Address, TlsIdentity } from "../host/host.ts";

/** What all kinds of node are started with. */
export interface NodeOptions {
  /** The cluster's name: nodes of another name are refused. */
  readonly cluster: string;
  /** Masters that are known from the start; a master's own address need not be among them. */
  readonly masters: readonly Address[];
  /** Where to listen, which is also where peers are told to connect. */
  readonly bind: Address;
  readonly tls: TlsIdentity | null;
  /** A JSON file that keeps the known masters; null for none. */
  readonly dynamicMasterList: string | null;
  /** The id to ask for; null for the next free one. */
  readonly nid: Nid | null;
}

/** A node that was started. */
export interface RunningNode {
  /** Where it listens. */
  readonly address: Address;
  /**
   * Resolves when the node has ended as it should: it was stopped, or the cluster told it to.
   * Rejects when it can't go on, with an error that says why; its data are as they were.
   */
  readonly ended: Promise<void>;
  /** What it knows, and what it is waiting for, in lines for people. */
  describe(): readonly string[];
  /** Ends the node in order; resolves when it has ended. */
  stop(): Promise<void>;
}
