/**
 * STOPPING: lets transactions end that have begun, begins no other, and then tells all storages to
 * exit. New clients are not let in; a storage that comes is told to exit like the others.
 */

import { type Codecs, type NodeState, NotifyNodeInformation } from "../../gen/packets.ts";
import type { Receiver } from "../codec/packet.ts";
import { clientReceiver } from "./client_service.ts";
import { informationOf, type KnownNode } from "./nodes.ts";
import type { Operation } from "./operation.ts";
import type { Primary } from "./primary.ts";
import { ServicePhase } from "./service_phase.ts";
import { storageReceiver } from "./storage_service.ts";

export class Stopping extends ServicePhase {
  override readonly state = "STOPPING";
  readonly #operation: Operation | null;
  #ended = false;

  /** `operation` is what has to come to its end; null when there is none. */
  constructor(primary: Primary, operation: Operation | null) {
    super(primary);
    this.#operation = operation;
  }

  override describe(): readonly string[] {
    return this.#operation?.transactions.describe() ?? [];
  }

  override begin(): void {
    this.#operation?.close();
    this.transactionEnded();
  }

  override admitStorage(): NodeState {
    return "PENDING";
  }

  override storageJoined(_storage: KnownNode): void {}

  override storageLost(storage: KnownNode): void {
    // Without operation, no storage is RUNNING: the table says nothing about those that are lost.
    if (this.#operation === null || this.#operation.storageLost(storage)) return;
    this.primary.turn.after(() => this.failed());
  }

  override clientLost(client: KnownNode): void {
    this.#operation?.clientLost(client);
  }

  override storageReceiver(storage: KnownNode): Receiver<Codecs> {
    return this.#operation === null
      ? super.storageReceiver(storage)
      : storageReceiver(this.#operation, storage);
  }

  override clientReceiver(client: KnownNode): Receiver<Codecs> {
    return this.#operation === null
      ? super.clientReceiver(client)
      : clientReceiver(this.#operation, client);
  }

  override transactionEnded(): void {
    if (this.#operation?.transactions.hasPending !== true) this.#end();
  }

  override failed(): void {
    this.#end();
  }

  /** The order was given already. */
  override stop(): void {}

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { nodes, options } = this.primary;
    for (const storage of nodes.identified("STORAGE")) {
      storage.connection?.notify(NotifyNodeInformation, {
        timestamp: nodes.time(),
        nodes: [{ ...informationOf(storage), state: "DOWN", idTimestamp: null }],
      });
    }
    options.stopped();
  }
}
