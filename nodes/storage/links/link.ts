/**
 * One connection between two storages. Either side may use it, to fetch or to compare, whoever
 * opened it. It stays open for a while after its last use, so that moderate activity does not mean
 * a connection each time, and ends when neither side uses it.
 */

import { type AddObject, type AddTransaction, CloseClient } from "../../../gen/packets.ts";
import type { Nid } from "../../codec/ids.ts";
import type { ClientHost, Timer } from "../../host/host.ts";
import type { Connection } from "../../wire/connection.ts";

/** How long a connection is kept after its last use by this node. */
export const IDLE_MS = 100_000;

/** Who takes what the peer sends for a request; `id` is that of the request. */
export interface Fetching {
  addTransaction(id: number, packet: AddTransaction): void;
  addObject(id: number, packet: AddObject): void;
}

export class Link {
  /** The peer's id; null for a storage of another cluster. */
  readonly nid: Nid | null;
  readonly #host: ClientHost;
  #users = 0;
  /** Whether this node uses the connection, or did so a while ago. */
  #isClient: boolean;
  /** Whether the peer does. */
  #isServer: boolean;
  #idle: Timer | null = null;
  /** What goes on by this connection; null while nothing is fetched. */
  fetching: Fetching | null = null;

  constructor(
    readonly connection: Connection,
    { host, nid, dialed }: {
      readonly host: ClientHost;
      readonly nid: Nid | null;
      readonly dialed: boolean;
    },
  ) {
    this.#host = host;
    this.nid = nid;
    this.#isClient = dialed;
    this.#isServer = !dialed;
    if (dialed) this.#waitForUse();
    connection.onClose(() => this.#idle?.cancel());
  }

  /** This node uses the connection until it calls {@link release} as often as this. */
  use(): void {
    this.#users++;
    this.#isClient = true;
    this.#idle?.cancel();
    this.#idle = null;
  }

  release(): void {
    this.#users--;
    if (this.#users === 0) this.#waitForUse();
  }

  #waitForUse(): void {
    if (this.connection.closed) return;
    this.#idle = this.#host.setTimer(IDLE_MS, () => {
      this.#idle = null;
      if (!this.#isServer) return this.connection.close();
      this.#isClient = false;
      this.connection.notify(CloseClient, {});
    });
  }

  /** The peer uses the connection. */
  served(): void {
    this.#isServer = true;
  }

  /** The peer uses the connection no more. */
  peerLeft(): void {
    this.#isServer = false;
    if (!this.#isClient) this.connection.close();
  }
}
