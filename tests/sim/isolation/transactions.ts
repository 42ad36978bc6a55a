/**
 * The transactions of a history, and the revisions that they left. An outcome that no client was
 * told is taken from what others have seen.
 */

import { hexId, type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import type { Digest, HistoryEvent, Violation } from "./history.ts";

/** What a transaction stores for one object. */
export interface StoredRevision {
  readonly base: Tid;
  readonly digest: Digest;
  /** Where a conflict was resolved: the data of the revision that this one is based on. */
  readonly resolved: Digest | undefined;
  /** Whether the data are those of an earlier write, so that they do not tell who wrote them. */
  readonly undoes: boolean;
}

export interface HistoryTransaction {
  readonly name: string;
  readonly client: string;
  readonly snapshot: Tid;
  /** The greatest tid that anybody knew of when it asked to be committed; null before. */
  knownTid: Tid | null;
  outcome: Tid | "aborted" | "unknown" | null;
  readonly stores: Map<Oid, StoredRevision>;
  readonly checks: Map<Oid, Tid>;
}

/** A committed revision. */
export interface Version {
  readonly tid: Tid;
  readonly digest: Digest;
  readonly previous: Version | null;
  next: Version | null;
}

export class Transactions {
  readonly violations: Violation[] = [];
  readonly #byName = new Map<string, HistoryTransaction>();
  readonly #writers = new Map<string, HistoryTransaction>();
  readonly #byTid = new Map<Tid, HistoryTransaction>();
  readonly #versions = new Map<string, Version>();
  readonly #first = new Map<Oid, Version>();
  readonly #last = new Map<Oid, Version>();
  #committed: { readonly tx: HistoryTransaction; readonly tid: Tid }[] = [];

  constructor(events: readonly HistoryEvent[]) {
    this.#collect(events);
    for (const tx of this.#byName.values()) {
      // Whoever was not told may have lost the answer, but only that to a question.
      tx.outcome ??= tx.knownTid === null ? "aborted" : "unknown";
      for (const [oid, { digest, undoes }] of tx.stores) {
        if (digest !== null && !undoes) this.#writers.set(keyOf(oid, digest), tx);
      }
    }
    for (const event of events) {
      if (event.kind === "read" || event.kind === "found") this.#settle(event);
    }
    this.#order();
  }

  /** A transaction by its name. */
  get(name: string): HistoryTransaction {
    const tx = this.#byName.get(name);
    if (tx === undefined) throw new Error(`transaction ${name} was not begun`);
    return tx;
  }

  /** All that were committed, by growing tid. */
  get committed(): readonly { readonly tx: HistoryTransaction; readonly tid: Tid }[] {
    return this.#committed;
  }

  /** The transaction that was committed as `tid`. */
  byTid(tid: Tid): HistoryTransaction | undefined {
    return this.#byTid.get(tid);
  }

  /** Who wrote data, as the last that it wrote of the object. */
  writerOf(oid: Oid, digest: string): HistoryTransaction | undefined {
    return this.#writers.get(keyOf(oid, digest));
  }

  /** The revision of an object that a transaction left. */
  version(oid: Oid, tid: Tid): Version | undefined {
    return this.#versions.get(keyOf(oid, hexId(tid)));
  }

  /** The last revision that is not after `tid`; one that may be it is looked at first. */
  lastUpTo(oid: Oid, tid: Tid, start?: Version): Version | undefined {
    let version = start !== undefined && start.tid <= tid ? start : this.#first.get(oid);
    if (version === undefined || version.tid > tid) return undefined;
    while (version.next !== null && version.next.tid <= tid) version = version.next;
    return version;
  }

  #collect(events: readonly HistoryEvent[]): void {
    let knownTid: Tid = ZERO_TID;
    for (const event of events) {
      const learnt = this.#take(event, knownTid);
      if (learnt !== null && learnt > knownTid) knownTid = learnt;
    }
  }

  /** Takes an event; returns the tid that somebody learns of by it. */
  #take(event: HistoryEvent, knownTid: Tid): Tid | null {
    switch (event.kind) {
      case "open":
        return event.lastTid;
      case "invalidation":
        return event.tid;
      case "begin":
        this.#begin(event);
        return event.snapshot;
      case "store": {
        const { base, digest, undoes = false } = event;
        this.get(event.tx).stores.set(event.oid, { base, digest, resolved: undefined, undoes });
        return null;
      }
      case "resolve":
        this.#resolve(event);
        return null;
      case "check":
        this.get(event.tx).checks.set(event.oid, event.serial);
        return null;
      case "finish":
        this.get(event.tx).knownTid = knownTid;
        return null;
      case "end":
        this.get(event.tx).outcome = event.outcome;
        return typeof event.outcome === "bigint" ? event.outcome : null;
      default:
        return null;
    }
  }

  #begin({ tx: name, client, snapshot }: HistoryEvent & { readonly kind: "begin" }): void {
    if (this.#byName.has(name)) throw new Error(`transaction ${name} was begun twice`);
    const [stores, checks] = [new Map(), new Map()];
    const tx = { name, client, snapshot, knownTid: null, outcome: null, stores, checks };
    this.#byName.set(name, tx);
  }

  #resolve({ tx, oid, saved, digest }: HistoryEvent & { readonly kind: "resolve" }): void {
    const { stores } = this.get(tx);
    const store = stores.get(oid);
    if (store === undefined) throw new Error(`${tx} resolves ${hexId(oid)}, which it never stored`);
    stores.set(oid, { ...store, digest, resolved: saved });
  }

  /** Whoever finds data knows that they were committed, and as what. */
  #settle({ oid, serial, digest }: HistoryEvent & { readonly kind: "read" | "found" }): void {
    if (digest === null) return;
    const tx = this.writerOf(oid, digest);
    if (tx?.outcome === "unknown") tx.outcome = serial;
  }

  #order(): void {
    for (const tx of this.#byName.values()) {
      if (typeof tx.outcome === "bigint") this.#committed.push({ tx, tid: tx.outcome });
    }
    this.#committed.sort((a, b) => a.tid < b.tid ? -1 : a.tid > b.tid ? 1 : 0);
    for (const { tx, tid } of this.#committed) {
      const other = this.#byTid.get(tid);
      if (other !== undefined) {
        const message = `${tx.name} and ${other.name} were both committed as ${hexId(tid)}`;
        this.violations.push({ rule: "tid not unique", message });
      }
      this.#byTid.set(tid, tx);
      for (const [oid, { digest }] of tx.stores) this.#append(oid, { tid, digest });
    }
  }

  #append(oid: Oid, { tid, digest }: Pick<Version, "tid" | "digest">): void {
    const previous = this.#last.get(oid) ?? null;
    const version: Version = { tid, digest, previous, next: null };
    if (previous === null) this.#first.set(oid, version);
    else previous.next = version;
    this.#last.set(oid, version);
    this.#versions.set(keyOf(oid, hexId(tid)), version);
  }
}

function keyOf(oid: Oid, text: string): string {
  return `${oid} ${text}`;
}
