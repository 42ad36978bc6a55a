/**
 * All nodes that the primary master knows, found by id, by address and by type. A node without an
 * id is a master that is only known by its address. Identified nodes are those with a connection;
 * an id belongs to one node at most, and so does an address.
 */

import type { NodeInformation, NodeState, NodeType } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { addressText, sameAddress } from "../cluster/addresses.ts";
import { nidText, nodeId } from "../cluster/node_ids.ts";
import type { Address, ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import type { Devpath } from "./table/topology.ts";

/** What is known of a node. Its id, address and connection are changed by {@link Nodes} only. */
export interface KnownNode {
  readonly type: NodeType;
  readonly nid: Nid | null;
  readonly address: Address | null;
  readonly connection: Connection | null;
  state: NodeState;
  /** Unix time in seconds: tells one life of the node from another one of the same id. */
  idTimestamp: number | null;
  /** Where the node's database is, from the outermost place to the innermost. */
  devpath: Devpath;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Entry = Mutable<KnownNode>;

/** How far two times that are given out differ at least, in seconds. */
const LEAST_STEP_S = 1e-3;

export class Nodes {
  readonly #host: ClientHost;
  readonly #all = new Map<KnownNode, Entry>();
  readonly #byNid = new Map<Nid, KnownNode>();
  readonly #byAddress = new Map<string, KnownNode>();
  readonly #identified: Readonly<Record<NodeType, Set<KnownNode>>> = {
    MASTER: new Set(),
    STORAGE: new Set(),
    CLIENT: new Set(),
    ADMIN: new Set(),
  };
  #lastTime = 0;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** Unix time in seconds, always greater than what was given out before. */
  time(): number {
    this.#lastTime = Math.max(this.#host.now() / 1000, this.#lastTime + LEAST_STEP_S);
    return this.#lastTime;
  }

  /** Adds a node that is not connected. */
  add(type: NodeType, { nid, address }: { nid: Nid | null; address: Address | null }): KnownNode {
    const node: Entry = {
      type,
      nid: null,
      address: null,
      connection: null,
      state: "DOWN",
      idTimestamp: null,
      devpath: [],
    };
    this.#all.set(node, node);
    this.setNid(node, nid);
    this.setAddress(node, address);
    return node;
  }

  /** Forgets a node, which others are still to be told of: from now on it is UNKNOWN. */
  remove(node: KnownNode): void {
    this.disconnected(node);
    if (node.nid !== null) this.#byNid.delete(node.nid);
    if (node.address !== null) this.#byAddress.delete(addressText(node.address));
    this.#all.delete(node);
    node.state = "UNKNOWN";
  }

  setNid(node: KnownNode, nid: Nid | null): void {
    if (node.nid === nid) return;
    if (nid !== null && this.#byNid.has(nid)) throw new Error(`two nodes are ${nidText(nid)}`);
    if (node.nid !== null) this.#byNid.delete(node.nid);
    if (nid !== null) this.#byNid.set(nid, node);
    this.#entry(node).nid = nid;
  }

  setAddress(node: KnownNode, address: Address | null): void {
    if (sameAddress(node.address, address)) return;
    if (address !== null && this.at(address) !== undefined) {
      throw new Error(`two nodes are at ${addressText(address)}`);
    }
    if (node.address !== null) this.#byAddress.delete(addressText(node.address));
    if (address !== null) this.#byAddress.set(addressText(address), node);
    this.#entry(node).address = address;
  }

  /** The node was identified on this connection. */
  connected(node: KnownNode, connection: Connection): void {
    this.#entry(node).connection = connection;
    this.#identified[node.type].add(node);
  }

  /** The node's connection is of no use any more. */
  disconnected(node: KnownNode): void {
    this.#entry(node).connection = null;
    this.#identified[node.type].delete(node);
  }

  #entry(node: KnownNode): Entry {
    const entry = this.#all.get(node);
    if (entry === undefined) throw new Error(`${nidText(node.nid)} was forgotten`);
    return entry;
  }

  /** Whether the node has not been forgotten. */
  has(node: KnownNode): boolean {
    return this.#all.has(node);
  }

  /** The node of an id. */
  get(nid: Nid): KnownNode | undefined {
    return this.#byNid.get(nid);
  }

  /** The node at an address. */
  at(address: Address): KnownNode | undefined {
    return this.#byAddress.get(addressText(address));
  }

  /** All nodes, perhaps of one type. */
  list(type?: NodeType): KnownNode[] {
    const all = [...this.#all.keys()];
    return type === undefined ? all : all.filter((node) => node.type === type);
  }

  /** The connected nodes of a type. */
  identified(type: NodeType): ReadonlySet<KnownNode> {
    return this.#identified[type];
  }

  /** All connected nodes. */
  allIdentified(): KnownNode[] {
    return Object.values(this.#identified).flatMap((nodes) => [...nodes]);
  }

  /** Whether the node of an id is RUNNING. */
  readonly isRunning = (nid: Nid): boolean => this.#byNid.get(nid)?.state === "RUNNING";

  /** Whether the node of an id is connected. */
  readonly isIdentified = (nid: Nid): boolean =>
    (this.#byNid.get(nid)?.connection ?? null) !== null;

  /** The first id of a type that no node has. */
  freeNid(type: NodeType): Nid {
    for (let number = 1;; number++) {
      const nid = nodeId(type, number);
      if (!this.#byNid.has(nid)) return nid;
    }
  }
}

/** A node as others are told of it. */
export function informationOf(node: KnownNode): NodeInformation {
  const { type, address, nid, state, idTimestamp } = node;
  return { type, address, nid, state, idTimestamp };
}
