/**
 * One pass of replication: completes a cell up to a tid from one source, first transactions, then
 * revisions, a chunk at a time. The source is told what is here, sends what is missing, and says
 * what is too much. Each chunk is committed together with the progress that it means.
 *
 * A pass that is cancelled, or whose source fails, leaves what it has received.
 */

import {
  type AddObject,
  type AddTransaction,
  type AnswerFetchObjects,
  AskFetchObjects,
  AskFetchTransactions,
  type Codecs,
} from "../../../gen/packets.ts";
import { hexId, type Oid, type Tid, tidAfter, tidBefore, ZERO_OID } from "../../codec/ids.ts";
import type { RequestType } from "../../codec/packet.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Assignment } from "../assignment.ts";
import type { Backend, ReplicaObject, RevisionKey } from "../backend/backend.ts";
import { unawaited } from "../backend/eventual.ts";
import type { Background, Task } from "../background.ts";
import type { Fetching, Link } from "../links/link.ts";
import { isIntact } from "../intact.ts";
import type { Keeping } from "../keeping.ts";
import { isBefore, revisionAfter } from "../positions.ts";
import { unlessAborted } from "./cancelling.ts";
import type { Cell } from "./cells.ts";
import {
  CHUNK_BYTES,
  DELETE_COUNT,
  FETCH_COUNT,
  FIRST_FETCH_COUNT,
  LEAST_FETCH_COUNT,
  WRITE_COUNT,
} from "./limits.ts";

export interface PassOptions {
  readonly backend: Backend;
  readonly assignment: Assignment;
  readonly background: Background;
  readonly link: Link;
  readonly offset: number;
  readonly cell: Cell;
  readonly maxTid: Tid;
  /** Ends the pass: what still comes from the source is ignored. */
  readonly signal: AbortSignal;
  readonly keeping: Keeping;
  /** Called before the commit of each chunk of revisions. */
  progressed(): void;
}

export class Pass implements Fetching {
  readonly #options: PassOptions;
  readonly #task: Task;
  /** The id of the request that is being answered. */
  #id: number | null = null;
  #minTid: Tid;
  /** How many revisions are asked for at once, and what came the last time. */
  #length = FIRST_FETCH_COUNT;
  #chunk = { rows: 0, bytes: 0 };
  #committed: Promise<void> = Promise.resolve();
  /** Revisions that came and are not written yet. */
  #received: ReplicaObject[] = [];

  constructor(options: PassOptions) {
    this.#options = options;
    this.#minTid = options.cell.nextTrans;
    this.#task = options.background.task();
  }

