/**
 * A small model of a storage with history: what has to be there after any sequence of commits,
 * undos and packs. It knows nothing of nodes, caches or the wire.
 */

import { type Oid, type Tid, tid as asTid, ZERO_TID } from "../../../nodes/codec/ids.ts";

/** A revision of an object. */
export interface Version {
  readonly tid: Tid;
  /** Null for a deletion. */
  readonly data: string | null;
  /** For an undo: the revision whose data it has, which has data of its own. */
  source: Version | null;
}

/** What a transaction is about to store for an object. */
export interface Write {
  readonly data: string | null;
  source: Version | null;
}

export interface ModelTransaction {
  readonly tid: Tid;
  readonly description: string;
  /** Objects that it stored, and those that it only checked. */
  readonly oids: readonly Oid[];
}

/** What an undo of one object amounts to; null when the object does not hinder or need it. */
export type Undoing = { readonly base: Tid; readonly write: Write } | "impossible" | null;

export class ModelStore {
  readonly transactions: ModelTransaction[] = [];
  packTid: Tid = ZERO_TID;
  readonly #versions = new Map<Oid, Version[]>();
  /** Revisions that were packed: a cache may still have them. */
  readonly #packed = new Map<Oid, Version[]>();

  get lastTid(): Tid {
    return this.transactions.at(-1)?.tid ?? ZERO_TID;
  }

  /** All objects that have ever been stored. */
  get oids(): Oid[] {
    return [...this.#versions.keys()];
  }

  /** The revisions of an object that are still there, the oldest first. */
  versions(oid: Oid): readonly Version[] {
    return this.#versions.get(oid) ?? [];
  }

  packed(oid: Oid): readonly Version[] {
    return this.#packed.get(oid) ?? [];
  }

  last(oid: Oid): Version | undefined {
    return this.versions(oid).at(-1);
  }

  /** The last revision before a tid. */
  before(oid: Oid, tid: Tid): Version | undefined {
    return this.versions(oid).findLast((version) => version.tid < tid);
  }

  at(oid: Oid, tid: Tid): Version | undefined {
    return this.versions(oid).find((version) => version.tid === tid);
  }

  /** The revision that follows one. */
  next(oid: Oid, { tid }: Version): Version | undefined {
    return this.versions(oid).find((version) => version.tid > tid);
  }

  commit(tid: Tid, { description, writes, checks }: {
    readonly description: string;
    readonly writes: ReadonlyMap<Oid, Write>;
    readonly checks: ReadonlySet<Oid>;
  }): void {
    if (tid <= this.lastTid) throw new Error(`${tid} was committed after ${this.lastTid}`);
    this.transactions.push({ tid, description, oids: [...writes.keys(), ...checks] });
    for (const [oid, { data, source }] of writes) {
      const versions = this.#versions.get(oid);
      const version = { tid, data, source };
      if (versions === undefined) this.#versions.set(oid, [version]);
      else versions.push(version);
    }
  }

  /** How to undo what a transaction did to one of its objects; `pending` was stored since. */
  undoing(oid: Oid, undone: Tid, pending: Write | undefined): Undoing {
    // Of what was packed nobody knows what it replaced.
    if (this.before(oid, addOne(undone)) === undefined) return "impossible";
    const version = this.at(oid, undone);
    if (version === undefined) return null;
    if (undone <= this.packTid) return "impossible";
    const current = this.last(oid);
    const base = pending === undefined ? current?.tid : pending.source?.tid;
    const currentData = pending === undefined ? current && ownerOf(current) : pending.source;
    if (base === undefined || currentData !== ownerOf(version)) return "impossible";
    const previous = this.before(oid, undone);
    const source = previous === undefined ? null : ownerOf(previous);
    return { base, write: { data: source?.data ?? null, source } };
  }

  /** Forgets what is not needed at `tid` or later; `pending` may refer to what goes. */
  pack(tid: Tid, pending: Iterable<ReadonlyMap<Oid, Write>>): void {
    this.packTid = tid;
    const writes = [...pending];
    for (const [oid, versions] of this.#versions) {
      const kept = versions.findLast((version) => version.tid <= tid);
      if (kept === undefined) continue;
      const isDeleted = kept.data === null && kept.source === null;
      const limit = isDeleted ? addOne(kept.tid) : kept.tid;
      const gone = versions.filter((version) => version.tid < limit);
      const left = versions.filter((version) => version.tid >= limit);
      for (const version of gone) {
        const owner = handOver(version, left, null);
        handOver(version, writes.flatMap((written) => written.get(oid) ?? []), owner);
      }
      this.#versions.set(oid, left);
      this.#packed.set(oid, [...this.packed(oid), ...gone]);
    }
  }
}

/** Gives the data of a revision to the first that refers to it; returns who has them now. */
function handOver(
  from: Version,
  users: readonly { source: Version | null }[],
  owner: Version | null,
): Version | null {
  for (const user of users) {
    if (user.source !== from) continue;
    user.source = owner;
    if (owner === null && isVersion(user)) owner = user;
  }
  return owner;
}

function isVersion(user: object): user is Version {
  return "tid" in user;
}

/** The revision that a revision's data were first written by. */
export function ownerOf(version: Version): Version {
  return version.source ?? version;
}

function addOne(tid: Tid): Tid {
  // Tids of the model are those of a cluster, far from the greatest one.
  return asTid(tid + 1n);
}
