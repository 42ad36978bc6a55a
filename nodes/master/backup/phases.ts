/**
 * The phases of a backup: STARTING_BACKUP, until the storages are ready and the upstream cluster is
 * found; BACKINGUP, while that is followed and clients may read; STOPPING_BACKUP, until all cells
 * are as far as the cluster as a whole, and what is later can be cut off.
 *
 * Whatever fails, the cluster stays a backup: it ceases to be one only when the storages have
 * stored the tid to truncate at. That is never an earlier one than was complete when the order
 * came: an admin who wants that gives the order again.
 */

import type { CellChange, Codecs, NodeState } from "../../../gen/packets.ts";
import { type Nid, type Tid, ZERO_TID } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import { addStorages, tweak } from "../membership.ts";
import type { KnownNode } from "../nodes.ts";
import { type Reference, refuse } from "../phase.ts";
import { ServicePhase } from "../service_phase.ts";
import { Stopping } from "../stopping.ts";
import { type Backup, type Followed, momentText } from "./backup.ts";
import { readOnlyClientReceiver } from "./read_only_clients.ts";
import { backupStorageReceiver } from "./storages.ts";

abstract class BackupPhase extends ServicePhase implements Followed {
  constructor(protected readonly backup: Backup) {
    super(backup.primary);
  }

  override begin(): void {
    this.backup.enter(this);
  }

  /** What is later is cut off in the end; null for nothing. */
  get endTid(): Tid | null {
    return null;
  }

  override get reference(): Reference {
    const { upstream, progress } = this.backup;
    return {
      cluster: upstream.cluster,
      sources: (offset) => upstream.sources(offset),
      completeTid: (offsets) => progress.completeTid(offsets),
    };
  }

  protected get isOver(): boolean {
    return this.primary.phase !== this;
  }

  override storageJoined(storage: KnownNode): void {
    super.storageJoined(storage);
    if (storage.state === "RUNNING") this.backup.start(storage);
  }

  override storageLost(storage: KnownNode): void {
    this.backup.storageLost(storage);
    if (!this.primary.withoutStorage(storage)) this.primary.turn.after(() => this.failed());
  }

  override failed(): void {
    if (this.isOver) return;
    this.backup.disconnect();
    this.primary.standDown(null);
  }

  override tableChanged(changes: readonly CellChange[]): void {
    super.tableChanged(changes);
    this.backup.tableChanged();
  }

  override checkLoss(nid: Nid): void {
    this.backup.checkLoss(nid);
  }

  override storageReceiver(storage: KnownNode): Receiver<Codecs> {
    return backupStorageReceiver(this.backup, storage, () => this.storageReady());
  }

  /** A storage has become ready. */
  protected storageReady(): void {}

  connected(): void {}

  lost(): void {}

  diverged(): void {
    // What upstream had told of may never have come to be. The storages know what they have.
    if (this.backup.hasFollowed) this.failed();
  }

  override leave(): void {
    this.backup.disconnect();
  }

  override stop(): void {
    this.backup.disconnect();
    this.primary.enter(new Stopping(this.primary, null));
  }
}

/** The phases in which the cluster is, or wants to be, a backup. */
abstract class LastingPhase extends BackupPhase {
  override addStorages(nids: readonly Nid[]): KnownNode[] {
    return addStorages(this.primary, nids, (storage) => this.backup.start(storage));
  }

  override tweak(excluded: readonly Nid[]): void {
    const { readiness, isNeeded } = this.backup;
    tweak(this.primary, readiness, { excluded, isNeeded });
  }

  override stopBackup(): void {
    const { progress } = this.backup;
    if (progress.backupTid === ZERO_TID && this.backup.lastTid !== ZERO_TID) {
      refuse(
        "Can not switch to STOPPING_BACKUP state: no transaction is complete here, so that all " +
          "data would be deleted",
      );
    }
    this.primary.turn.after(() => {
      if (this.isOver) return;
      const tid = progress.backupTid;
      this.backup.disconnect();
      this.primary.enter(new StoppingBackup(this.backup, tid));
    });
  }
}

/** STARTING_BACKUP: the upstream cluster is looked for, for ever. */
export class StartingBackup extends LastingPhase {
  override readonly state = "STARTING_BACKUP";
  #isConnecting = false;

