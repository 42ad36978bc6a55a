/**
 * The connections of this node with other storages: those of its own cluster, by their id, and
 * anonymously those of an upstream cluster, by their address. There is one per pair of nodes; of
 * two that cross, the one opened by the node with the greater id survives on both sides.
 */

import { type AcceptIdentification, RequestIdentification } from "../../../gen/packets.ts";
import type { Codecs } from "../../../gen/packets.ts";
import { addressText } from "../../cluster/addresses.ts";
import type { Endpoint } from "../../cluster/endpoint.ts";
import { nidText } from "../../cluster/node_ids.ts";
import type { Nid } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import { ConnectionClosedError, NetworkError } from "../../errors.ts";
import type { Address, ClientHost } from "../../host/host.ts";
import type { Connection } from "../../wire/connection.ts";
import { ALREADY_CONNECTED, Refusal } from "../../wire/refusal.ts";
import { encodeText } from "../../wire/text.ts";
import type { Assignment } from "../assignment.ts";
import type { Peers } from "../peers.ts";
import { Link } from "./link.ts";

/** A storage to connect to. */
export interface Target {
  /** Null for a storage of another cluster. */
  readonly nid: Nid | null;
  readonly address: Address;
  /** The name of its cluster. */
  readonly cluster: string;
}

export interface LinksOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly peers: Peers;
  readonly assignment: Assignment;
  /** Where this node listens. */
  readonly address: Address;
  /** When the master identified this node. */
  idTimestamp(): number | null;
  /** What takes the packets of a link. */
  receiver(link: Link): Receiver<Codecs>;
}

/** An attempt to connect. */
interface Dial extends PromiseWithResolvers<Link> {
  readonly aborting: AbortController;
  /** Null until there is one to identify on. */
  connection: Connection | null;
}

export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  readonly #dials = new Map<string, Dial>();

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /**
   * The link to a storage, which may have been opened by it. Rejects with a NetworkError, a
   * ConnectionClosedError or a PeerError when there is none to be had.
   */
  connect(target: Target): Promise<Link> {
    const key = keyOf(target);
    const link = this.#links.get(key);
    if (link !== undefined) return Promise.resolve(link);
    return (this.#dials.get(key) ?? this.#dial(key, target)).promise;
  }

  #dial(key: string, target: Target): Dial {
    const dial: Dial = {
      ...Promise.withResolvers<Link>(),
      aborting: new AbortController(),
      connection: null,
    };
    this.#dials.set(key, dial);
    this.#open(dial, target)
      .finally(() => {
        if (this.#dials.get(key) === dial) this.#dials.delete(key);
      })
      .then(dial.resolve, dial.reject);
    return dial;
  }

  async #open(dial: Dial, target: Target): Promise<Link> {
    const { endpoint, peers } = this.#options;
    const { signal } = dial.aborting;
    const connection = await endpoint.dial(target.address, labelOf(target), signal);
    if (!peers.add(connection)) {
      connection.close();
      throw new NetworkError("expected room for a connection to a storage, found none");
    }
    dial.connection = connection;
    signal.addEventListener("abort", () => connection.close(), { once: true });
    connection.start(() => false);
    const accepted = Promise.withResolvers<Link>();
    try {
      await connection.ask(RequestIdentification, this.#identity(target), (accept) => {
        this.#check(target, accept);
        const { nid } = target;
        accepted.resolve(this.#add(connection, { key: keyOf(target), nid, dialed: true }));
      });
    } catch (error) {
      connection.close();
      throw error;
    }
    return await accepted.promise;
  }

  #identity({ nid, cluster }: Target): RequestIdentification {
    const { assignment, address, idTimestamp } = this.#options;
    return {
      nodeType: "STORAGE",
      nid: nid === null ? null : assignment.nid,
      address,
      cluster: encodeText(cluster),
      devpath: [],
      idTimestamp: idTimestamp(),
    };
  }

  #check(target: Target, { nodeType, nid, yourNid, partitions }: AcceptIdentification): void {
    const { nid: ownNid, table } = this.#options.assignment;
    const expected = `${labelOf(target)} with ${table.partitions} partitions`;
    const isExpected = nodeType === "STORAGE" && partitions === table.partitions &&
      (target.nid === null || (nid === target.nid && (yourNid ?? ownNid) === ownNid));
    if (isExpected) return;
    throw new NetworkError(
      `expected ${expected}, found ${nodeType} ${nidText(nid)} with ${partitions} that calls ` +
        `this node ${nidText(yourNid)}`,
    );
  }

  /** @param key by what others find the link; null for one that only its peer uses */
  #add(
    connection: Connection,
    { key, nid, dialed }: {
      readonly key: string | null;
      readonly nid: Nid | null;
      readonly dialed: boolean;
    },
  ): Link {
    const { host, peers, receiver } = this.#options;
    const link = new Link(connection, { host, nid, dialed });
    connection.setReceiver(receiver(link));
    if (nid !== null) {
      connection.label = `${nidText(nid)} (${addressText(connection.remote)})`;
      peers.identified(nid, connection);
    }
    if (key === null) return link;
    this.#links.set(key, link);
    connection.onClose(() => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    });
    return link;
  }

  /**
   * Takes in a connection that a storage opened: `nid` is null for one of another cluster. Throws
   * a Refusal when there is another connection that has to be kept.
   */
  accept(connection: Connection, nid: Nid | null): void {
    if (nid === null) {
      this.#add(connection, { key: null, nid, dialed: false });
      return;
    }
    const key = nidText(nid);
    const dial = this.#dials.get(key);
    const isReplaced = dial !== undefined && this.#options.assignment.nid < nid &&
      dial.connection?.received !== true;
    if (this.#links.has(key) || (dial !== undefined && !isReplaced)) {
      throw new Refusal("PROTOCOL_ERROR", ALREADY_CONNECTED);
    }
    const link = this.#add(connection, { key, nid, dialed: false });
    dial?.resolve(link);
    dial?.aborting.abort(new ConnectionClosedError("the peer's connection is used instead"));
  }

  /** Lifts the limit on connections to a storage: it has proved to be of use. */
  mayConnectAgain({ address }: Target): void {
    this.#options.endpoint.mayDialAgain(address);
  }

  /** Closes what is open to another cluster. */
  closeForeign(): void {
    for (const { nid, connection } of [...this.#links.values()]) {
      if (nid === null) connection.close();
    }
  }

  /** Operation is over: nothing is opened any more. What is open is closed by its owner. */
  stop(): void {
    const reason = new ConnectionClosedError("this storage does not operate any more");
    for (const { aborting } of [...this.#dials.values()]) aborting.abort(reason);
  }
}

function keyOf({ nid, address, cluster }: Target): string {
  return nid === null ? `${addressText(address)} ${cluster}` : nidText(nid);
}

function labelOf({ nid, address, cluster }: Target): string {
  return nid === null ? `a storage of ${cluster} at ${addressText(address)}` : nidText(nid);
}
