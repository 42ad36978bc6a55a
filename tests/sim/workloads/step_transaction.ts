/** What steps of workloads do within a transaction, recorded, whichever way it is run. */

import type { Client } from "../../../nodes/client/client.ts";
import { CreationUndoneError, NotFoundError } from "../../../nodes/client/errors.ts";
import type { SnapshotTransaction } from "../../../nodes/client/snapshot.ts";
import type { Transaction } from "../../../nodes/client/transaction.ts";
import { type Oid, type Tid, tid as asTid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { type Recorder, type Value, valueOf } from "./recorder.ts";

/** What a step can do. */
export interface StepTransaction {
  /** The value of an object; null where there is none (any more). */
  read(oid: Oid): Promise<Value | null>;
  /** Changes an object that was read before. Resolves with the data that it has now. */
  store(oid: Oid, value: Value): Promise<Uint8Array>;
  create(value: Value): Promise<Oid>;
  /** Deletes an object that was read before. */
  delete(oid: Oid): Promise<void>;
  /** Relies on an object that was read before. */
  check(oid: Oid): Promise<void>;
}

/** A revision as a transaction finds it; 0 and null where there is none. */
export interface Found {
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
    const { data } = await this.find(oid);
    return data === null ? null : valueOf(data);
  }

  /** The revision of an object that was not changed. */
  async find(oid: Oid): Promise<Found> {
    const found = await foundBy(this.load(oid));
    this.recorder.read(this.name, oid, found);
    this.#serials.set(oid, found.serial);
    return found;
  }

  async store(oid: Oid, value: Value): Promise<Uint8Array> {
    const base = this.#base(oid);
    this.#values.set(oid, value);
    const data = this.recorder.store(this.name, oid, { base, value });
    await this.write(oid, data.slice(), base);
    return data;
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

async function foundBy(load: Promise<Found | null>): Promise<Found> {
  try {
    return await load ?? { serial: ZERO_TID, data: null };
  } catch (error) {
    if (error instanceof CreationUndoneError) return { serial: error.serial, data: null };
    if (error instanceof NotFoundError) return { serial: ZERO_TID, data: null };
    throw error;
  }
}

/** A transaction of `transact`. */
export class CollectingTransaction extends RecordedTransaction {
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
export class PhasedTransaction extends RecordedTransaction {
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

  /**
   * Undoes a transaction that has changed these objects, and no others: they get the data again
   * that they had before.
   */
  async undo(undone: Tid, before: ReadonlyMap<Oid, Found>): Promise<void> {
    this.#hasWritten = true;
    const oids = new Set(await this.#transaction.undo(undone));
    if (oids.size !== before.size || ![...oids].every((oid) => before.has(oid))) {
      throw new Error(`expected to undo ${[...before.keys()]}, found ${[...oids]}`);
    }
    for (const [oid, { serial, data }] of before) {
      this.recorder.undo(this.name, oid, { base: serial, data });
    }
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
