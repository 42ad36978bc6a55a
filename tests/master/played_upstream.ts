/**
 * An upstream cluster that does what a test says: a primary master and one storage, which has all
 * partitions and can tell whether it has a transaction.
 */

import assert from "node:assert/strict";
import * as p from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { oid, type Tid } from "../../nodes/codec/ids.ts";
import type { Incoming } from "../../nodes/codec/packet.ts";
import type { Address, Listener, NodeHost } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { decodeText } from "../../nodes/wire/text.ts";
import { S1, S2, tidOf } from "./support.ts";

const C7 = nodeId("CLIENT", 7);
const ANY_PORT: Address = { host: "127.0.0.1", port: 0 };

export class PlayedUpstream implements Disposable {
  readonly cluster = "up";
  /** Whom the master has identified, by what they said. */
  readonly requests: p.RequestIdentification[] = [];
  /** What the storage was asked for. */
  readonly askedTids: Tid[] = [];
  lastTid: number;
  /** The partition table, if it is not one that puts all on the storage. */
  rows: readonly p.Row[] | null = null;
  /** The transactions that the storage has; null for all. */
  history: readonly number[] | null = null;
  readonly #partitions: number;
  readonly #connections = new Set<Connection>();
  #master: Listener | null = null;
  #storage: Listener | null = null;
  #timestamp = 1;

  private constructor(partitions: number, lastTid: number) {
    this.#partitions = partitions;
    this.lastTid = lastTid;
  }

  static async start(
    host: NodeHost,
    { partitions, lastTid = 0 }: { readonly partitions: number; readonly lastTid?: number },
  ): Promise<PlayedUpstream> {
    const upstream = new PlayedUpstream(partitions, lastTid);
    await upstream.#listen(host);
    return upstream;
  }

  async #listen(host: NodeHost): Promise<void> {
    const endpoint = new Endpoint({
      host,
      network: host.network(null),
      fatal: (error) => assert.fail(String(error)),
    });
    const accept = (receive: (connection: Connection, incoming: Incoming<p.Codecs>) => void) =>
      endpoint.listen(ANY_PORT, (connection) => {
        this.#connections.add(connection);
        connection.onClose(() => this.#connections.delete(connection));
        connection.start((incoming) => {
          receive(connection, incoming);
          return true;
        });
      });
    this.#master = await accept((connection, incoming) => this.#asMaster(connection, incoming));
    this.#storage = await accept((_connection, incoming) => this.#asStorage(incoming));
  }

  /** What a master is started with so as to follow this one. */
  get options(): { readonly cluster: string; readonly masters: readonly Address[] } {
    assert.ok(this.#master !== null);
    return { cluster: this.cluster, masters: [this.#master.address] };
  }

  get storage(): Address {
    assert.ok(this.#storage !== null);
    return this.#storage.address;
  }

  #asMaster(connection: Connection, incoming: Incoming<p.Codecs>): void {
    switch (incoming.type) {
      case p.RequestIdentification: {
        const request = incoming.read(p.RequestIdentification);
        this.requests.push(request);
        assert.equal(decodeText(request.cluster), this.cluster);
        incoming.answer(p.AcceptIdentification, {
          ...{ nodeType: "MASTER", nid: nodeId("MASTER", 1), yourNid: C7 },
          ...{ partitions: this.#partitions, replicas: 0 },
        });
        return this.#tellNodes(connection);
      }
      case p.AskPartitionTable: {
        const cells: readonly p.Cell[] = [{ nid: S1, state: "UP_TO_DATE" }];
        const rows = this.rows ??
          Array.from({ length: this.#partitions }, (_, offset) => ({ offset, cells }));
        return incoming.answer(p.AnswerPartitionTable, { ptid: 5, rows });
      }
      case p.AskLastTransaction:
        return incoming.answer(p.AnswerLastTransaction, { tid: tidOf(this.lastTid) });
      default:
        assert.fail(`the master was sent ${incoming.type.name}`);
    }
  }

  #tellNodes(connection: Connection, address = this.storage): void {
    const storage = {
      type: "STORAGE",
      nid: S1,
      address,
      state: "RUNNING",
      idTimestamp: 1,
    } as const;
    const client = { type: "CLIENT", nid: C7, address: null, state: "RUNNING" } as const;
    const nodes = [{ ...client, idTimestamp: 2 }, storage];
    connection.notify(p.NotifyNodeInformation, { timestamp: this.#timestamp++, nodes });
  }

  #asStorage(incoming: Incoming<p.Codecs>): void {
    if (incoming.type === p.RequestIdentification) {
      const { nid, idTimestamp } = incoming.read(p.RequestIdentification);
      assert.deepEqual([nid, idTimestamp], [C7, 2]);
      return incoming.answer(p.AcceptIdentification, {
        ...{ nodeType: "STORAGE", nid: S1, yourNid: C7 },
        ...{ partitions: this.#partitions, replicas: 0 },
      });
    }
    const { tid } = incoming.read(p.AskTransactionInformation);
    this.askedTids.push(tid);
    if (this.history !== null && !this.history.includes(Number(tid))) {
      throw new Refusal("TID_NOT_FOUND", "there is none", false);
    }
    const empty = new Uint8Array();
    incoming.answer(p.AnswerTransactionInformation, {
      ...{ tid, user: empty, description: empty, extension: empty, packed: false, oids: [] },
    });
  }

  /** Tells all clients of a transaction that changed these objects. */
  commit(tid: number, oids: readonly number[]): void {
    this.lastTid = tid;
    this.#toClients((connection) =>
      connection.notify(p.InvalidateObjects, {
        tid: tidOf(tid),
        oids: oids.map((each) => oid(BigInt(each))),
      })
    );
  }

  /** Puts all partitions on another storage. */
  move(address: Address): void {
    this.#toClients((connection) => {
      const moved = {
        type: "STORAGE",
        nid: S2,
        address,
        state: "RUNNING",
        idTimestamp: 3,
      } as const;
      const down = { ...moved, nid: S1, address: this.storage, state: "DOWN" } as const;
      const timestamp = this.#timestamp++;
      connection.notify(p.NotifyNodeInformation, { timestamp, nodes: [moved, down] });
      const changes = Array.from({ length: this.#partitions }, (_, offset): p.CellChange[] => [
        { offset, nid: S2, state: "UP_TO_DATE" },
        { offset, nid: S1, state: "OUT_OF_DATE" },
      ]);
      connection.notify(p.NotifyPartitionChanges, { ptid: 6, changes: changes.flat() });
    });
  }

  #toClients(tell: (connection: Connection) => void): void {
    for (const connection of this.#connections) tell(connection);
  }

  /** Ends all connections; new ones are accepted. */
  disconnect(): void {
    for (const connection of [...this.#connections]) connection.close();
  }

  [Symbol.dispose](): void {
    this.#master?.close();
    this.#storage?.close();
    this.disconnect();
  }
}
