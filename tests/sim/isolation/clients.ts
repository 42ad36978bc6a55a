/** Checks what each client of a history was told, and that its snapshots never go back. */

import { hexId, type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import type { HistoryEvent, Rule, Violation } from "./history.ts";
import type { HistoryTransaction, Transactions } from "./transactions.ts";

/** The promises to clients that were not kept in a history. */
export function checkClients(
  events: readonly HistoryEvent[],
  transactions: Transactions,
): Violation[] {
  const checker = new ClientChecker(transactions);
  for (const event of events) checker.take(event);
  return checker.violations;
}

interface SeenBy {
  /** The last transaction that the client knows of. */
  lastTid: Tid;
  /** What it must know of when it is told that it knows of everything, by the question. */
  readonly wanted: Map<number, Tid>;
}

class ClientChecker {
  readonly violations: Violation[] = [];
  readonly #transactions: Transactions;
  /** Transactions that change something, by growing tid: their place among them. */
  readonly #places = new Map<Tid, number>();
  readonly #tids: Tid[] = [];
  readonly #clients = new Map<string, SeenBy>();
  #acknowledged: Tid = ZERO_TID;

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
    for (const { tx, tid } of transactions.committed) {
      if (tx.stores.size === 0) continue;
      this.#places.set(tid, this.#tids.length);
      this.#tids.push(tid);
    }
  }

  #violated(rule: Rule, message: string): void {
    this.violations.push({ rule, message });
  }

  take(event: HistoryEvent): void {
    switch (event.kind) {
      case "open":
        this.#clients.set(event.client, { lastTid: event.lastTid, wanted: new Map() });
        break;
      case "begin":
        this.#begin(event);
        break;
      case "end":
        this.#end(this.#transactions.get(event.tx), event.outcome);
        break;
      case "invalidation":
        this.#invalidation(event);
        break;
      case "sync":
        this.#client(event.client).wanted.set(event.sync, this.#acknowledged);
        break;
      case "synced":
        this.#synced(event);
        break;
      default:
        break;
    }
  }

  #client(name: string): SeenBy {
    const client = this.#clients.get(name);
    if (client === undefined) throw new Error(`client ${name} was not opened`);
    return client;
  }

  #begin({ client, tx, snapshot }: HistoryEvent & { readonly kind: "begin" }): void {
    const { lastTid } = this.#client(client);
    if (snapshot >= lastTid) return;
    const message = `${tx} begins on ${hexId(snapshot)}, when its client knows ${hexId(lastTid)}`;
    this.#violated("snapshot goes back", message);
  }

  #end({ client }: HistoryTransaction, outcome: Tid | "aborted" | "unknown"): void {
    if (typeof outcome !== "bigint") return;
    if (outcome > this.#acknowledged) this.#acknowledged = outcome;
    const seen = this.#client(client);
    if (outcome > seen.lastTid) seen.lastTid = outcome;
  }

  #invalidation({ client, tid, oids }: HistoryEvent & { readonly kind: "invalidation" }): void {
    const seen = this.#client(client);
    const { lastTid } = seen;
    const told = `${client} is told of ${hexId(tid)} after ${hexId(lastTid)}`;
    if (tid < lastTid || (tid === lastTid && oids !== null)) {
      return this.#violated("invalidation out of order", told);
    }
    seen.lastTid = tid;
    if (oids === null) return;
    const tx = this.#transactions.byTid(tid);
    if (tx === undefined ? oids.length > 0 : !isWhatItStores(tx, oids)) {
      const stored = tx === undefined ? "no transaction" : `${tx.name}, which stored other objects`;
      this.#violated("wrong invalidation", `${told}, which is ${stored}`);
    }
    const place = this.#places.get(tid);
    const before = place === undefined ? undefined : this.#tids[place - 1];
    if (before !== undefined && before > lastTid) {
      this.#violated("invalidation missing", `${told}, but not of ${hexId(before)}`);
    }
  }

  #synced({ client, sync }: HistoryEvent & { readonly kind: "synced" }): void {
    const seen = this.#client(client);
    const wanted = seen.wanted.get(sync);
    seen.wanted.delete(sync);
    if (wanted === undefined || seen.lastTid >= wanted) return;
    const known = hexId(seen.lastTid);
    const message = `${client} knows ${known}, when ${hexId(wanted)} was acknowledged before`;
    this.#violated("snapshot too old", message);
  }
}

function isWhatItStores({ stores }: HistoryTransaction, oids: readonly Oid[]): boolean {
  return oids.length === stores.size && oids.every((oid) => stores.has(oid));
}
