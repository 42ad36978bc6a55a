/** RUNNING: the database is in use, and clients read and write. */

import { type Codecs, StartOperation } from "../../gen/packets.ts";
import { type Nid, type Tid, ZERO_TID } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import { Backup } from "./backup/backup.ts";
import { StartingBackup } from "./backup/phases.ts";
import { Progress } from "./backup/progress.ts";
import type { UpstreamCluster } from "./backup/upstream.ts";
import { clientReceiver } from "./client_service.ts";
import { addStorages, tweak } from "./membership.ts";
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

  override describe(): readonly string[] {
    return this.#operation.transactions.describe();
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
    const { turn, options: { upstream } } = this.primary;
    if (upstream === null) {
      refuse("Can not switch to STARTING_BACKUP state: no upstream cluster is configured");
    }
    turn.after(() => {
      if (this.primary.phase === this) this.#becomeBackup(upstream);
    });
  }

  #becomeBackup(cluster: UpstreamCluster): void {
    const { primary } = this;
    const { nodes, table, ids, options: { host } } = primary;
    const { readiness } = this.#operation;
    const progress = new Progress({ table, random: () => host.random() });
    progress.begin(() => ids.lastTransaction ?? ZERO_TID);
    primary.progress = progress;
    for (const { state, connection } of nodes.identified("STORAGE")) {
      if (state === "RUNNING") connection?.notify(StartOperation, { backup: true });
    }
    const backup = new Backup({ primary, readiness, progress, cluster });
    if (progress.backupTid !== ZERO_TID) backup.order(progress.tell());
    primary.enter(new StartingBackup(backup));
  }

  override truncate(tid: Tid): void {
    this.primary.turn.after(() => this.#standDown(tid));
  }

  override addStorages(nids: readonly Nid[]): KnownNode[] {
    return addStorages(this.primary, nids, (storage) => this.#operation.start(storage));
  }

  override tweak(excluded: readonly Nid[]): void {
    tweak(this.primary, this.#operation.readiness, { excluded });
  }

  override stop(): void {
    this.primary.enter(new Stopping(this.primary, this.#operation));
  }
}
