/** A master that does what a test says: whoever connects to it is a peer of the test. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import type { Address, Listener } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { Log } from "../support/log.ts";
import { Waiters } from "../support/waiters.ts";
import { Peer } from "./support.ts";

/** The id that it has. */
export const M5 = nodeId("MASTER", 5);

export class ScriptedMaster {
  readonly #arrived: Peer[] = [];
  readonly #all: Connection[] = [];
  readonly #waiters = new Waiters();
  #listener: Listener | null = null;

  static async listen(): Promise<ScriptedMaster> {
    const master = new ScriptedMaster();
    const host = createNodeHost({ log: new Log() });
    master.#listener = await host.network(null).listen({ host: "127.0.0.1", port: 0 }, {
      accepted: (socket) => {
        const connection = new Connection(socket, {
          host,
          dialect: neo_1_11,
          label: "?",
          fatal: () => {},
        });
        master.#all.push(connection);
        master.#arrived.push(new Peer(connection));
        master.#waiters.changed();
      },
      refused: () => {},
    });
    return master;
  }

  get address(): Address {
    assert.ok(this.#listener);
    return this.#listener.address;
  }

  /** The next one that comes, and what it says of itself. */
  async visitor(): Promise<{
    peer: Peer;
    request: p.RequestIdentification;
    accept(yourNid: p.AcceptIdentification["yourNid"]): void;
  }> {
    for (;;) {
      const peer = this.#arrived.shift();
      if (peer !== undefined) {
        const { packet, answer } = await peer.takeRequest(p.RequestIdentification);
        const accept = (yourNid: p.AcceptIdentification["yourNid"]) =>
          answer({ nodeType: "MASTER", nid: M5, partitions: 4, replicas: 0, yourNid });
        return { peer, request: packet, accept };
      }
      await this.#waiters.change();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.close();
    for (const connection of this.#all) connection.close();
    await Promise.all(this.#all.map(({ gone }) => gone));
  }
}
