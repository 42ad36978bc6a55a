/**
 * Checks a history for snapshot isolation, in time linear in its length but for one sort: since
 * serials and tids are known, each read, write and check is compared with one revision.
 *
 * - A read finds the newest revision that is not after the snapshot, and nothing uncommitted.
 * - The first who commits a change of a revision wins: a later one is based on it, or resolved.
 * - What a transaction relies on is unchanged when it commits.
 * - Tids are unique, and greater than all that anybody knew when the commit was asked for.
 * - What a client sees never goes back: it is told of all commits, in order, and each of its
 *   snapshots includes all that it was told.
 */

import { hexId, type Oid, type Tid, tidBefore, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { checkClients } from "./clients.ts";
import type { Digest, HistoryEvent, Rule, Violation } from "./history.ts";
import { type HistoryTransaction, type StoredRevision, Transactions } from "./transactions.ts";

/** The promises that were not kept in a history. Throws an Error for what is no history. */
export function checkIsolation(events: readonly HistoryEvent[]): Violation[] {
  const transactions = new Transactions(events);
  return [
    ...transactions.violations,
    ...new RevisionChecker(transactions).check(events),
    ...checkClients(events, transactions),
  ];
}

class RevisionChecker {
  readonly #transactions: Transactions;
  readonly #violations: Violation[] = [];
  #packTid: Tid = ZERO_TID;

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
  }

  check(events: readonly HistoryEvent[]): Violation[] {
    for (const event of events) {
      if (event.kind === "read") this.#read(event);
      else if (event.kind === "found") this.#found("the database", event);
      else if (event.kind === "resolve") this.#resolution(event);
      else if (event.kind === "pack" && event.tid > this.#packTid) this.#packTid = event.tid;
    }
    for (const { tx, tid } of this.#transactions.committed) this.#commit(tx, tid);
    return this.#violations;
  }

  #violated(rule: Rule, message: string): void {
    this.#violations.push({ rule, message });
  }

  #read(read: HistoryEvent & { readonly kind: "read" }): void {
    const { oid, serial } = read;
    const { snapshot, name } = this.#transactions.get(read.tx);
    const found = `${name} on snapshot ${hexId(snapshot)} found ${hexId(oid)} at ${hexId(serial)}`;
    if (serial === ZERO_TID) {
      const last = this.#transactions.lastUpTo(oid, snapshot);
      const isPacked = last !== undefined && last.digest === null && last.tid <= this.#packTid;
      if (last !== undefined && !isPacked) {
        this.#violated("stale read", `${found}, not ${hexId(last.tid)}`);
      }
      return;
    }
    if (serial > snapshot) this.#violated("read after the snapshot", found);
    const next = this.#found(name, read);
    if (next !== null && next <= snapshot) {
      this.#violated("stale read", `${found}, not ${hexId(next)}`);
    }
  }

  /** Checks that a revision was committed. Returns the tid of the one that follows. */
  #found(
    who: string,
    { oid, serial, digest }: {
      readonly oid: Oid;
      readonly serial: Tid;
      readonly digest: Digest;
    },
  ): Tid | null {
    const version = this.#transactions.version(oid, serial);
    if (version?.digest === digest) return version.next?.tid ?? null;
    const found = `${who} found ${hexId(oid)} at ${hexId(serial)}`;
    const writer = digest === null ? undefined : this.#transactions.writerOf(oid, digest);
    if (writer?.outcome === "aborted") {
      this.#violated("uncommitted data", `${found} with data of ${writer.name}, which was aborted`);
    } else {
      const reason = version === undefined
        ? "where nobody committed it"
        : "with data that were not committed there";
      this.#violated("wrong data", `${found} ${reason}`);
    }
    return version?.next?.tid ?? null;
  }

  #resolution({ tx, oid, old, saved }: HistoryEvent & { readonly kind: "resolve" }): void {
    for (const digest of [old, saved]) {
      const writer = digest === null ? undefined : this.#transactions.writerOf(oid, digest);
      if (typeof writer?.outcome === "bigint") continue;
      const message = `${tx} resolves ${hexId(oid)} with data that were never committed`;
      this.#violated("wrong resolution", message);
    }
  }

  #commit(tx: HistoryTransaction, tid: Tid): void {
    const { name, knownTid, snapshot, stores, checks } = tx;
    if (tid <= snapshot || (knownTid !== null && tid <= knownTid)) {
      const known = hexId(knownTid === null || knownTid < snapshot ? snapshot : knownTid);
      const message = `${name} was committed as ${hexId(tid)}, when ${known} was known`;
      this.#violated("tid not rising", message);
    }
    for (const [oid, store] of stores) this.#stored(oid, { tx, tid, store });
    for (const [oid, serial] of checks) {
      if (stores.has(oid)) continue;
      const current = this.#lastBefore(oid, tid, serial);
      if (current === serial) continue;
      this.#violated(
        "changed under a check",
        `${name} relied on ${hexId(oid)} at ${hexId(serial)}, ` +
          `but ${hexId(current)} is the last before ${hexId(tid)}`,
      );
    }
  }

  #stored(oid: Oid, { tx, tid, store }: {
    readonly tx: HistoryTransaction;
    readonly tid: Tid;
    readonly store: StoredRevision;
  }): void {
    const previous = this.#transactions.version(oid, tid)?.previous ?? null;
    const current = previous?.tid ?? ZERO_TID;
    const { base, resolved } = store;
    if (resolved === undefined ? base === current : previous?.digest === resolved) return;
    const basis = resolved === undefined ? hexId(base) : "what it was united with";
    this.#violated(
      "lost update",
      `${tx.name}, committed as ${hexId(tid)}, changed ${hexId(oid)} from ${basis}, ` +
        `but ${hexId(current)} is the last before`,
    );
  }

  /** The last revision before `tid`, which is expected to be `serial`: it is looked at first. */
  #lastBefore(oid: Oid, tid: Tid, serial: Tid): Tid {
    const start = this.#transactions.version(oid, serial);
    return this.#transactions.lastUpTo(oid, tidBefore(tid), start)?.tid ?? ZERO_TID;
  }
}
