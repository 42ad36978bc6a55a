/**
 * What the function given to `transact` works with: a consistent snapshot of the database, and the
 * changes that it collects for the commit. Nothing is sent before the function has ended.
 */

import { hexId, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { CreationUndoneError, NotFoundError, StorageError } from "./errors.ts";
import { MAX_TRANSACT_BYTES } from "./limits.ts";
import { after, type Loads } from "./loads.ts";
import type { OidPool } from "./oids.ts";
import type { Session } from "./session.ts";
import type { CallOptions } from "./options.ts";

/** An object as it was found. */
export interface LoadedObject {
  /** The data; they belong to the caller. */
  readonly data: Uint8Array;
  /** The transaction that stored them; 0 for what this transaction has created. */
  readonly serial: Tid;
}

/** An object that a transaction changes. */
export interface Change {
  /** Null for a deletion. */
  readonly data: Uint8Array | null;
  /** The revision that is changed, where it is known. */
  readonly serial: Tid | undefined;
}

export class SnapshotTransaction {
  /** The last transaction that this one sees. */
  readonly snapshot: Tid;
  readonly #session: Session;
  readonly #loads: Loads;
  readonly #oids: OidPool;
  readonly #signal: AbortSignal | undefined;
  readonly #serials = new Map<Oid, Tid>();
  readonly #changes = new Map<Oid, Change>();
  readonly #created = new Set<Oid>();
  readonly #checked = new Set<Oid>();
  #bytes = 0;
  #ended = false;

  /** @ignore `transact` makes them. */
  constructor(parts: {
    readonly session: Session;
    readonly snapshot: Tid;
    readonly loads: Loads;
    readonly oids: OidPool;
    readonly signal: AbortSignal | undefined;
  }) {
    this.#session = parts.session;
    this.snapshot = parts.snapshot;
    this.#loads = parts.loads;
    this.#oids = parts.oids;
    this.#signal = parts.signal;
  }

  /**
   * Loads an object as of the snapshot, or as this transaction has left it. Rejects with a
   * NotFoundError when there is none.
   */
  async load(oid: Oid, { signal = this.#signal }: CallOptions = {}): Promise<LoadedObject> {
    this.#assertOpen();
    const change = this.#changes.get(oid);
    if (change !== undefined) {
      const serial = change.serial ?? this.#serials.get(oid) ?? ZERO_TID;
      if (change.data !== null) return { data: change.data.slice(), serial };
      throw new CreationUndoneError(serial, `object ${hexId(oid)} is deleted by this transaction`);
    }
    try {
      const { data, serial } = await this.#loads.loadBefore(oid, this.#before(), { signal });
      this.#serials.set(oid, serial);
      return { data, serial };
    } catch (error) {
      if (error instanceof CreationUndoneError) this.#serials.set(oid, error.serial);
      else if (error instanceof NotFoundError) this.#serials.set(oid, ZERO_TID);
      throw error;
    } finally {
      this.#assertSession();
    }
  }

  /**
   * Stores an object when the transaction commits. Its data are copied. `serial` is the revision
   * that they are based on, for those who know it without having loaded the object here.
   */
  store(oid: Oid, data: Uint8Array, { serial }: { readonly serial?: Tid } = {}): void {
    this.#change(oid, { data: data.slice(), serial });
  }

  /** Stores a new object when the transaction commits. Resolves with its oid. */
  async create(data: Uint8Array, { signal = this.#signal }: CallOptions = {}): Promise<Oid> {
    this.#assertOpen();
    const copy = data.slice();
    const oid = await this.#oids.next({ signal });
    this.#created.add(oid);
    this.#change(oid, { data: copy, serial: ZERO_TID });
    return oid;
  }

  /** Deletes an object when the transaction commits; what refers to it is the caller's business. */
  delete(oid: Oid): void {
    if (this.#created.delete(oid)) this.#drop(oid);
    else this.#change(oid, { data: null, serial: this.#changes.get(oid)?.serial });
  }

  /**
   * Makes the commit depend on an object that is read and not changed: where another transaction
   * has changed it since the snapshot, this one is in conflict. Rejects as `load` does.
   */
  async readCurrent(oid: Oid, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    if (!this.#serials.has(oid) && !this.#changes.has(oid)) await this.load(oid, options);
    this.#checked.add(oid);
  }

  #before(): Tid {
    return after(this.snapshot);
  }

  #change(oid: Oid, change: Change): void {
    this.#assertOpen();
    const serial = change.serial ?? this.#changes.get(oid)?.serial;
    this.#drop(oid);
    this.#bytes += change.data?.length ?? 0;
    if (this.#bytes > MAX_TRANSACT_BYTES) {
      throw new StorageError(
        `expected at most ${MAX_TRANSACT_BYTES} bytes in one call of transact, found more: ` +
          "use begin, which does not keep them",
      );
    }
    this.#changes.set(oid, { data: change.data, serial });
  }

  #drop(oid: Oid): void {
    this.#bytes -= this.#changes.get(oid)?.data?.length ?? 0;
    this.#changes.delete(oid);
  }

  #assertOpen(): void {
    if (this.#ended) throw new StorageError("the function given to transact has already ended");
    this.#assertSession();
  }

  // A database that was truncated between two sessions could give a mixture of two histories.
  #assertSession(): void {
    this.#session.assertAlive();
  }

  /** @ignore Ends the collection of changes; used by `transact`. */
  end(): void {
    this.#ended = true;
  }

  /** @ignore What is to be committed, by oid: clients that agree on an order rarely deadlock. */
  changes(): [Oid, Change][] {
    return [...this.#changes].sort(([a], [b]) => a < b ? -1 : 1);
  }

  /** @ignore The revision that a change is based on. */
  async baseOf(oid: Oid, { serial }: Change): Promise<Tid> {
    const known = serial ?? this.#serials.get(oid);
    if (known !== undefined) return known;
    return await this.#loads.serialBefore(oid, this.#before(), { signal: this.#signal });
  }

  /** @ignore Objects that must be current, and the revisions that were read. */
  checks(): [Oid, Tid][] {
    const checks: [Oid, Tid][] = [];
    for (const oid of this.#checked) {
      const serial = this.#serials.get(oid) ?? ZERO_TID;
      if (serial !== ZERO_TID && !this.#changes.has(oid)) checks.push([oid, serial]);
    }
    return checks.sort(([a], [b]) => a < b ? -1 : 1);
  }
}
