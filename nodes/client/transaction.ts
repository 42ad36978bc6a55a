/**
 * A transaction in two phases: begin, store, vote, finish, or abort at any time before. It belongs
 * to the session that began it. A failure is final: every later call says the same, and what is
 * left to do is to abort.
 */

import { AbortTransaction } from "../../gen/packets.ts";
import { hexId, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { NeoError } from "../errors.ts";
import { abortable, assertNotAborted } from "./abortable.ts";
import { ConflictError, StorageError } from "./errors.ts";
import type { CallOptions } from "./options.ts";
import type { Parts } from "./parts.ts";
import { undo } from "./undo.ts";
import { type Metadata, vote } from "./vote.ts";
import type { Writer } from "./writer.ts";
import { newWrite, type Write } from "./writes.ts";

/** An object as a transaction is to leave it. */
export interface StoredObject {
  readonly data: Uint8Array;
  /** The revision that was changed; absent for a new object. */
  readonly serial?: Tid;
  /** Promises that the data are never changed any more, so that they need not be copied. */
  readonly owned?: boolean;
}

type State = "open" | "voting" | "voted" | "finishing" | "committed" | "ended";

export class Transaction implements AsyncDisposable {
  /** The transaction's temporary id: the final one comes with the commit. */
  readonly ttid: Tid;
  readonly #writer: Writer;
  readonly #parts: Parts;
  readonly #metadata: Metadata;
  #state: State = "open";

  /** @ignore `client.begin` makes them. */
  constructor(parts: Parts, writer: Writer, metadata: Metadata) {
    this.#parts = parts;
    this.ttid = writer.ttid;
    this.#writer = writer;
    this.#metadata = metadata;
    writer.session.transactions.set(this.ttid, {
      deadlock: (lockingTid) => writer.deadlock(lockingTid),
      masterLost: () => writer.masterLost(),
    });
  }

  /**
   * Stores an object. Resolves when the next call may follow, which is mostly at once: storages
   * answer later, and a conflict ends the call that is then under way.
   * Rejects with a ConflictError, a MasterLostError, a StorageLostError, a StorageError or the
   * signal's reason.
   */
  async store(oid: Oid, object: StoredObject, options: CallOptions = {}): Promise<void> {
    const data = object.owned ? object.data : object.data.slice();
    await this.#write({ oid, kind: "store", base: object.serial ?? ZERO_TID, data }, options);
  }

  /** Deletes an object, whose current revision is `serial`. Rejects as `store` does. */
  async delete(oid: Oid, serial: Tid, options: CallOptions = {}): Promise<void> {
    await this.#write({ oid, kind: "store", base: serial, data: null }, options);
  }

  /**
   * Makes the commit depend on an object still being at `serial`. Rejects as `store` does, with a
   * ReadConflictError where it is not.
   */
  async checkCurrentSerial(oid: Oid, serial: Tid, options: CallOptions = {}): Promise<void> {
    // What is stored is checked already, and a storage takes one check of an object only.
    if (this.#writer.writes.get(oid) !== undefined) return this.#assertState("open");
    await this.#write({ oid, kind: "check", base: serial, data: null }, options);
  }

  /**
   * Stores what undoes a committed transaction. Resolves with the objects that it concerns.
   * Rejects with an UndoError when it can't be undone, with a NotFoundError when there is no such
   * transaction, otherwise as `store` does.
   */
  async undo(undone: Tid, options: CallOptions = {}): Promise<Oid[]> {
    this.#assertState("open");
    return await undo(this.#parts, { writer: this.#writer, undone }, options);
  }

  async #write(
    write: Pick<Write, "oid" | "kind" | "base" | "data">,
    { signal }: CallOptions,
  ): Promise<void> {
    this.#assertState("open");
    assertNotAborted(signal);
    const { oid, base } = write;
    const { writes } = this.#writer;
    const committed = writes.resolved.get(oid) ?? newerBase(writes.get(oid), base);
    if (committed !== undefined) throw new ConflictError({ oid, base, committed });
    await this.#writer.send(newWrite({ ...write, dataSerial: null }), signal);
  }

  /**
   * First phase: resolves when the transaction is durable on all storages, with the objects whose
   * conflicts were resolved: their data are not those that were stored by the caller.
   * Rejects as `store` does.
   */
  async vote({ signal }: CallOptions = {}): Promise<ReadonlySet<Oid>> {
    this.#assertState("open");
    await this.#writer.settled(signal);
    this.#assertState("open");
    this.#state = "voting";
    this.#writer.close();
    try {
      await abortable(vote(this.#writer, this.#metadata), signal);
    } catch (error) {
      if (error instanceof NeoError) this.#writer.fail(error);
      throw error;
    }
    this.#assertState("voting");
    this.#state = "voted";
    return new Set(this.#writer.writes.resolved.keys());
  }

  /**
   * Second phase, after a vote where there was none: resolves with the transaction's id once it is
   * committed. Rejects with an UnknownOutcomeError when that could not be known before the signal
   * was aborted, otherwise as `store` does: then it is not committed.
   */
  async finish({ signal }: CallOptions = {}): Promise<Tid> {
    if (this.#state === "open") await this.vote({ signal });
    this.#assertState("voted");
    assertNotAborted(signal);
    this.#writer.assertSound();
    this.#state = "finishing";
    try {
      const tid = await this.#parts.finisher.finish(this.#writer, signal);
      this.#state = "committed";
      return tid;
    } catch (error) {
      this.#state = "ended";
      throw error;
    } finally {
      this.#writer.session.transactions.delete(this.ttid);
    }
  }

  /** Gives the transaction up, unless its commit was already asked for; then it does nothing. */
  abort(): void {
    if (this.#state === "finishing" || this.#state === "committed" || this.#state === "ended") {
      return;
    }
    this.#state = "ended";
    const { session, participants } = this.#writer;
    this.#writer.fail(new StorageError(`transaction ${hexId(this.ttid)} was aborted`));
    this.#writer.close();
    session.transactions.delete(this.ttid);
    const { ttid } = this;
    // To the storages directly, so that it comes after all that was written.
    for (const [, connection] of participants.live()) {
      connection.notify(AbortTransaction, { ttid, nids: [] });
    }
    if (!session.ended) session.notify(AbortTransaction, { ttid, nids: participants.nids });
  }

  /** Aborts, unless it is committed. */
  [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    return Promise.resolve();
  }

  #assertState(expected: State): void {
    if (this.#state === expected) return;
    throw this.#writer.failure ?? new StorageError(
      `transaction ${hexId(this.ttid)}: expected it to be ${expected}, found it ${this.#state}`,
    );
  }
}

/**
 * The revision that an earlier write of the object was based on, if that is newer: storages do not
 * look at the base again once they have locked an object. What follows an undo is based on what
 * the undo goes back to.
 */
function newerBase(earlier: Write | undefined, base: Tid): Tid | undefined {
  if (earlier === undefined || earlier.dataSerial !== null || earlier.base <= base) {
    return undefined;
  }
  return earlier.base;
}