  /**
   * Resolves with whether the cell is complete, which is not committed yet; it is not when the pass
   * was cancelled. Rejects with the error by which the source or the connection to it failed.
   */
  async run(): Promise<boolean> {
    const { link, cell, maxTid } = this.#options;
    link.fetching = this;
    try {
      if (!await this.#fetchTransactions()) return false;
      cell.nextTrans = tidAfter(maxTid);
      if (!await this.#fetchObjects()) return false;
      cell.nextObj = tidAfter(maxTid);
      return true;
    } finally {
      if (link.fetching === this) link.fetching = null;
    }
  }

  async #fetchTransactions(): Promise<boolean> {
    const { backend, offset, cell, maxTid, signal, keeping } = this.#options;
    for (;;) {
      // Even when nothing can be missing: the source answers when all up to the end is unlocked.
      const minTid = this.#minTid = cell.nextTrans;
      const range = { offset, min: minTid, max: maxTid, count: FETCH_COUNT };
      const tids = await backend.transactions.range(range);
      const request = { partition: offset, length: FETCH_COUNT, minTid, maxTid, tids };
      const answer = await this.#ask(AskFetchTransactions, request);
      if (answer === null) return false;
      const known = new Set(tids);
      if (!answer.tids.every((tid) => known.has(tid))) refuseDeletion();
      // Of those that are beyond what the source has looked at, it may have all: they are listed
      // again, and stay until then.
      const { nextTid: end } = answer;
      const gone = answer.tids.filter((tid) => end === null || tid < end);
      keeping.checkDeletion("transactions", gone);
      await this.#delete(gone, (part) => backend.replica.deleteTransactions(part));
      if (signal.aborted) return false;
      const last = tids.length < FETCH_COUNT ? undefined : tids.at(-1);
      const nextTid = answer.nextTid ?? (last === undefined ? null : tidAfter(last));
      if (nextTid === null || nextTid > maxTid) return true;
      if (nextTid <= minTid) refuseNext(nextTid);
      cell.nextTrans = nextTid;
      await this.#commitChunk();
    }
  }

  async #fetchObjects(): Promise<boolean> {
    const { backend, background, keeping, offset, cell, maxTid, signal } = this.#options;
    const { replica, table } = backend;
    let from: RevisionKey = { tid: cell.nextObj, oid: ZERO_OID };
    for (;;) {
      this.#minTid = from.tid;
      const start = { minTid: from.tid, minOid: from.oid, maxTid };
      const length = this.#length;
      const stint = background.stint();
      const keys = await replica.revisions({ offset, ...start, count: length });
      const objects = byTid(await this.#withoutDamaged(keys));
      if (signal.aborted) return false;
      const request = { partition: offset, length, ...start, objects };
      const answer = await this.#ask(AskFetchObjects, request);
      if (answer === null) return false;
      const surplus = keysOf(answer.objects);
      const end = endOf(answer);
      if (!surplus.every(({ tid, oid }) => objects.get(tid)?.includes(oid))) refuseDeletion();
      const gone = surplus.filter((key) => end === null || isBefore(key, end));
      keeping.checkDeletion("revisions", gone.map(({ tid }) => tid));
      await this.#delete(gone, (part) => replica.deleteObjects(part));
      if (signal.aborted) return false;
      const next = nextRevision(end, keys, length);
      if (next === null || next.tid > maxTid) return true;
      if (!isBefore(from, next)) refuseNext(next.tid);
      from = next;
      cell.nextObj = next.tid;
      this.#options.progressed();
      table.setProgress(offset, tidBefore(next.tid));
      this.#adaptLength();
      await this.#commitChunk();
      if (!stint.isShared()) continue;
      await this.#committed;
      await unlessAborted(stint.rest(signal), signal);
    }
  }

  /** Deletes revisions whose data were altered by the disk, so that they are sent again. */
  async #withoutDamaged(keys: readonly RevisionKey[]): Promise<readonly RevisionKey[]> {
    const { backend, keeping } = this.#options;
    if (keeping.isOn) return keys;
    const damaged = new Set<RevisionKey>();
    for (const key of keys) {
      if (!await isIntact(backend, key)) damaged.add(key);
      if (this.#task.isDue) await this.#task.pause();
    }
    if (damaged.size === 0) return keys;
    await this.#delete([...damaged], (part) => backend.replica.deleteObjects(part));
    return keys.filter((key) => !damaged.has(key));
  }

  /** Asks for less at once where objects are big. */
  #adaptLength(): void {
    const { rows, bytes } = this.#chunk;
    this.#chunk = { rows: 0, bytes: 0 };
    if (rows === 0) return;
    const fitting = Math.floor(CHUNK_BYTES * rows / Math.max(bytes, 1));
    this.#length = Math.min(Math.max(fitting, LEAST_FETCH_COUNT), FETCH_COUNT);
  }

