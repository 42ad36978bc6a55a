/**
 * A client whose transactions are recorded. A workload's step is run in one of two ways: by
 * `transact`, which collects changes and runs the step again after a conflict, or phase by phase,
 * where objects are locked in the order in which the step stores them.
 */

import type { Client } from "../../../nodes/client/client.ts";
import {
  CreationUndoneError,
  DeadlineError,
  NotFoundError,
  UnknownOutcomeError,
} from "../../../nodes/client/errors.ts";
import type { SnapshotTransaction } from "../../../nodes/client/snapshot.ts";
import type { Transaction } from "../../../nodes/client/transaction.ts";
import { type Oid, type Tid, tid as asTid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { NeoError } from "../../../nodes/errors.ts";
import { type Recorder, type Value, valueOf } from "./recorder.ts";

/** What a step can do. */
export interface StepTransaction {
  /** The value of an object; null where there is none (any more). */
  read(oid: Oid): Promise<Value | null>;
  /** Changes an object that was read before. */
  store(oid: Oid, value: Value): Promise<void>;
  create(value: Value): Promise<Oid>;
  /** Deletes an object that was read before. */
  delete(oid: Oid): Promise<void>;
  /** Relies on an object that was read before. */
  check(oid: Oid): Promise<void>;
}

export type Step<T> = (tx: StepTransaction) => Promise<T>;

/**
 * How a step is run. What is given up gets through its vote, and is then aborted. Who is impatient
 * does not wait for the end of the commit; the curious ask later what became of it.
 */
export const STYLES = ["transact", "phases", "given up", "impatient", "curious"] as const;

export type Style = (typeof STYLES)[number];

/** What became of a step; a step that only reads is committed as null. */
export type Outcome<T> =
  | { readonly kind: "committed"; readonly tid: Tid | null; readonly result: T }
  | { readonly kind: "aborted" | "unknown"; readonly error: NeoError | null };

export class RecordedClient {
  readonly recorder: Recorder;
  readonly #patience: () => Promise<void>;

  /** Who is impatient ends a wait when the promise of `patience` resolves. */
  constructor(
    readonly name: string,
    readonly client: Client,
    { recorder, patience }: { readonly recorder: Recorder; readonly patience: () => Promise<void> },
  ) {
    this.recorder = recorder;
    this.#patience = patience;
    recorder.opened(name, client);
  }

  sync(): Promise<void> {
    return this.recorder.sync(this.name, this.client);
  }

  /** Runs a step. Rejects with what only the step itself can be guilty of. */
  async run<T>(style: Style, step: Step<T>): Promise<Outcome<T>> {
    if (style === "transact") return await this.#transact(step);
    return await this.#inPhases(step, style);
  }

  async #transact<T>(step: Step<T>): Promise<Outcome<T>> {
    const { recorder } = this;
    let current: string | null = null;
    let committed: Tid | null = null;
    const end = (outcome: Tid | "aborted" | "unknown") => {
      if (current !== null) recorder.end(current, outcome);
      current = null;
    };
    try {
      const result = await this.client.transact(async (snapshot) => {
        end("aborted");
        const name = recorder.begin(this.name, snapshot.snapshot);
        current = name;
        const result = await step(new CollectingTransaction(recorder, name, snapshot));
        recorder.finish(name);
        return result;
      }, {
        committed: (tid) => {
          committed = tid;
          end(tid);
        },
      });
      if (current !== null) recorder.readOnly();
      return { kind: "committed", tid: committed, result };
    } catch (error) {
      return { kind: failed(error, end), error: expected(error) };
    }
  }

  async #inPhases<T>(step: Step<T>, style: Style): Promise<Outcome<T>> {
    const { client, recorder } = this;
    let end = (_: Tid | "aborted" | "unknown") => {};
    try {
      await using transaction = await client.begin();
      const name = recorder.begin(this.name, client.lastTid);
      end = (outcome) => recorder.end(name, outcome);
      const snapshot = client.lastTid;
      const tx = new PhasedTransaction(recorder, { name, client, transaction, snapshot });
      const result = await step(tx);
      if (!tx.hasWritten) {
        recorder.readOnly();
        return { kind: "committed", tid: null, result };
      }
      await transaction.vote();
      if (style === "given up") {
        end("aborted");
        return { kind: "aborted", error: null };
      }
      recorder.finish(name);
      const tid = await this.#finish(transaction, style);
      end(tid ?? "aborted");
      if (tid === null) return { kind: "aborted", error: null };
      return { kind: "committed", tid, result };
    } catch (error) {
      return { kind: failed(error, end), error: expected(error) };
    }
  }

  /** Resolves with the transaction's id; with null when it turned out not to be committed. */
  async #finish(transaction: Transaction, style: Style): Promise<Tid | null> {
    if (style === "phases") return await transaction.finish();
    const impatience = new AbortController();
    void this.#patience().then(() => impatience.abort(new DeadlineError("enough")));
    try {
      return await transaction.finish({ signal: impatience.signal });
    } catch (error) {
      if (style !== "curious" || !(error instanceof UnknownOutcomeError)) throw error;
      return await this.client.outcome(error.ttid);
    }
  }
}

