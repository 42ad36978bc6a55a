/**
 * Sending orders to the storages of a backup: one packet for all that one storage is to do up to
 * one tid. What is to come from upstream names a storage there that can be read; when that one
 * goes before it was of use, another is named.
 */

import { Replicate } from "../../../gen/packets.ts";
import type { Nid, Tid } from "../../codec/ids.ts";
import { addressText } from "../../cluster/addresses.ts";
import type { Address, ClientHost } from "../../host/host.ts";
import { encodeText } from "../../wire/text.ts";
import type { Nodes } from "../nodes.ts";
import type { Order } from "./order.ts";
import type { Progress } from "./progress.ts";
import type { Upstream } from "./upstream.ts";

export interface OrdersOptions {
  readonly host: ClientHost;
  readonly nodes: Nodes;
  readonly progress: Progress;
  readonly upstream: Upstream;
}

/** A packet that is being put together. */
interface Batch {
  readonly nid: Nid;
  readonly tid: Tid;
  readonly isUpstream: boolean;
  readonly sources: Map<number, Address | null>;
  /** The addresses among the sources. */
  readonly named: Set<string>;
}

export class Orders {
  readonly #options: OrdersOptions;
  /** What was ordered last from upstream of each partition, and where; null for nowhere yet. */
  readonly #fetches = new Map<number, { readonly order: Order; readonly from: Address | null }>();

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** Sends orders. */
  send(orders: readonly Order[]): void {
    const batches = new Map<string, Batch>();
    for (const order of orders) {
      const { nid, offset, tid, source } = order;
      const isUpstream = source === "UPSTREAM";
      const key = `${nid} ${tid} ${isUpstream}`;
      const batch = batches.get(key) ?? { nid, tid, isUpstream, ...emptyBatch() };
      batches.set(key, batch);
      const address = isUpstream ? this.#upstreamSource(order, batch) : this.#ownSource(order);
      if (address !== undefined) batch.sources.set(offset, address);
    }
    for (const batch of batches.values()) this.#sendBatch(batch);
  }

  #sendBatch({ nid, tid, isUpstream, sources }: Batch): void {
    if (sources.size === 0) return;
    const { nodes, upstream } = this.#options;
    const upstreamName = encodeText(isUpstream ? upstream.cluster : "");
    nodes.get(nid)?.connection?.notify(Replicate, { tid, upstreamName, sources });
  }

  #ownSource({ source }: Order): Address | null | undefined {
    if (typeof source === "string") return null;
    return this.#options.nodes.get(source)?.address ?? undefined;
  }

  /** A storage to fetch from, preferably one that the packet already names. */
  #upstreamSource(order: Order, { named }: Batch): Address | undefined {
    const { host, upstream } = this.#options;
    const { offset } = order;
    const readable = upstream.sources(offset);
    const from = readable.find((address) => named.has(addressText(address))) ??
      readable[Math.floor(host.random() * readable.length)];
    if (from !== undefined) named.add(addressText(from));
    this.#fetches.set(offset, { order, from: from ?? null });
    return from;
  }

  /** The upstream cluster has changed: gives orders again that can't be carried out any more. */
  upstreamChanged(): void {
    const { progress, upstream } = this.#options;
    const again: Order[] = [];
    for (const [offset, { order, from }] of this.#fetches) {
      if (!progress.isFetching(order)) this.#fetches.delete(offset);
      else if (from === null || !upstream.isSource(offset, from)) again.push(order);
    }
    this.send(again);
  }

  /** Nothing is fetched from upstream any more. */
  clear(): void {
    this.#fetches.clear();
  }
}

function emptyBatch(): Pick<Batch, "sources" | "named"> {
  return { sources: new Map(), named: new Set() };
}
