/**
 * What commands work on: the model on one side, the cluster and its clients on the other. Commands
 * are run one after the other, so that the model knows what each of them must come to.
 */

import type { Client } from "../../../nodes/client/client.ts";
import type { Transaction } from "../../../nodes/client/transaction.ts";
import { type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import type { SimulatedCluster } from "../cluster.ts";
import { ModelStore, type Version, type Write } from "./store.ts";

/** How many clients there are, and how many transactions are open at the same time at most. */
export const CLIENTS = 3;
export const SLOTS = 4;

/** What can become of an open transaction. */
export type Fate =
  /** It will be committed when it is asked to. */
  | "sound"
  /** It is in conflict, and can't be committed. */
  | "conflict"
  /** As that, and nodes were lost since. */
  | "lost"
  /** Nodes were lost since it began: it may be committed or not. */
  | "uncertain";

/** An open transaction, as the model knows it. */
export interface OpenTransaction {
  readonly client: number;
  readonly description: string;
  readonly writes: Map<Oid, Write>;
  readonly checks: Set<Oid>;
  /** Objects that it may have locked. */
  readonly touched: Set<Oid>;
  fate: Fate;
}

/** What the model knows. */
export class Model {
  readonly store = new ModelStore();
  readonly open = new Map<number, OpenTransaction>();
  /** What each client is known to know of at least. */
  readonly known = new Array<Tid>(CLIENTS).fill(ZERO_TID);
  /** False after a crash, until transactions have ended that cells may have to wait for. */
  isComplete = true;
  readonly counts = new Map<string, number>();

  /** One of the objects; undefined when there is none yet. */
  object(number: number): Oid | undefined {
    const { oids } = this.store;
    return oids[number % oids.length];
  }

  /** One of the committed transactions. */
  tid(number: number): Tid | undefined {
    const { transactions } = this.store;
    return transactions[number % transactions.length]?.tid;
  }

  /** Whether some other transaction than that of a slot may have locked an object. */
  isTouched(oid: Oid, slot: number): boolean {
    for (const [other, { touched }] of this.open) {
      if (other !== slot && touched.has(oid)) return true;
    }
    return false;
  }

  /** Pending writes, which a pack may have to change. */
  pending(): ReadonlyMap<Oid, Write>[] {
    return [...this.open.values()].map(({ writes }) => writes);
  }

  /** The revision of an object that a client sees which knows of `lastTid`. */
  seen(oid: Oid, lastTid: Tid): Version | undefined {
    return this.store.versions(oid).findLast(({ tid }) => tid <= lastTid);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** The real side. */
export class Scene {
  readonly transactions = new Map<number, Transaction>();

  constructor(readonly cluster: SimulatedCluster, readonly clients: readonly Client[]) {}

  client(number: number): Client {
    const client = this.clients[number];
    if (client === undefined) throw new Error(`there is no client ${number}`);
    return client;
  }

  transaction(slot: number): Transaction {
    const transaction = this.transactions.get(slot);
    if (transaction === undefined) throw new Error(`nothing is open in slot ${slot}`);
    return transaction;
  }

  /** Lets things happen until a promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let result: { readonly value: T } | null = null;
    const settled = promise.then((value) => {
      result = { value };
    });
    await this.cluster.world.run(settled);
    return valueOf(result);
  }
}

function valueOf<T>(result: { readonly value: T } | null): T {
  if (result === null) throw new Error("the world has ended before a promise was settled");
  return result.value;
}
