/** Asking and steering the cluster through its admin, which may be gone or stopped itself. */

import * as p from "../../gen/packets.ts";
import type { RequestType } from "../../nodes/codec/packet.ts";
import { NeoError } from "../../nodes/errors.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Address } from "../../nodes/host/host.ts";
import { connectControl } from "../../tests/support/control.ts";

/** How long an admin may take to answer. */
const ANSWER_MS = 5000;

/** What the cluster looks like at one moment. */
export interface ClusterView {
  /** Null when the admin does not tell. */
  readonly state: p.ClusterState | null;
  readonly rows: readonly p.Row[];
}

const NOTHING: ClusterView = { state: null, rows: [] };

export class Control {
  readonly #host = createClientHost();
  readonly #admin: Address;

  constructor(admin: Address) {
    this.#admin = admin;
  }

  /** Looks at the cluster. */
  async view(): Promise<ClusterView> {
    try {
      const { state } = await this.ask(p.AskClusterState, {});
      return { state, rows: await this.#rows() };
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      return NOTHING;
    }
  }

  async #rows(): Promise<readonly p.Row[]> {
    const all = { minOffset: 0, maxOffset: 0, nid: null };
    return (await this.ask(p.AskPartitionList, all)).rows;
  }

  /** Asks the admin. Rejects with a NeoError when it does not answer in time, or refuses. */
  async ask<T, A>(type: RequestType<T, A, p.Codecs>, packet: T): Promise<A> {
    const connection = await connectControl(this.#host, this.#admin);
    const late = setTimeout(() => connection.abort(), ANSWER_MS);
    try {
      return await connection.ask(type, packet);
    } finally {
      clearTimeout(late);
      connection.close();
    }
  }
}
