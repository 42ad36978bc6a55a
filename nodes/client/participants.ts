/**
 * The storages that take part in one transaction.
 *
 * Invariant: one that has missed a write (it could not be reached, or its connection ended) is lost
 * for the whole transaction, even if it comes back: what it has of the transaction is incomplete.
 */

import type { Cell } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Connection } from "../wire/connection.ts";
import type { Session } from "./session.ts";

export class Participants {
  readonly #session: Session;
  // Null for a storage that is lost.
  readonly #connections = new Map<Nid, Connection | null>();
  readonly #engaged = new Set<Nid>();
  readonly #joined: (nid: Nid, connection: Connection) => void;

  /** `joined` is told of each storage before anything else is sent to it. */
  constructor(session: Session, joined: (nid: Nid, connection: Connection) => void) {
    this.#session = session;
    this.#joined = joined;
  }

  /** All that take part, the lost ones included. */
  get nids(): Nid[] {
    return [...this.#connections.keys()];
  }

  /** Those whose connection lives. */
  live(): [Nid, Connection][] {
    const live: [Nid, Connection][] = [];
    for (const nid of this.#connections.keys()) {
      const connection = this.connection(nid);
      if (connection !== null) live.push([nid, connection]);
    }
    return live;
  }

  /** Those that have missed something. */
  lost(): Nid[] {
    return this.nids.filter((nid) => this.connection(nid) === null);
  }

  /** The connection to a storage that takes part; null when it is lost. */
  connection(nid: Nid): Connection | null {
    const connection = this.#connections.get(nid) ?? null;
    if (connection === null || !connection.closed) return connection;
    this.#connections.set(nid, null);
    return null;
  }

  isLost(nid: Nid): boolean {
    return this.#connections.has(nid) && this.connection(nid) === null;
  }

  /** A write is about to be sent to a storage: it will know the transaction. */
  engage(nid: Nid): void {
    this.#engaged.add(nid);
  }

  isEngaged(nid: Nid): boolean {
    return this.#engaged.has(nid);
  }

  lose(nid: Nid): void {
    this.#connections.set(nid, null);
  }

  /**
   * Makes the storages of these cells take part. Returns null when they do so already; else a
   * promise that resolves when those that can be reached do, and the others are lost.
   */
  prepare(cells: readonly Cell[]): Promise<unknown> | null {
    let opening: Promise<void>[] | null = null;
    const { nodes, storages } = this.#session;
    for (const { nid } of cells) {
      if (this.#connections.has(nid)) continue;
      const connection = storages.connected(nid);
      if (connection !== undefined) this.#join(nid, connection);
      else if (!nodes.isRunning(nid)) this.lose(nid);
      else (opening ??= []).push(this.#open(nid));
    }
    return opening === null ? null : Promise.all(opening);
  }

  async #open(nid: Nid): Promise<void> {
    let connection: Connection | null = null;
    try {
      connection = await this.#session.storages.open(nid);
    } catch {
      // Why was logged with the connection; what matters here is that it is lost.
    }
    if (this.#connections.has(nid)) return;
    if (connection === null) this.lose(nid);
    else this.#join(nid, connection);
  }

  #join(nid: Nid, connection: Connection): void {
    this.#connections.set(nid, connection);
    this.#joined(nid, connection);
  }
}
