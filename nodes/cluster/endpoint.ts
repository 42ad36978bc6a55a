/**
 * A node's two ways to get connections: dialing other nodes, at most once a second each, and
 * listening. Both give connections of the node's dialect that report to the node.
 */

import { neo_1_11 } from "../../gen/neo_1_11.ts";
import type { Address, ClientHost, Listener, Network, Socket } from "../host/host.ts";
import { Connection } from "../wire/connection.ts";
import { addressText } from "./addresses.ts";
import { delay } from "./delay.ts";

/** The least time between two attempts to connect to the same address. */
export const DIAL_INTERVAL_MS = 1000;

export interface EndpointOptions {
  readonly host: ClientHost;
  readonly network: Network;
  /** Told once of an error that is this node's own; the node must stop. */
  fatal(error: unknown): void;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  // The last attempts, the oldest first; those that limit nothing any more are forgotten.
  readonly #lastDial = new Map<string, number>();

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /**
   * Connects; waits first when the last attempt at this address is less than a second ago.
   * Rejects with a NetworkError, or with the signal's reason.
   */
  async dial(address: Address, label: string, signal?: AbortSignal): Promise<Connection> {
    const { host, network } = this.#options;
    const key = addressText(address);
    for (;;) {
      const last = this.#lastDial.get(key);
      const waitMs = last === undefined ? 0 : last + DIAL_INTERVAL_MS - host.monotonic();
      if (waitMs <= 0) break;
      await delay(host, waitMs, signal);
    }
    this.#dialed(key);
    const socket = await network.connect(address);
    if (signal?.aborted) {
      socket.destroy();
      throw signal.reason;
    }
    return this.#connection(socket, { label, dialed: true });
  }

  #dialed(key: string): void {
    const now = this.#options.host.monotonic();
    for (const [other, last] of this.#lastDial) {
      if (now - last < DIAL_INTERVAL_MS) break;
      this.#lastDial.delete(other);
    }
    this.#lastDial.delete(key);
    this.#lastDial.set(key, now);
  }

  /** Lifts the limit for an address: the next attempt is made at once. */
  mayDialAgain(address: Address): void {
    this.#lastDial.delete(addressText(address));
  }

  /** Listens; each peer that comes is given to `accepted`, which must start its connection. */
  listen(bind: Address, accepted: (connection: Connection) => void): Promise<Listener> {
    const { host, network } = this.#options;
    return network.listen(bind, {
      accepted: (socket) => accepted(this.#connection(socket, { label: "?", dialed: false })),
      refused: (remote, reason) =>
        host.log.log("WARNING", "network", `refused ${addressText(remote)}: ${reason}`),
    });
  }

  #connection(socket: Socket, side: { label: string; dialed: boolean }): Connection {
    const { host, fatal } = this.#options;
    return new Connection(socket, { ...side, host, dialect: neo_1_11, fatal });
  }
}