  /** Commits, and waits for the commit before: the disk may be slower than the source. */
  async #commitChunk(): Promise<void> {
    const before = this.#committed;
    this.#committed = this.#options.backend.commit();
    await before;
  }

  /** Resolves with the answer; with null when the pass was cancelled. */
  async #ask<T, A>(type: RequestType<T, A, Codecs>, packet: T): Promise<A | null> {
    const { link: { connection }, signal } = this.#options;
    if (signal.aborted) return null;
    const asked = connection.ask(type, packet, undefined, (id) => {
      this.#id = id;
    });
    try {
      return await unlessAborted(asked, signal);
    } finally {
      this.#id = null;
      this.#write();
    }
  }

  /** Deletes rows a few at a time, until the pass is cancelled. */
  async #delete<T>(items: readonly T[], remove: (part: readonly T[]) => unknown): Promise<void> {
    for (let at = 0; at < items.length; at += DELETE_COUNT) {
      await this.#task.pause();
      if (this.#options.signal.aborted) return;
      const removed = remove(items.slice(at, at + DELETE_COUNT));
      if (removed instanceof Promise) await removed;
    }
  }

  addTransaction(id: number, packet: AddTransaction): void {
    if (id !== this.#id) return;
    this.#requireAsked(packet.tid, packet.tid);
    this.#options.backend.replica.addTransaction(packet);
  }

  addObject(id: number, packet: AddObject): void {
    if (id !== this.#id) return;
    const { oid, serial, compression, checksum, data, dataSerial } = packet;
    this.#requireAsked(serial, oid);
    const isNothing = data.length === 0 && checksum.every((byte) => byte === 0);
    const value = isNothing ? null : { compression, checksum, data };
    this.#chunk.rows++;
    this.#chunk.bytes += data.length;
    // Those that come in one piece from the network are written together.
    if (this.#received.length === 0) unawaited(Promise.resolve().then(() => this.#write()));
    this.#received.push({ oid, tid: serial, value, valueTid: dataSerial });
    if (this.#received.length >= WRITE_COUNT) this.#write();
  }

  /**
   * Writes the revisions that have gathered. A cell that was taken away gets none. Those that can't
   * be written stay, so that whoever waits for the answer tries again, and hears why.
   */
  #write(): void {
    if (this.#received.length === 0 || this.#options.signal.aborted) return;
    unawaited(this.#options.backend.replica.addObjects(this.#received));
    this.#received = [];
  }

  #requireAsked(tid: Tid, placed: Oid | Tid): void {
    const { assignment, offset, maxTid } = this.#options;
    if (assignment.partition(placed) === offset && tid >= this.#minTid && tid <= maxTid) return;
    throw new Refusal(
      "PROTOCOL_ERROR",
      `expected rows of partition ${offset} from ${hexId(this.#minTid)} to ${hexId(maxTid)}, ` +
        `found ${hexId(placed)} at ${hexId(tid)}`,
    );
  }
}

function byTid(keys: readonly RevisionKey[]): Map<Tid, Oid[]> {
  const objects = new Map<Tid, Oid[]>();
  for (const { tid, oid } of keys) {
    const oids = objects.get(tid);
    if (oids === undefined) objects.set(tid, [oid]);
    else oids.push(oid);
  }
  return objects;
}

function keysOf(objects: ReadonlyMap<Tid, readonly Oid[]>): RevisionKey[] {
  return [...objects].flatMap(([tid, oids]) => oids.map((oid) => ({ tid, oid })));
}

/** Up to where the source has looked; null when that was everything. */
function endOf({ nextTid, nextOid }: AnswerFetchObjects): RevisionKey | null {
  return nextTid === null ? null : { tid: nextTid, oid: nextOid ?? ZERO_OID };
}

/** Where to go on; null at the end, where there may still be more here than was listed. */
function nextRevision(
  end: RevisionKey | null,
  listed: readonly RevisionKey[],
  length: number,
): RevisionKey | null {
  if (end !== null) return end;
  const last = listed.length < length ? undefined : listed.at(-1);
  return last === undefined ? null : revisionAfter(last);
}

function refuseDeletion(): never {
  throw new Refusal("PROTOCOL_ERROR", "expected only rows that were listed to be deleted");
}

function refuseNext(tid: Tid): never {
  throw new Refusal("PROTOCOL_ERROR", `expected to go on, found ${hexId(tid)} to be next`);
}
