/**
 * The nodes of the cluster as the primary master tells them to the others. A node is one object
 * for as long as it is known, so that connections and queues can be kept with it.
 */

import type { NodeInformation, NodeState, NodeType } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Address } from "../host/host.ts";

/** What is known of a node. */
export interface ClusterNode {
  readonly nid: Nid;
  readonly type: NodeType;
  address: Address | null;
  state: NodeState;
  /** Unix time in seconds: tells one life of a node from another one of the same id. */
  idTimestamp: number | null;
}

export class NodeTable {
  readonly #byNid = new Map<Nid, ClusterNode>();
  readonly #masters = new Map<string, NodeInformation>();

  /** The node of an id. */
  get(nid: Nid): ClusterNode | undefined {
    return this.#byNid.get(nid);
  }

  /** All nodes that have an id, perhaps of one type. */
  list(type?: NodeType): ClusterNode[] {
    const all = [...this.#byNid.values()];
    return type === undefined ? all : all.filter((node) => node.type === type);
  }

  /** Masters that were named without an id: known by their address only. */
  unidentifiedMasters(): NodeInformation[] {
    return [...this.#masters.values()];
  }

  isRunning(nid: Nid): boolean {
    return this.#byNid.get(nid)?.state === "RUNNING";
  }

  /** Takes one node's news; UNKNOWN removes it. Returns the node as it is (or was) known. */
  update(information: NodeInformation): ClusterNode | null {
    const { type, nid, address, state, idTimestamp } = information;
    if (type === "MASTER" && address !== null) {
      const key = `${address.host} ${address.port}`;
      if (nid === null && state !== "UNKNOWN") this.#masters.set(key, information);
      else this.#masters.delete(key);
    }
    if (nid === null) return null;
    const known = this.#byNid.get(nid);
    if (state === "UNKNOWN") {
      this.#byNid.delete(nid);
      if (known !== undefined) known.state = state;
      return known ?? null;
    }
    if (known === undefined || known.type !== type) {
      const node: ClusterNode = { nid, type, address, state, idTimestamp };
      this.#byNid.set(nid, node);
      return node;
    }
    known.address = address;
    known.state = state;
    known.idTimestamp = idTimestamp;
    return known;
  }

  /** Forgets the nodes that `keep` does not want. Returns those that it forgot. */
  retain(keep: (node: ClusterNode) => boolean): ClusterNode[] {
    const forgotten = this.list().filter((node) => !keep(node));
    for (const { nid } of forgotten) this.#byNid.delete(nid);
    return forgotten;
  }

  clear(): void {
    this.#byNid.clear();
    this.#masters.clear();
  }
}
