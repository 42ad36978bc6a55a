/** The connections that others have opened to this node. */

import type { Nid } from "../codec/ids.ts";
import type { Connection } from "../wire/connection.ts";

/** Connections that are open at the same time at most; one more is closed at once. */
export const MAX_PEERS = 10_000;

export class Peers {
  readonly #connections = new Set<Connection>();
  readonly #identified = new Map<Nid, Connection>();

  /** Takes in a new connection. Returns whether there is room for it. */
  add(connection: Connection): boolean {
    if (this.#connections.size >= MAX_PEERS) return false;
    this.#connections.add(connection);
    connection.onClose(() => this.#connections.delete(connection));
    return true;
  }

  /** A node's connection; undefined where it has none. */
  of(nid: Nid): Connection | undefined {
    return this.#identified.get(nid);
  }

  /** A connection is that of a node, until it is closed. */
  identified(nid: Nid, connection: Connection): void {
    this.#identified.set(nid, connection);
    connection.onClose(() => {
      if (this.#identified.get(nid) === connection) this.#identified.delete(nid);
    });
  }

  /** Closes the connection of a node that is not known any more. */
  close(nid: Nid): void {
    this.#identified.get(nid)?.close();
  }

  closeAll(): void {
    for (const connection of [...this.#connections]) connection.close();
  }
}
