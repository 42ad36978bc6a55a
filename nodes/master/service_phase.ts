/**
 * What the phases have in common in which the table is in force: storages have it, a loss changes
 * it, and a storage that comes takes part when its id was known.
 */

import {
  type CellChange,
  type Codecs,
  type NodeState,
  SendPartitionTable,
} from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import type { KnownNode } from "./nodes.ts";
import { Phase } from "./phase.ts";
import type { Primary } from "./primary.ts";
import { quietStorage } from "./quiet_storage.ts";

export abstract class ServicePhase extends Phase {
  constructor(protected readonly primary: Primary) {
    super();
  }

  override admitStorage(known: boolean): NodeState {
    return known ? "RUNNING" : "PENDING";
  }

  override storageJoined(storage: KnownNode): void {
    this.sendTable(storage);
  }

  /** Sends the whole table to a storage. */
  protected sendTable({ connection }: KnownNode): void {
    const { table } = this.primary;
    connection?.notify(SendPartitionTable, { ptid: table.ptid, rows: table.toRows() });
  }

  override storageReceiver(_storage: KnownNode): Receiver<Codecs> {
    return quietStorage();
  }

  override tableChanged(changes: readonly CellChange[]): void {
    this.primary.sendChanges(changes, ["STORAGE", "CLIENT", "ADMIN"]);
  }

  override outdateKilled(_nid: Nid): CellChange[] {
    const { table, nodes } = this.primary;
    return table.outdate(nodes.isRunning);
  }
}
