/** RUNNING: the database is in use, and clients read and write. */

import type { Codecs } from "../../gen/packets.ts";
import type { Nid, Tid } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import { announce } from "./announcements.ts";
import { clientReceiver } from "./client_service.ts";
import type { KnownNode } from "./nodes.ts";
import { Operation } from "./operation.ts";
import { refuse } from "./phase.ts";
import type { Primary } from "./primary.ts";
import { ServicePhase } from "./service_phase.ts";
import { storageReceiver } from "./storage_service.ts";
import { Stopping } from "./stopping.ts";

export class Running extends ServicePhase {
  override readonly state = "RUNNING";
  readonly #operation: Operation;

  constructor(primary: Primary) {
    super(primary);
    this.#operation = new Operation(primary);
  }

  override begin(): void {
    for (const storage of this.primary.nodes.identified("STORAGE")) this.#start(storage);
  }

  #start(storage: KnownNode): void {
    if (storage.state === "RUNNING") this.#operation.start(storage);
  }

  override admitClient(): void {}

  override storageJoined(storage: KnownNode): void {
    super.storageJoined(storage);
    this.#start(storage);
  }

  override storageLost(storage: KnownNode): void {
    if (this.#operation.storageLost(storage)) return;
    this.primary.turn.after(() => this.failed());
  }

  override failed(): void {
    this.#standDown(null);
  }

  #standDown(truncate: Tid | null): void {
    if (this.primary.phase !== this) return;
    this.#operation.transactions.drop();
    this.primary.standDown(truncate);
  }

  override clientLost(client: KnownNode): void {
    this.#operation.clientLost(client);
  }

  override storageReceiver(storage: KnownNode): Receiver<Codecs> {
    return storageReceiver(this.#operation, storage);
  }

  override clientReceiver(client: KnownNode): Receiver<Codecs> {
    return clientReceiver(this.#operation, client);
  }

  override startBackup(): void {
    if (this.#operation.transactions.hasPending || this.primary.nodes.identified("CLIENT").size) {
      refuse(
        "Can not switch to STARTING_BACKUP state with pending transactions or connected clients",
      );
    }
    refuse("Can not switch to STARTING_BACKUP state: no upstream cluster is configured");
  }

  override truncate(tid: Tid): void {
    this.primary.turn.after(() => this.#standDown(tid));
  }

  override addStorages(nids: readonly Nid[]): KnownNode[] {
    const { nodes, table } = this.primary;
    const added = new Set<KnownNode>();
    for (const nid of nids) {
      const node = nodes.get(nid);
      if (node !== undefined && node.type === "STORAGE" && node.state === "PENDING") {
        added.add(node);
      }
    }
    const storages = [...added];
    table.addMembers(storages.flatMap(({ nid }) => nid ?? []));
    for (const storage of storages) {
      storage.state = "RUNNING";
      this.#operation.start(storage);
    }
    announce(nodes, storages);
    return storages;
  }

  override tweak(excluded: readonly Nid[]): void {
    const { nodes, table } = this.primary;
    const candidates = nodes.list("STORAGE").flatMap(({ nid, state, devpath }) =>
      nid !== null && state === "RUNNING" ? [{ nid, devpath }] : []
    );
    const changes = table.tweak(candidates, new Set(excluded));
    // A tweak makes no cell outdated that there was before.
    for (const { nid, offset, state } of changes) {
      if (state === "OUT_OF_DATE") this.#operation.readiness.assigned(nid, offset);
    }
    this.primary.tellChanges(changes);
    if (table.warning !== null) this.primary.log("WARNING", table.warning);
  }

  override stop(): void {
    this.primary.enter(new Stopping(this.primary, this.#operation));
  }
}
