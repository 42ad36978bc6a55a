/**
 * Votes that failed on some storages. A client whose storage was unreachable while it voted may
 * still commit when the others are enough; the storages that missed writes are then disconnected
 * before the commit. Since that must hold for all transactions that were promised it, one that
 * would take too much together with others waits until they have ended.
 */

import type { ErrorPacket, FailedVote } from "../../gen/packets.ts";
import { hexId, type Nid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import { ack, Refusal } from "../wire/refusal.ts";
import { MAX_DELAYED_VOTES } from "./limits.ts";
import type { KnownNode, Nodes } from "./nodes.ts";
import type { Readiness } from "./readiness.ts";
import type { MasterTable } from "./table/master_table.ts";
import type { Transactions } from "./transactions.ts";

export interface VotesOptions {
  readonly nodes: Nodes;
  readonly table: MasterTable;
  readonly readiness: Readiness;
  readonly transactions: Transactions;
}

interface DelayedVote {
  readonly client: KnownNode;
  readonly vote: FailedVote;
  readonly answer: LaterAnswer<ErrorPacket>;
}

export class Votes {
  readonly #options: VotesOptions;
  #delayed: DelayedVote[] = [];

  constructor(options: VotesOptions) {
    this.#options = options;
  }

  /** A client could not vote on some storages. Throws a Refusal when it can't do without them. */
  failed(client: KnownNode, vote: FailedVote): Reply<ErrorPacket> {
    if (this.#accepts(client, vote)) return ack("");
    if (this.#delayed.length >= MAX_DELAYED_VOTES) {
      throw new Refusal("INCOMPLETE_TRANSACTION", "too many votes wait for others");
    }
    const answer = new LaterAnswer<ErrorPacket>();
    this.#delayed.push({ client, vote, answer });
    return answer;
  }

  /** Looks again at the votes that wait. */
  retry(): void {
    if (this.#delayed.length === 0) return;
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const entry of delayed) {
      try {
        if (this.#accepts(entry.client, entry.vote)) entry.answer.give(ack(""));
        else this.#delayed.push(entry);
      } catch (error) {
        entry.answer.refuse(error);
      }
    }
  }

  clientLost(client: KnownNode): void {
    this.#delayed = this.#delayed.filter((entry) => entry.client !== client);
  }

  /** Whether the transaction may go on without these storages; false when that is to be seen. */
  #accepts(client: KnownNode, { ttid, nids }: FailedVote): boolean {
    const { nodes, table, readiness, transactions } = this.#options;
    const transaction = transactions.get(ttid, client);
    // The client does not know which storages are not expected to have it in full.
    const failed = new Set<Nid>(
      nids.filter((nid) => readiness.wasReady(nid, transaction.moment)),
    );
    if (failed.size === 0) return true;
    if (!table.isOperational(nodes.isRunning, failed)) {
      throw new Refusal(
        "INCOMPLETE_TRANSACTION",
        `transaction ${hexId(ttid)} failed on storages with the only readable copies`,
      );
    }
    for (const other of transactions.pending) {
      for (const nid of other.failed) failed.add(nid);
    }
    if (!table.isOperational(nodes.isRunning, failed)) return false;
    transaction.failed = failed;
    return true;
  }
}
