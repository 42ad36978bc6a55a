/**
 * The vote: all storages make the transaction durable, though not yet visible. Those that missed a
 * part of it are reported to the primary master, which drops them rather than the transaction.
 */

import { AskStoreTransaction, AskVoteTransaction, FailedVote } from "../../gen/packets.ts";
import { readVoteConflict } from "../cluster/vote_conflict.ts";
import { hexId, type Nid } from "../codec/ids.ts";
import { ConnectionClosedError, type NeoError } from "../errors.ts";
import { PeerError } from "../wire/refusal.ts";
import { ConflictError, fromPeer, StorageError, StorageLostError } from "./errors.ts";
import type { Writer } from "./writer.ts";

/** Who commits and why; bytes, as they are stored. */
export interface Metadata {
  readonly user: Uint8Array;
  readonly description: Uint8Array;
  /** Nothing, or a pickled dictionary where Python programs read it. */
  readonly extension: Uint8Array;
}

/** Votes. All writes must be settled. */
export async function vote(writer: Writer, metadata: Metadata): Promise<void> {
  const { participants, writes, session, ttid } = writer;
  const { table } = session;
  if (writes.incomplete) throw new StorageError("not all objects could be stored or checked");
  const partition = table.partition(ttid);
  for (;;) {
    const preparing = participants.prepare(table.cells(partition));
    if (preparing === null) break;
    await preparing;
  }
  writer.assertSound();
  const holders = new Set(table.cells(partition).map(({ nid }) => nid));
  const live = participants.live();
  if (!live.some(([nid]) => holders.has(nid))) {
    throw new StorageLostError(
      `expected a storage that takes writes to partition ${partition}, found none`,
    );
  }
  const { stored, checked } = writes.oids();
  const transaction = { ...metadata, ttid, oids: stored.concat(checked) };
  const answers: Promise<unknown>[] = [];
  for (const [nid, connection] of live) {
    if (holders.has(nid)) answers.push(connection.ask(AskStoreTransaction, transaction));
    else if (participants.isEngaged(nid)) {
      answers.push(connection.ask(AskVoteTransaction, { ttid }));
    }
  }
  for (const result of await Promise.allSettled(answers)) {
    if (result.status === "rejected" && result.reason instanceof PeerError) {
      throw refusal(writer, result.reason);
    }
  }
  assertNoConflict(writer);
  assertChecked(writer);
  await reportLost(writer);
  writer.assertSound();
}

/** Why a storage refuses the vote. One that has just caught up may only now know of a conflict. */
function refusal({ writes }: Writer, reason: PeerError): NeoError {
  const conflict = readVoteConflict(reason.message);
  const write = conflict === null ? undefined : writes.get(conflict.oid);
  if (conflict === null || write === undefined) return fromPeer(reason, "the vote");
  return new ConflictError({ ...conflict, base: write.base }, { cause: reason });
}

function assertNoConflict({ writes }: Writer): void {
  for (const [oid, committed] of writes.conflicts) {
    throw new ConflictError({ oid, base: writes.get(oid)?.base ?? committed, committed });
  }
}

/**
 * Each object needs a storage that has locked it. While its cell moves, the one that still had it
 * when it was written may have it no more, and the other have dropped a write that was in conflict.
 */
function assertChecked({ writes }: Writer): void {
  const oid = writes.unlocked();
  if (oid === null) return;
  throw new StorageLostError(
    `object ${hexId(oid)}: expected a storage that has locked it, found none, ` +
      "since its partition moves: run the transaction again",
  );
}

/** Tells the primary master of the storages that it believes in, and that missed something. */
async function reportLost(writer: Writer): Promise<void> {
  const { participants, session, ttid } = writer;
  const lost = participants.lost();
  if (lost.length === 0) return;
  assertLocked(writer);
  const nids: Nid[] = lost.filter((nid) => session.nodes.isRunning(nid));
  if (nids.length === 0) return;
  try {
    await session.ask(FailedVote, { ttid, nids });
  } catch (error) {
    if (error instanceof ConnectionClosedError) throw session.loss();
    throw error instanceof PeerError ? fromPeer(error, "the vote") : error;
  }
}

/** Each partition that was written to needs a storage that has really locked the objects. */
function assertLocked({ participants, writes, session }: Writer): void {
  for (const [partition, nids] of writes.lockless) {
    const cells = session.table.cells(partition);
    if (cells.some(({ nid }) => !participants.isLost(nid) && !nids.has(nid))) continue;
    throw new StorageLostError(
      `expected a storage that has locked the objects of partition ${partition}, found none`,
    );
  }
}
