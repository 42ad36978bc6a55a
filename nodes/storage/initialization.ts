/**
 * What the master may order while a storage does not operate: it collects what the storages know,
 * has them finish or drop what a former operation left, and starts operation. Answers wait until
 * what was ordered before is on disk.
 */

import type { MasterToStorageInitialization } from "../../gen/flows.ts";
import type {
  AnswerFinalTID,
  AnswerLastIDs,
  AnswerLockedTransactions,
  AnswerPartitionTable,
  AnswerRecovery,
  AskFinalTID,
  CellState,
  NotifyClusterInformation,
  NotifyNodeInformation,
  NotifyPartitionChanges,
  NotifyRepair,
  SendPartitionTable,
  StartOperation,
  Truncate,
  ValidateTransaction,
} from "../../gen/packets.ts";
import { hexId, ZERO_TID } from "../codec/ids.ts";
import type { Reply } from "../codec/packet.ts";
import { Refusal } from "../wire/refusal.ts";
import type { Backend } from "./backend/backend.ts";
import { then, unawaited } from "./backend/eventual.ts";
import type { Session } from "./session.ts";

export class Initialization implements MasterToStorageInitialization {
  readonly #session: Session;
  readonly #backend: Backend;

  constructor(session: Session) {
    this.#session = session;
    this.#backend = session.options.backend;
  }

  askRecovery(): Reply<AnswerRecovery> {
    return then(this.#backend.committed(), () => {
      const { ptid, backupTid, truncateTid } = this.#backend.settings;
      return { ptid, backupTid, truncateTid };
    });
  }

  askPartitionTable(): Reply<AnswerPartitionTable> {
    const { table } = this.#session.assignment;
    const answer = { ptid: table.ptid, rows: table.toRows() };
    return then(this.#backend.committed(), () => answer);
  }

  sendPartitionTable({ ptid, rows }: SendPartitionTable): void {
    const { assignment, options: { dropPartitions } } = this.#session;
    const offsets = new Set(rows.map(({ offset }) => offset));
    const isWhole = offsets.size === assignment.table.partitions &&
      rows.length === offsets.size && rows.every(({ cells }) => cells.length > 0);
    if (ptid === null || !isWhole) {
      throw new Refusal("PROTOCOL_ERROR", "Partial partition table received");
    }
    for (const { offset, cells } of rows) {
      assignment.requirePartition(offset);
      for (const { nid } of cells) this.#session.requireStorage(nid);
    }
    const isOther = this.#session.keeping.compare(ptid, rows);
    assignment.load(ptid, rows);
    const { table } = this.#backend;
    table.replace(ptid, rows);
    if (isOther) {
      for (const offset of assignment.offsets(isOutdated)) table.setProgress(offset, ZERO_TID);
    }
    if (dropPartitions && !this.#session.keeping.isOn) this.#dropUnassigned([...offsets]);
    void this.#backend.commit();
  }

  /** Deletes the rows of cells that were discarded, while this node was there to hear of it. */
  #dropUnassigned(offsets: readonly number[]): void {
    const { maintenance } = this.#backend;
    const { assignment } = this.#session;
    const unassigned = offsets.filter((offset) => assignment.state(offset) === undefined);
    unawaited(then(maintenance.lastIds(unassigned), ({ tid }) => {
      if (tid === null) return;
      this.#session.log(
        "INFO",
        `deletes the rows of cells that were discarded: the cluster gives this node ` +
          `${offsets.length - unassigned.length} of ${offsets.length} partitions now`,
      );
      this.#session.drop(unassigned).catch((error) => this.#session.options.fatal(error));
    }));
  }

  notifyPartitionChanges(packet: NotifyPartitionChanges): void {
    this.#session.partitionChanges(packet);
    void this.#backend.commit();
  }

  askLockedTransactions(): Reply<AnswerLockedTransactions> {
    return then(
      this.#backend.committed(),
      () => then(this.#backend.pending.list(), (ttids) => ({ ttids })),
    );
  }

  askFinalTID({ ttid }: AskFinalTID): Reply<AnswerFinalTID> {
    const { assignment } = this.#session;
    assignment.requireReadable(assignment.partition(ttid));
    return then(this.#backend.transactions.finalTid(ttid), (tid) => ({ tid }));
  }

  validateTransaction({ ttid, tid }: ValidateTransaction): void {
    if (tid < ttid) {
      throw new Refusal("PROTOCOL_ERROR", `TXN ${hexId(ttid)} can't be ${hexId(tid)}`);
    }
    this.#backend.pending.validate({ ttid, tid });
    void this.#backend.commit();
  }

  /** The moment for a truncation: what was committed is complete by now. */
  askLastIDs(): Reply<AnswerLastIDs> {
    const { maintenance, settings } = this.#backend;
    const { assignment } = this.#session;
    const truncated = settings.truncateTid === null
      ? this.#backend.committed()
      : this.#session.truncate().then(() => this.#backend.commit());
    return then(
      truncated,
      () =>
        then(
          maintenance.lastIds(assignment.readable()),
          ({ oid, tid }) => ({ lastOid: oid, lastTid: tid }),
        ),
    );
  }

  truncate({ tid }: Truncate): void {
    const { settings } = this.#backend;
    settings.backupTid = null;
    settings.truncateTid = tid;
    void this.#backend.commit();
  }

  startOperation({ backup }: StartOperation): void {
    this.#session.options.startOperation({ backup });
  }

  notifyNodeInformation(packet: NotifyNodeInformation): void {
    this.#session.nodeInformation(packet);
  }

  notifyClusterInformation({ state }: NotifyClusterInformation): void {
    this.#session.log("INFO", `the cluster is ${state}`);
  }

  notifyRepair(packet: NotifyRepair): void {
    this.#session.repair(packet);
  }

  /** Operation is stopped already. */
  stopOperation(): void {}

  /** There are no transactions but those on disk, which verification takes care of. */
  abortTransaction(): void {}

  notifyTransactionFinished(): void {}

  flushLog(): void {
    this.#session.options.host.log.flush?.();
  }
}

function isOutdated(state: CellState): boolean {
  return state === "OUT_OF_DATE";
}
