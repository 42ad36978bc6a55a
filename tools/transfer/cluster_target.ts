/**
 * Commits transactions to a cluster under the tids that they had. What they went back to is not
 * kept: each object that was undone has its data once more.
 */

import { type Client, hexId, type Oid, type Tid, ZERO_TID } from "../../mod.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { OidIndex } from "../../nodes/filestorage/oid_index.ts";
import type { Target, Transferred } from "./transaction.ts";

export class ClusterTarget implements Target {
  readonly #client: Client;
  readonly #signal: AbortSignal;
  /** The number, from 1, of the last transaction that stored an object. */
  readonly #last = new OidIndex();
  readonly #tids: Tid[] = [];

  private constructor(client: Client, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Rejects with a ConfigurationError when the cluster has transactions. */
  static async open(client: Client, signal: AbortSignal): Promise<ClusterTarget> {
    await client.sync({ signal });
    if (client.lastTid !== ZERO_TID) {
      throw new ConfigurationError(
        `expected an empty cluster, found one with transactions up to ${hexId(client.lastTid)}: ` +
          "start a new cluster",
      );
    }
    return new ClusterTarget(client, signal);
  }

  async write({ tid, user, description, extension, records }: Transferred): Promise<void> {
    const signal = this.#signal;
    await using transaction = await this.#client.begin({
      ...{ tid, user, description, extension, signal },
    });
    this.#tids.push(tid);
    // An object that a transaction stores twice was changed from the same revision both times.
    const serials = new Map<Oid, Tid>();
    for await (const { oid, data } of records) {
      const serial = serials.get(oid) ?? this.#serial(oid);
      serials.set(oid, serial);
      if (data === null) await transaction.delete(oid, serial, { signal });
      else await transaction.store(oid, { data, serial, owned: true }, { signal });
      this.#last.set(oid, this.#tids.length);
    }
    await transaction.finish({ signal });
  }

  /** The last revision of an object that was written; 0 for none. */
  #serial(oid: Oid): Tid {
    const number = this.#last.get(oid);
    return number === 0 ? ZERO_TID : this.#tids[number - 1] ?? ZERO_TID;
  }
}