  override begin(): void {
    super.begin();
    const { nodes } = this.primary;
    // They would not hear of what is committed from now on.
    for (const client of [...nodes.identified("CLIENT")]) this.primary.disconnect(client);
    for (const storage of nodes.identified("STORAGE")) {
      const { nid, state } = storage;
      const isStarted = nid !== null && this.backup.readiness.isStarted(nid);
      if (state === "RUNNING" && !isStarted) this.backup.start(storage);
    }
    this.storageReady();
  }

  override storageReady(): void {
    if (this.#isConnecting || !this.backup.isReady) return;
    this.#isConnecting = true;
    this.backup.news.advance();
    this.backup.connect();
  }

  override tableChanged(changes: readonly CellChange[]): void {
    super.tableChanged(changes);
    // The one that was waited for may not be readable any more.
    this.storageReady();
  }

  override connected(): void {
    this.primary.enter(new BackingUp(this.backup));
  }
}

/** BACKINGUP: the upstream cluster is followed. */
class BackingUp extends LastingPhase {
  override readonly state = "BACKINGUP";

  override admitClient(): void {}

  override clientReceiver(_client: KnownNode): Receiver<Codecs> {
    return readOnlyClientReceiver(this.backup);
  }

  override lost(): void {
    this.primary.enter(new StartingBackup(this.backup));
  }
}

/** STOPPING_BACKUP: all cells get as far as the cluster as a whole is, and no further. */
class StoppingBackup extends BackupPhase {
  override readonly state = "STOPPING_BACKUP";
  readonly #tid: Tid;

  constructor(backup: Backup, tid: Tid) {
    super(backup);
    this.#tid = tid;
  }

  override get endTid(): Tid {
    return this.#tid;
  }

  override begin(): void {
    super.begin();
    const { nodes } = this.primary;
    for (const client of [...nodes.identified("CLIENT")]) this.primary.disconnect(client);
    this.primary.log(
      "INFO",
      `all cells are completed up to ${momentText(this.#tid)}`,
    );
    this.backup.progress.cancelled();
    this.#level();
  }

  override admitStorage(): NodeState {
    throw new Refusal("NOT_READY", "Retry Later");
  }

  override storageReceiver(storage: KnownNode): Receiver<Codecs> {
    const receiver = super.storageReceiver(storage);
    return (incoming) => {
      const isHandled = receiver(incoming);
      this.#level();
      return isHandled;
    };
  }

  override tableChanged(changes: readonly CellChange[]): void {
    super.tableChanged(changes);
    // Some may have been told to replicate from a storage that is gone.
    this.backup.progress.cancelled();
    this.#level();
  }

  /** Ends once all are level; lets those that are not become so. */
  #level(): void {
    const { nodes, table } = this.primary;
    // Where nothing can be read, this has failed: nothing may be cut off because of that.
    if (this.isOver || !table.isOperational(nodes.isRunning)) return;
    const { progress } = this.backup;
    if (progress.backupTid < this.#tid) return this.startBackup();
    this.backup.order(progress.level(this.#tid));
    if (progress.completeTid() >= this.#tid) this.primary.turn.after(() => this.#end());
  }

  #end(): void {
    if (this.isOver || this.backup.progress.completeTid() < this.#tid) return;
    const { primary } = this;
    const last = this.backup.lastTid;
    const isWhole = this.#tid >= last;
    if (!isWhole) {
      primary.log(
        "WARNING",
        `the backup ends at ${momentText(this.#tid)}: of what was committed up to ` +
          `${momentText(last)}, the rest is not complete`,
      );
    }
    primary.standDown(this.#tid, { resumes: isWhole });
  }

  /** Also when the cells that had everything are lost: the original may still have it. */
  override startBackup(): void {
    const { primary, backup } = this;
    primary.turn.after(() => {
      if (this.isOver) return;
      const { backupTid } = backup.progress;
      if (backupTid < this.#tid) {
        primary.log(
          "WARNING",
          `the backup does not end: what was complete up to ${momentText(this.#tid)} is so only ` +
            `up to ${momentText(backupTid)} now. Order that again to do without the rest`,
        );
      }
      primary.enter(new StartingBackup(backup));
    });
  }
}
