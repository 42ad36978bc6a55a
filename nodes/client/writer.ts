/**
 * Sends the writes of one transaction to all cells of their partitions, whatever their state, and
 * follows what becomes of them: answers, conflicts, deadlocks, lost storages.
 *
 * Writes are sent without waiting for answers, up to a limit. Conflicts are resolved as early as
 * possible, but by whoever waits for the transaction and never while a packet is handled.
 */

import {
  AskCheckCurrentSerial,
  AskRebaseObject,
  AskRebaseTransaction,
  AskStoreObject,
  type StoredData,
} from "../../gen/packets.ts";
import type { Nid, Oid, Tid } from "../codec/ids.ts";
import { NeoError } from "../errors.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError } from "../wire/refusal.ts";
import { abortable } from "./abortable.ts";
import { fromPeer, StorageError, StorageLostError } from "./errors.ts";
import { MAX_IN_FLIGHT_BYTES, MAX_IN_FLIGHT_WRITES } from "./limits.ts";
import { type Compression, encodeData, NO_DATA } from "./object_data.ts";
import { Participants } from "./participants.ts";
import type { Session } from "./session.ts";
import { newWrite, type Write, Writes } from "./writes.ts";

export interface WriterOptions {
  readonly session: Session;
  readonly ttid: Tid;
  /** Bytes of data that are kept for the cache once all storages have them. */
  readonly maxKeptBytes: number;
  readonly compression: Compression;
  /** What to store after a conflict with a committed revision. Rejects with a ConflictError. */
  resolve(write: Write, committed: Tid): Promise<Uint8Array>;
}

export class Writer {
  readonly session: Session;
  readonly ttid: Tid;
  readonly participants: Participants;
  readonly writes: Writes;
  readonly #options: WriterOptions;
  #lockingTid: Tid | null = null;
  #sending = 0;
  #unanswered = 0;
  #inFlightBytes = 0;
  #inFlightWrites = 0;
  #closed = false;
  #failure: NeoError | null = null;
  #resolution: Promise<void> | null = null;
  #change: { readonly promise: Promise<void>; resolve(): void } | null = null;

  constructor(options: WriterOptions) {
    const { session, ttid } = options;
    this.session = session;
    this.ttid = ttid;
    this.#options = options;
    this.writes = new Writes(options.maxKeptBytes);
    this.participants = new Participants(session, (nid, connection) => {
      const isOver = this.#closed || this.#failure !== null;
      if (this.#lockingTid !== null && !isOver) this.#rebase(nid, connection, this.#lockingTid);
    });
  }

  /** Why the transaction can only be aborted; null while it is sound. */
  get failure(): NeoError | null {
    return this.#failure;
  }

  /** The transaction can only be aborted; whoever waits for it is told. */
  fail(error: NeoError): void {
    this.#failure ??= error;
    this.#changed();
  }

  /** The session is over. */
  masterLost(): void {
    this.fail(this.session.loss());
  }

  /** Deadlocks do not matter any more: the outcome is being decided. */
  close(): void {
    this.#closed = true;
  }

  /** Sends a write. Resolves when the next one may follow. */
  async send(write: Write, signal?: AbortSignal): Promise<void> {
    const stored = write.data === null
      ? NO_DATA
      : encodeData(write.data, this.#options.compression);
    this.writes.add(write);
    await this.#sendToCells(write, stored);
    if (this.writes.conflicts.size > 0 || this.#isFull()) {
      await this.until(() => !this.#isFull(), signal);
    }
  }

  #isFull(): boolean {
    return this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES ||
      this.#inFlightWrites >= MAX_IN_FLIGHT_WRITES;
  }

  async #sendToCells(write: Write, stored: StoredData): Promise<void> {
    this.#sending++;
    try {
      await this.#sendWhenConnected(write, stored);
    } finally {
      this.#sending--;
      this.#changed();
    }
  }

  async #sendWhenConnected(write: Write, stored: StoredData): Promise<void> {
    const { table } = this.session;
    const partition = table.partition(write.oid);
    for (;;) {
      const preparing = this.participants.prepare(table.cells(partition));
      if (preparing === null) break;
      await preparing;
    }
    this.assertSound();
    // A later write of the same object may have gone ahead while this one waited for a storage.
    if (this.writes.get(write.oid) !== write) return;
    let congested: Connection | null = null;
    for (const { nid } of table.cells(partition)) {
      const connection = this.participants.connection(nid);
      if (connection === null) continue;
      this.#sendOne(write, stored, { nid, connection, partition });
      if (connection.congested) congested = connection;
    }
    if (write.waiting.size === 0) {
      this.fail(
        new StorageLostError(
          `expected a storage that takes writes to partition ${partition}, found none`,
        ),
      );
      this.assertSound();
    }
    if (congested !== null) await congested.drained();
  }

