/**
 * What a cluster must not make this node delete: a database that comes from elsewhere, or that was
 * away while the cluster went on without it, may hold what nobody else has. Such a one is known by
 * its partition table, which does not lead to the cluster's: the node was not there when its cells
 * were given away, or its own table is newer. All its rows are kept then, whatever it is told,
 * until it has turned out to have nothing that the cluster lacks.
 *
 * Invariant: rows are only deleted when this node itself saw their cell go, in a cell that is
 * replicated while nothing is kept, or where the cluster is truncated: then in cells that it used.
 */

import type { Row } from "../../gen/packets.ts";
import { hexId, type Tid } from "../codec/ids.ts";
import { DatabaseError } from "../errors.ts";
import type { Assignment } from "./assignment.ts";
import type { Maintenance, Settings } from "./backend/backend.ts";

const TO_EMPTY = "nothing is deleted; start this storage once with --reset to empty its database";

export interface KeepingOptions {
  readonly backend: {
    readonly settings: Pick<Settings, "keepsRows" | "backupTid">;
    readonly maintenance: Pick<Maintenance, "lastIds">;
  };
  readonly assignment: Assignment;
  log(level: "INFO" | "WARNING", message: string): void;
}

export class Keeping {
  readonly #options: KeepingOptions;
  /** The greatest tid that each partition had before operation, while rows are kept. */
  #newest = new Map<number, Tid>();
  #hasTable = false;
  /** Whether the cluster has used this node's readable cells since the database came to it. */
  #hasServed = false;

  constructor(options: KeepingOptions) {
    this.#options = options;
  }

  /** Whether all rows are kept. */
  get isOn(): boolean {
    return this.#options.backend.settings.keepsRows;
  }

  /** Whether this node may erase everything when the cluster removes it. */
  get mayErase(): boolean {
    return this.#hasTable && !this.isOn;
  }

  /**
   * The cluster's table is about to take the place of the one that is stored. Returns whether what
   * was complete by the latter is so no more.
   */
  compare(ptid: number, rows: readonly Row[]): boolean {
    const { assignment, backend, log } = this.#options;
    this.#hasTable = true;
    const stored = assignment.table.ptid;
    if (stored === null) return false;
    const own = (row: Row) => row.cells.find(({ nid }) => nid === assignment.nid)?.state;
    const gone = rows.filter((row) =>
      own(row) === undefined && assignment.state(row.offset) !== undefined
    );
    const isOther = ptid < stored ||
      (ptid === stored && rows.some((row) => own(row) !== assignment.state(row.offset)));
    if (gone.length === 0 && !isOther) return false;
    backend.settings.keepsRows = true;
    log(
      "WARNING",
      `the database has version ${stored} of the partition table with ` +
        `${assignment.offsets(() => true).length} cells of this node, and the cluster has ` +
        `version ${ptid} without ${gone.length} of them: ${TO_EMPTY}`,
    );
    return isOther;
  }

  /**
   * Operation is about to begin: finds out whether rows still have to be kept. A server's answers
   * take time: nothing is decided any more when `isOver`, since the cluster's next word may already
   * ask for more to be kept.
   */
  async begin(isOver: () => boolean): Promise<void> {
    this.#hasServed = true;
    if (!this.isOn) return;
    const { backend, assignment } = this.#options;
    this.#newest.clear();
    let isClean = assignment.offsets((state) => state === "OUT_OF_DATE").length === 0;
    for (let offset = 0; offset < assignment.table.partitions; offset++) {
      const { tid } = await backend.maintenance.lastIds([offset]);
      if (isOver()) return;
      if (tid === null) continue;
      this.#newest.set(offset, tid);
      if (!assignment.isReadable(offset)) isClean = false;
    }
    if (isClean) backend.settings.keepsRows = false;
  }

  /**
   * The master tells up to where transactions are committed. Throws a DatabaseError where this
   * database has later ones.
   */
  checkNewest(offsets: Iterable<number>, maxTid: Tid): void {
    // Cells of a backup are ahead of each other: it tells what all have.
    if (!this.isOn || this.#options.backend.settings.backupTid !== null) return;
    for (const offset of offsets) {
      const tid = this.#newest.get(offset);
      if (tid === undefined || tid <= maxTid) continue;
      throw new DatabaseError(
        `the database has transactions up to ${hexId(tid)} and the cluster only up to ` +
          `${hexId(maxTid)}: it is newer, or another cluster's; ${TO_EMPTY}`,
      );
    }
  }

  /**
   * What hinders the master from cutting off all that is later than `tid` in these partitions: rows
   * of cells that may not be the cluster's. Null for nothing.
   */
  async hindersTruncation(offsets: readonly number[], tid: Tid): Promise<DatabaseError | null> {
    if (!this.isOn) return null;
    const { backend, assignment } = this.#options;
    const kept = offsets.filter((offset) => !this.#hasServed || !assignment.isReadable(offset));
    const { tid: last } = await backend.maintenance.lastIds(kept);
    if (last === null || last <= tid) return null;
    return new DatabaseError(
      `the database has transactions up to ${hexId(last)}, and the cluster was truncated to ` +
        `${hexId(tid)}: it is another cluster's, or was not there when its cells were given ` +
        `away; ${TO_EMPTY}`,
    );
  }

  /** Throws a DatabaseError where rows at these tids are about to be deleted. */
  checkDeletion(rows: "transactions" | "revisions", tids: readonly Tid[]): void {
    const [tid] = tids;
    if (!this.isOn || tid === undefined) return;
    throw new DatabaseError(
      `the database has ${rows} that the cluster has not, such as ${hexId(tid)}: ` +
        `it is another cluster's, or was not there when they were cut off; ${TO_EMPTY}`,
    );
  }
}
