/**
 * Which objects have revisions that are written and not committed: another session does not see
 * them. Those of the others it sees as they are.
 */

import type { Oid } from "../../../codec/ids.ts";

/** Objects that are remembered; beyond, all count as changed until the next commit. */
const MAX_OBJECTS = 100_000;

class Changed {
  readonly #oids = new Set<bigint>();
  #isAny = false;

  add(oids: Iterable<Oid> | null): void {
    if (oids === null || this.#oids.size > MAX_OBJECTS) this.#isAny = true;
    else for (const oid of oids) this.#oids.add(oid);
  }

  has(oid: bigint): boolean {
    return this.#isAny || this.#oids.has(oid);
  }
}

export class Changes {
  #uncommitted = new Changed();
  readonly #committing = new Set<Changed>();

  add(oids: Iterable<Oid> | null): void {
    this.#uncommitted.add(oids);
  }

  has(oid: bigint): boolean {
    if (this.#uncommitted.has(oid)) return true;
    for (const changed of this.#committing) {
      if (changed.has(oid)) return true;
    }
    return false;
  }

  /** A commit of all that was changed begins. Returns what to call when it is done. */
  commit(): () => void {
    const changed = this.#uncommitted;
    this.#uncommitted = new Changed();
    this.#committing.add(changed);
    return () => this.#committing.delete(changed);
  }
}
