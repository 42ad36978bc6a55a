/**
 * Which storages take part in the commit of a transaction. Each partition that it touches must have
 * a readable cell among them, and those that missed writes of it are out of the table before any
 * of the others is asked to lock it.
 */

import type { AskFinishTransaction } from "../../gen/packets.ts";
import { partitionOf } from "../codec/ids.ts";
import { isReadable } from "../cluster/partition_table.ts";
import type { KnownNode, Nodes } from "./nodes.ts";
import type { Readiness } from "./readiness.ts";
import type { MasterTable } from "./table/master_table.ts";
import type { Transaction } from "./transaction.ts";

export interface ParticipantsOptions {
  readonly nodes: Nodes;
  readonly table: MasterTable;
  readonly readiness: Readiness;
  /** Disconnects a storage and takes its readable cells from it, before it returns. */
  disconnect(storage: KnownNode): void;
}

/** The partitions of all that a transaction stored or checked, and of its metadata. */
export function touchedPartitions(
  { ttid, oids, checkedOids }: AskFinishTransaction,
  partitions: number,
): Set<number> {
  const touched = new Set([partitionOf(ttid, partitions)]);
  for (const oid of oids) touched.add(partitionOf(oid, partitions));
  for (const oid of checkedOids) touched.add(partitionOf(oid, partitions));
  return touched;
}

/**
 * Disconnects the storages that missed writes of the transaction in these partitions. Returns false
 * when the cluster can't do without them.
 */
export function disconnectFailed(
  { nodes, table, disconnect }: ParticipantsOptions,
  { failed }: Transaction,
  partitions: ReadonlySet<number>,
): boolean {
  if (failed.size === 0) return true;
  if (!table.isOperational(nodes.isRunning, failed)) return false;
  const leaving = new Set<KnownNode>();
  for (const offset of partitions) {
    for (const { nid } of table.cells(offset)) {
      const node = failed.has(nid) ? nodes.get(nid) : undefined;
      if (node !== undefined && node.connection !== null) leaving.add(node);
    }
  }
  for (const node of leaving) disconnect(node);
  return table.isOperational(nodes.isRunning);
}

/** Who has to do with the commit of a transaction. */
export interface Participants {
  /** Storages that must lock it. */
  readonly involved: Set<KnownNode>;
  /** Others that have got a cell of it since it began: it may be missing there, or incomplete. */
  readonly late: ReadonlySet<KnownNode>;
}

/**
 * The storages that must lock the transaction: all that had cells of these partitions in any state
 * and were ready when it began. Null when some partition can't be read on any of them.
 */
export function participants(
  { nodes, table, readiness }: ParticipantsOptions,
  { moment }: Transaction,
  partitions: ReadonlySet<number>,
): Participants | null {
  const involved = new Set<KnownNode>();
  const late = new Set<KnownNode>();
  for (const offset of partitions) {
    let readable = false;
    for (const { nid, state } of table.cells(offset)) {
      if (!readiness.wasReady(nid, moment)) continue;
      const node = nodes.get(nid);
      if (node === undefined || node.connection === null) continue;
      if (!readiness.hadCell(nid, offset, moment)) {
        late.add(node);
        continue;
      }
      involved.add(node);
      readable ||= isReadable(state);
    }
    if (!readable) return null;
  }
  for (const node of involved) late.delete(node);
  return { involved, late };
}