function failed(
  error: unknown,
  end: (outcome: "aborted" | "unknown") => void,
): "aborted" | "unknown" {
  const kind = error instanceof UnknownOutcomeError ? "unknown" : "aborted";
  end(kind);
  return kind;
}

/** What a client may fail with; anything else is a defect of the client or of the step. */
function expected(error: unknown): NeoError {
  if (error instanceof NeoError) return error;
  throw error;
}

interface Found {
  readonly serial: Tid;
  readonly data: Uint8Array | null;
}

/** What both ways have in common: what was read, which later calls are based on. */
abstract class RecordedTransaction implements StepTransaction {
  protected readonly recorder: Recorder;
  protected readonly name: string;
  readonly #serials = new Map<Oid, Tid>();
  readonly #values = new Map<Oid, Value | null>();

  constructor(recorder: Recorder, name: string) {
    this.recorder = recorder;
    this.name = name;
  }

  async read(oid: Oid): Promise<Value | null> {
    const own = this.#values.get(oid);
    if (own !== undefined) return own;
    const found = await find(this.load(oid));
    this.recorder.read(this.name, oid, found);
    this.#serials.set(oid, found.serial);
    return found.data === null ? null : valueOf(found.data);
  }

  async store(oid: Oid, value: Value): Promise<void> {
    const base = this.#base(oid);
    this.#values.set(oid, value);
    await this.write(oid, this.recorder.store(this.name, oid, { base, value }), base);
  }

  async create(value: Value): Promise<Oid> {
    const oid = await this.newOid();
    this.#serials.set(oid, ZERO_TID);
    await this.store(oid, value);
    return oid;
  }

  async delete(oid: Oid): Promise<void> {
    const base = this.#base(oid);
    this.#values.set(oid, null);
    this.recorder.delete(this.name, oid, base);
    await this.write(oid, null, base);
  }

  async check(oid: Oid): Promise<void> {
    if (this.#values.has(oid)) return;
    const base = this.#base(oid);
    this.recorder.check(this.name, oid, base);
    await this.rely(oid, base);
  }

  #base(oid: Oid): Tid {
    const serial = this.#serials.get(oid);
    if (serial === undefined) throw new Error("a step must read an object before it changes it");
    return serial;
  }

  protected abstract load(oid: Oid): Promise<Found | null>;
  protected abstract newOid(): Promise<Oid>;
  protected abstract write(oid: Oid, data: Uint8Array | null, base: Tid): Promise<void>;
  protected abstract rely(oid: Oid, base: Tid): Promise<void>;
}

async function find(load: Promise<Found | null>): Promise<Found> {
  try {
    return await load ?? { serial: ZERO_TID, data: null };
  } catch (error) {
    if (error instanceof CreationUndoneError) return { serial: error.serial, data: null };
    if (error instanceof NotFoundError) return { serial: ZERO_TID, data: null };
    throw error;
  }
}

/** A transaction of `transact`. */
class CollectingTransaction extends RecordedTransaction {
  readonly #tx: SnapshotTransaction;

  constructor(recorder: Recorder, name: string, tx: SnapshotTransaction) {
    super(recorder, name);
    this.#tx = tx;
  }

  protected override load(oid: Oid): Promise<Found> {
    return this.#tx.load(oid);
  }

  protected override async newOid(): Promise<Oid> {
    return await this.#tx.create(new Uint8Array());
  }

  protected override write(oid: Oid, data: Uint8Array | null, base: Tid): Promise<void> {
    if (data === null) this.#tx.delete(oid);
    else this.#tx.store(oid, data, { serial: base });
    return Promise.resolve();
  }

  protected override rely(oid: Oid): Promise<void> {
    return this.#tx.readCurrent(oid);
  }
}

/** A transaction in two phases, which reads from the snapshot of its beginning. */
class PhasedTransaction extends RecordedTransaction {
  readonly #client: Client;
  readonly #transaction: Transaction;
  readonly #before: Tid;
  #hasWritten = false;

  constructor(recorder: Recorder, { name, client, transaction, snapshot }: {
    readonly name: string;
    readonly client: Client;
    readonly transaction: Transaction;
    readonly snapshot: Tid;
  }) {
    super(recorder, name);
    this.#client = client;
    this.#transaction = transaction;
    this.#before = asTid(snapshot + 1n);
  }

  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  protected override load(oid: Oid): Promise<Found | null> {
    return this.#client.loadBefore(oid, this.#before);
  }

  protected override newOid(): Promise<Oid> {
    return this.#client.newOid();
  }

  protected override async write(oid: Oid, data: Uint8Array | null, serial: Tid): Promise<void> {
    this.#hasWritten = true;
    if (data === null) await this.#transaction.delete(oid, serial);
    else await this.#transaction.store(oid, { data, serial, owned: true });
  }

  protected override async rely(oid: Oid, base: Tid): Promise<void> {
    this.#hasWritten = true;
    await this.#transaction.checkCurrentSerial(oid, base);
  }
}
