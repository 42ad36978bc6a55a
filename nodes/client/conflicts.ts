/** What to store instead of data that are in conflict with a committed revision. */

import { type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { ConflictError, ReadConflictError } from "./errors.ts";
import type { Loads } from "./loads.ts";
import type { Master } from "./master.ts";
import type { View } from "./view.ts";
import type { Write } from "./writes.ts";

/** What is known of a conflict about an object. */
export interface Conflict {
  readonly oid: Oid;
  /** The data that the transaction was based on. */
  readonly old: Uint8Array;
  /** The data that another transaction has committed since. */
  readonly saved: Uint8Array;
  /** The data that the transaction wants to store. */
  readonly new: Uint8Array;
}

/**
 * The application's way to unite two changes: returns the data to store. Throws (or rejects) when
 * it can't: then the transaction ends with a ConflictError.
 */
export type ConflictResolver = (conflict: Conflict) => Uint8Array | Promise<Uint8Array>;

/** A conflict about an object, as the values that its data stand for. */
export interface ValueConflict<T> extends Pick<Conflict, "oid"> {
  readonly old: T;
  readonly saved: T;
  readonly new: T;
}

/** How to unite changes of values, and how they are kept as bytes. */
export interface ValueResolver<T> {
  decode(data: Uint8Array): T | Promise<T>;
  encode(value: T): Uint8Array | Promise<Uint8Array>;
  /** Returns the value to store; throws when there is none. */
  resolve(conflict: ValueConflict<T>): T | Promise<T>;
}

/** A `resolveConflict` that works on values instead of bytes. */
export function resolver<T>({ decode, encode, resolve }: ValueResolver<T>): ConflictResolver {
  return async ({ oid, old, saved, new: mine }) => {
    const values = { old: await decode(old), saved: await decode(saved), new: await decode(mine) };
    return await encode(await resolve({ oid, ...values }));
  };
}

export class Conflicts {
  readonly #master: Master;
  readonly #view: View;
  readonly #loads: Loads;
  readonly #resolver: ConflictResolver | undefined;

  constructor(
    { master, view, loads, resolver }: {
      readonly master: Master;
      readonly view: View;
      readonly loads: Loads;
      readonly resolver: ConflictResolver | undefined;
    },
  ) {
    this.#master = master;
    this.#view = view;
    this.#loads = loads;
    this.#resolver = resolver;
  }

  /** The data that take a committed revision into account. Rejects with a ConflictError. */
  async resolve({ oid, kind, base, data }: Write, committed: Tid): Promise<Uint8Array> {
    const details = { oid, base, committed };
    if (kind === "check") throw new ReadConflictError(details);
    if (this.#resolver === undefined || data === null || base === ZERO_TID || committed <= base) {
      throw new ConflictError(details);
    }
    // The cache must know of the revision before it is asked for it.
    if (this.#view.lastTid < committed) await this.#master.barrier();
    try {
      const old = await this.#loads.loadSerial(oid, base);
      const saved = await this.#loads.loadSerial(oid, committed);
      return await this.#resolver({ oid, old: old.data, saved: saved.data, new: data.slice() });
    } catch (cause) {
      const reason = "it could not be resolved: run the transaction again";
      throw new ConflictError(details, { reason, cause });
    }
  }
}