  #sendOne(write: Write, stored: StoredData, to: {
    readonly nid: Nid;
    readonly connection: Connection;
    readonly partition: number;
  }): void {
    const { ttid } = this;
    const { oid, base: serial, dataSerial, waiting } = write;
    const { nid, connection, partition } = to;
    const bytes = stored.data.length;
    waiting.add(nid);
    this.participants.engage(nid);
    this.#inFlightBytes += bytes;
    this.#inFlightWrites++;
    const answer = write.kind === "check"
      ? connection.ask(AskCheckCurrentSerial, { ttid, oid, serial })
      : connection.ask(AskStoreObject, { oid, serial, ...stored, dataSerial, ttid });
    this.#follow(nid, answer, (answered) => {
      this.#inFlightBytes -= bytes;
      this.#inFlightWrites--;
      if (answered !== null) {
        this.writes.answered(write, nid, { conflict: answered.conflict, partition });
      }
    });
  }

  /**
   * Takes the answer to a request of this transaction when it comes, or null when it failed; until
   * then, nothing is voted. The answers of one storage are taken in the order in which they came.
   */
  #follow<A>(nid: Nid, answer: Promise<A>, take: (answer: A | null) => void): void {
    this.#unanswered++;
    const end = (taken: A | null, failed: unknown) => {
      this.#unanswered--;
      try {
        take(taken);
        if (taken === null) this.#storageFailed(nid, failed);
      } catch (error) {
        this.fail(
          error instanceof NeoError ? error : new StorageError("a defect", { cause: error }),
        );
      }
      this.#changed();
    };
    answer.then((taken) => end(taken, null), (failed) => end(null, failed));
  }

  #storageFailed(nid: Nid, error: unknown): void {
    if (error instanceof PeerError) return this.fail(fromPeer(error, "a write"));
    this.participants.lose(nid);
    this.writes.lost(nid);
  }

  /** A storage found a deadlock: all have to sort this transaction anew. */
  deadlock(lockingTid: Tid): void {
    if (this.#closed) return;
    this.#lockingTid = lockingTid;
    for (const [nid, connection] of this.participants.live()) {
      this.#rebase(nid, connection, lockingTid);
    }
  }

  #rebase(nid: Nid, connection: Connection, lockingTid: Tid): void {
    const { ttid } = this;
    const answer = connection.ask(AskRebaseTransaction, { ttid, lockingTid });
    this.#follow(nid, answer, (answered) => {
      for (const oid of answered?.oids ?? []) this.#rebaseObject(nid, connection, oid);
    });
  }

  #rebaseObject(nid: Nid, connection: Connection, oid: Oid): void {
    const answer = connection.ask(AskRebaseObject, { ttid: this.ttid, oid });
    this.#follow(nid, answer, (answered) => {
      if (answered?.conflict) this.writes.rebased(oid, answered.conflict);
    });
  }

  /** Throws why the transaction can only be aborted. */
  assertSound(): void {
    if (this.#failure !== null) throw this.#failure;
    this.session.assertAlive();
  }

  /** Resolves when all writes are answered, and all conflicts resolved. */
  settled(signal?: AbortSignal): Promise<void> {
    return this.until(() => this.#sending === 0 && this.#unanswered === 0, signal);
  }

  /** Resolves conflicts as they come, until none is left and `done`. */
  async until(done: () => boolean, signal?: AbortSignal): Promise<void> {
    for (;;) {
      this.assertSound();
      if (this.writes.conflicts.size > 0) await abortable(this.#resolveConflicts(), signal);
      else if (done()) return;
      else await abortable(this.#nextChange(), signal);
    }
  }

  #resolveConflicts(): Promise<void> {
    this.#resolution ??= this.#resolveAll().finally(() => {
      this.#resolution = null;
    });
    return this.#resolution;
  }

  async #resolveAll(): Promise<void> {
    try {
      for (const [oid, committed] of [...this.writes.conflicts]) {
        const write = this.writes.get(oid);
        if (write !== undefined) await this.#resolve(write, committed);
      }
    } catch (error) {
      if (error instanceof NeoError) this.fail(error);
      throw error;
    }
  }

  async #resolve(write: Write, committed: Tid): Promise<void> {
    const { oid } = write;
    const data = await this.#options.resolve(write, committed);
    // Meanwhile, another storage may have reported a later revision.
    if (this.writes.get(oid) !== write || this.writes.conflicts.get(oid) !== committed) return;
    const stored = encodeData(data, this.#options.compression);
    const resolved = newWrite({ ...write, data, base: committed });
    this.writes.addResolved(resolved);
    await this.#sendToCells(resolved, stored);
  }

  #nextChange(): Promise<void> {
    this.#change ??= Promise.withResolvers<void>();
    return this.#change.promise;
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = null;
  }
}
