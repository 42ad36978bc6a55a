/**
 * The connections to storages of one session: one at most for each, opened when it is needed, and
 * closed with the session, which identified them.
 */

import { AcceptIdentification, RequestIdentification } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import { nidText } from "../cluster/node_ids.ts";
import type { NodeTable } from "../cluster/node_table.ts";
import { NeoError, NetworkError } from "../errors.ts";
import type { Address, ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError } from "../wire/refusal.ts";
import { FAILURE_AGE_MS } from "./limits.ts";

/** When which storages were last found not to answer; outlives sessions. */
export class Failures {
  readonly #host: ClientHost;
  readonly #since = new Map<Nid, number>();

  constructor(host: ClientHost) {
    this.#host = host;
  }

  add(nid: Nid): void {
    this.#since.set(nid, this.#host.monotonic());
  }

  remove(nid: Nid): void {
    this.#since.delete(nid);
  }

  /** A number that sorts those that failed last, the longest ago first, and others at random. */
  sortKey(nid: Nid): number {
    const since = this.#since.get(nid);
    if (since !== undefined && this.#host.monotonic() - since < FAILURE_AGE_MS) return 1 + since;
    if (since !== undefined) this.#since.delete(nid);
    return this.#host.random();
  }
}

export interface StorageLinksOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly nodes: NodeTable;
  readonly failures: Failures;
  /** What this client says of itself. */
  request(): RequestIdentification;
}

export class StorageLinks {
  readonly #options: StorageLinksOptions;
  readonly #connections = new Map<Nid, Connection>();
  readonly #opening = new Map<Nid, Promise<Connection>>();
  readonly #closing = new AbortController();

  constructor(options: StorageLinksOptions) {
    this.#options = options;
  }

  /** The connection to a storage, when there is one. */
  connected(nid: Nid): Connection | undefined {
    return this.#connections.get(nid);
  }

  /** A connection to a storage. Rejects with a NeoError when it can't be had. */
  open(nid: Nid): Promise<Connection> {
    const connected = this.#connections.get(nid);
    if (connected !== undefined) return Promise.resolve(connected);
    let opening = this.#opening.get(nid);
    if (opening === undefined) {
      opening = this.#open(nid).finally(() => this.#opening.delete(nid));
      this.#opening.set(nid, opening);
    }
    return opening;
  }

  async #open(nid: Nid): Promise<Connection> {
    const { failures } = this.#options;
    const address = this.#runningAddress(nid);
    try {
      const connection = await this.#identify(nid, address);
      failures.remove(nid);
      this.#connections.set(nid, connection);
      connection.onClose(() => this.#connections.delete(nid));
      return connection;
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      failures.add(nid);
      throw new NetworkError(`${nidText(nid)} can't be used: ${error.message}`, { cause: error });
    }
  }

  async #identify(nid: Nid, address: Address): Promise<Connection> {
    const { endpoint, nodes, request } = this.#options;
    const { signal } = this.#closing;
    const connection = await endpoint.dial(address, nidText(nid), signal);
    const abandoned = () => connection.close();
    signal.addEventListener("abort", abandoned, { once: true });
    try {
      // A storage asks nothing of its clients.
      connection.start(() => false);
      const own = request();
      const accept = await connection.ask(RequestIdentification, own);
      checkAccepted(accept, nid, own.nid);
      if (!nodes.isRunning(nid)) throw new NetworkError("it was stopped meanwhile");
      return connection;
    } catch (error) {
      connection.close();
      throw error instanceof PeerError ? new NetworkError(`it refuses: ${error.message}`) : error;
    } finally {
      signal.removeEventListener("abort", abandoned);
    }
  }

  #runningAddress(nid: Nid): Address {
    const node = this.#options.nodes.get(nid);
    if (node?.state === "RUNNING" && node.address !== null) return node.address;
    const state = node?.state ?? "UNKNOWN";
    throw new NetworkError(`expected ${nidText(nid)} to be RUNNING, found it ${state}`);
  }

  /** The primary master told of nodes: closes connections to those that do not run any more. */
  nodesChanged(): void {
    for (const [nid, connection] of [...this.#connections]) {
      if (!this.#options.nodes.isRunning(nid)) connection.close();
    }
  }

  close(): void {
    this.#closing.abort(new NetworkError("the primary master was lost"));
    for (const connection of [...this.#connections.values()]) connection.close();
  }
}

function checkAccepted(accept: AcceptIdentification, nid: Nid, own: Nid | null): void {
  const { nodeType, nid: theirs, yourNid } = accept;
  if (nodeType === "STORAGE" && theirs === nid && (yourNid === null || yourNid === own)) return;
  throw new NetworkError(
    `expected it to be ${nidText(nid)} and this client ${nidText(own)}, ` +
      `found ${nidText(theirs)} and ${nidText(yourNid)}`,
  );
}
