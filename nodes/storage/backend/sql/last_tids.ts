/**
 * The last tids of objects that were stored or looked for lately. A store has to know the last tid
 * of its object, and asking a server costs more than everything else about a small store.
 *
 * Invariant: what is remembered is what a look into the database would find, after everything that
 * was called before.
 */

import type { Oid, Tid } from "../../../codec/ids.ts";
import { type Eventual, then } from "../eventual.ts";

/** Objects that are remembered. */
const MAX_OBJECTS = 50_000;

/** A look into the database that is under way. */
class Looking {}

export class LastTids {
  /** Null for an object that has no revision; those that were used last are at the end. */
  readonly #tids = new Map<Oid, Tid | null | Looking>();

  /** An object's last tid, as it is remembered or found. */
  get(oid: Oid, find: () => Eventual<Tid | null>): Eventual<Tid | null> {
    const known = this.#tids.get(oid);
    if (known !== undefined && !(known instanceof Looking)) return known;
    const looking = new Looking();
    this.#put(oid, looking);
    return then(find(), (tid) => {
      // Unless something was written since.
      if (this.#tids.get(oid) === looking) this.#tids.set(oid, tid);
      return tid;
    });
  }

  /** These objects have got revisions, which are their last. */
  set(oids: Iterable<Oid>, tid: Tid): void {
    for (const oid of oids) this.#put(oid, tid);
  }

  /** Revisions of these objects (of any, for null) are about to come or go. */
  forget(oids: Iterable<Oid> | null): void {
    if (oids === null) this.#tids.clear();
    else for (const oid of oids) this.#tids.delete(oid);
  }

  #put(oid: Oid, tid: Tid | Looking): void {
    this.#tids.delete(oid);
    this.#tids.set(oid, tid);
    if (this.#tids.size <= MAX_OBJECTS) return;
    for (const eldest of this.#tids.keys()) {
      this.#tids.delete(eldest);
      break;
    }
  }
}
