/**
 * What there is while the database is in use: the storages' readiness, the clients' transactions,
 * and what waits for either. It lives from the moment when storages are started until it ends with
 * the cluster, or because some partition can't be read any more.
 */

import { type AnswerBeginTransaction, StartOperation } from "../../gen/packets.ts";
import type { Nid, Tid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import { Refusal } from "../wire/refusal.ts";
import { MAX_DELAYED_BEGINS } from "./limits.ts";
import type { KnownNode } from "./nodes.ts";
import { Packs } from "./packs.ts";
import type { Primary } from "./primary.ts";
import { Readiness } from "./readiness.ts";
import { Transactions } from "./transactions.ts";
import { Votes } from "./votes.ts";

interface DelayedBegin {
  readonly client: KnownNode;
  readonly imported: Tid | null;
  readonly answer: LaterAnswer<AnswerBeginTransaction>;
}

export class Operation {
  readonly primary: Primary;
  readonly readiness = new Readiness();
  readonly transactions: Transactions;
  readonly votes: Votes;
  readonly packs: Packs;
  readonly #begins: DelayedBegin[] = [];
  #closing = false;

  constructor(primary: Primary) {
    const { nodes, table, ids, turn } = primary;
    const { readiness } = this;
    this.primary = primary;
    this.transactions = new Transactions({
      nodes,
      table,
      ids,
      readiness,
      turn,
      disconnect: (storage) => primary.disconnect(storage),
      ended: () => turn.after(() => this.#transactionEnded()),
    });
    this.votes = new Votes({ nodes, table, readiness, transactions: this.transactions });
    this.packs = new Packs(primary);
  }

  #transactionEnded(): void {
    this.votes.retry();
    this.primary.phase.transactionEnded();
  }

  /** Tells a storage to start; no transaction begins until it is ready. */
  start(storage: KnownNode): void {
    storage.connection?.notify(StartOperation, { backup: false });
    if (storage.nid !== null) this.readiness.started(storage.nid);
  }

  /** A storage says that it is ready. Returns whether it had been told to start. */
  ready(nid: Nid): boolean {
    if (!this.readiness.becameReady(nid)) return false;
    this.#beginDelayed();
    return true;
  }

  /** Begins a transaction, once no storage is starting. */
  begin(client: KnownNode, imported: Tid | null): Reply<AnswerBeginTransaction> {
    if (this.readiness.settled && !this.#closing) {
      return { ttid: this.transactions.begin(client, imported) };
    }
    if (this.#begins.length >= MAX_DELAYED_BEGINS) {
      throw new Refusal("PROTOCOL_ERROR", "too many transactions wait to begin", false);
    }
    const answer = new LaterAnswer<AnswerBeginTransaction>();
    this.#begins.push({ client, imported, answer });
    return answer;
  }

  #beginDelayed(): void {
    if (!this.readiness.settled || this.#closing) return;
    for (const { client, imported, answer } of this.#begins.splice(0)) {
      if (client.connection === null) continue;
      try {
        answer.give({ ttid: this.transactions.begin(client, imported) });
      } catch (error) {
        answer.refuse(error);
      }
    }
  }

  /** From now on no transaction begins: those who want one wait for ever. */
  close(): void {
    this.#closing = true;
  }

  /**
   * A storage is gone. Returns whether the cluster is still operational; if it is not, nothing is
   * committed any more, and what was being committed is up to verification.
   */
  storageLost(storage: KnownNode): boolean {
    const operational = this.primary.withoutStorage(storage);
    if (!operational) {
      this.transactions.drop();
      return false;
    }
    if (storage.nid !== null) this.readiness.lost(storage.nid);
    this.transactions.storageLost(storage);
    this.packs.storageLost(storage);
    this.votes.retry();
    this.#beginDelayed();
    return true;
  }

  clientLost(client: KnownNode): void {
    this.transactions.clientLost(client);
    this.votes.clientLost(client);
  }
}
